"""RSI, GARD and RxRSI: radiosensitivity from the ranks of ten genes inside one sample."""

import math
from collections.abc import Mapping

from scipy.stats import rankdata

from abscopal.domain.errors import InputError
from abscopal.domain.patient import Patient
from abscopal.domain.registry import register
from abscopal.knowledge.load import load
from abscopal.stratification.score import Card, Score
from abscopal.stratification.scores.expression import lacking

SHEET = "scores/radiosensitivity"
RSI = Card(
    "rsi", "Radiosensitivity index (RSI)", "prognostic", "Eschrich et al., 2009", (f"{SHEET}:rsi", f"{SHEET}:rsi_low")
)
GARD = Card(
    "gard", "Genomic-adjusted radiation dose (GARD)", "predictive",
    "Scott et al., 2017 and 2021", (f"{SHEET}:beta", f"{SHEET}:rsi"),
)  # fmt: skip
RXRSI = Card(
    "rxrsi", "Dose for a target GARD (RxRSI)", "mechanistic", "Scott et al., 2017", (f"{SHEET}:beta",), unit="Gy"
)
OF_RT = "about radiotherapy, not about an ICI nor about adding one to the other"


def radiosensitivity_index(expression: Mapping[str, float]) -> float:
    """RSI of one sample, from the ranks of its ten genes (1 lowest, 10 highest). [1].

    Parameters
    ----------
    expression : mapping
        Values of the ten genes of one sample, in any unit that keeps their order. Never centred or
        scaled over patients: that destroys the order inside the sample.

    Raises
    ------
    InputError
        A gene is missing or a value is negative or not finite.

    Notes
    -----
    Ties share their average rank. Ranks alone reach from -0.605 to 1.219, so a value at or below
    zero is possible; it is not clipped here.

    References
    ----------
    Eschrich SA et al. 2009; coefficients read in two public scripts.
    """
    table = load(SHEET).table("rsi")
    genes = list(table["gene"])
    values = [expression.get(gene, math.nan) for gene in genes]
    wrong = [gene for gene, value in zip(genes, values, strict=True) if not (math.isfinite(value) and value >= 0)]
    if wrong:
        raise InputError(
            doing="computing the RSI",
            found="no value, or one that is negative, for " + ", ".join(wrong),
            expected="the ten genes of one sample, not negative",
            try_="expression as measured, not centred over patients",
        )
    return float(rankdata(values) @ table["coefficient"].to_numpy())


def linear_radiosensitivity(rsi: float) -> float:
    """Linear coefficient alpha [1/Gy] with RSI read as the surviving fraction at 2 Gy."""
    sheet = load(SHEET)
    d = sheet["reference_dose"]
    return -math.log(rsi) / d - sheet["beta"] * d


def gard(rsi: float, fractions: int, dose_per_fraction: float) -> float:
    """Genomic-adjusted dose n d (alpha + beta d). [1].

    Parameters
    ----------
    rsi : float
        Above zero. [1]
    fractions : int
    dose_per_fraction : float
        [Gy]
    """
    return fractions * dose_per_fraction * _effect_per_gray(rsi, dose_per_fraction)


def rx_rsi(rsi: float, target: float, dose_per_fraction: float) -> float:
    """Total dose [Gy] that reaches a target GARD at a dose per fraction [Gy]; RSI above zero."""
    return target / _effect_per_gray(rsi, dose_per_fraction)


def _effect_per_gray(rsi: float, d: float) -> float:
    return linear_radiosensitivity(rsi) + load(SHEET)["beta"] * d


def rsi_of(patient: Patient) -> tuple[float | None, str, tuple[str, ...]]:
    """RSI above zero, or why there is none, and what had to be said."""
    table = load(SHEET).table("rsi")
    if reason := lacking(patient.expression, table["gene"]):
        return None, reason, ()
    genes = {gene: patient.expression.genes[gene] for gene in table["gene"]}  # type: ignore[union-attr]
    value, floor = radiosensitivity_index(genes), load(SHEET)["rsi_floor"]
    notes = []
    ties = len(genes) - len(set(genes.values()))
    if ties:
        notes.append(f"{ties} of the ten genes share a value: average ranks")
    if value < floor:
        notes.append(f"{value:.4g} counted as {floor:g}: the ranks can give a value no surviving fraction has")
    return max(value, floor), "", tuple(notes)


@register("score", "rsi", needs=("expression",), source=RSI.source)
def rsi(patient: Patient) -> Score:
    """Radiosensitivity index; low is radiosensitive."""
    value, reason, notes = rsi_of(patient)
    if value is None:
        return RSI.lacks(reason)
    cut = load(SHEET)["rsi_low"]
    side = f"low (at or below {cut:g}): radiosensitive" if value <= cut else f"not low (above {cut:g})"
    return RSI.score(value, side, inputs={"ranked genes": 10.0}, notes=(*notes, OF_RT))


@register("score", "gard", needs=("expression", "fractions", "dose_per_fraction"), source=GARD.source)
def gard_score(patient: Patient) -> Score:
    """GARD of the planned course."""
    value, reason, notes = rsi_of(patient)
    n, d = patient.radiotherapy.fractions, patient.radiotherapy.dose_per_fraction
    if value is None or n is None or d is None:
        course = [
            name
            for name, known in (("radiotherapy.fractions", n), ("radiotherapy.dose_per_fraction", d))
            if known is None
        ]
        return GARD.lacks(", ".join([*([reason] if reason else []), *course]))
    sheet = load(SHEET)
    found = gard(value, n, d)
    low, high = sheet.number("gard_hr_survival").range or (math.nan, math.nan)
    notes = (
        *notes,
        f"interaction with radiotherapy reported (p = {sheet['gard_interaction_p']:g}, 11 cohorts); hazard ratio "
        f"of death {sheet['gard_hr_survival']:g} ({low:g} to {high:g}) per unit",
        OF_RT,
    )
    return GARD.score(found, _against_target(patient, found), inputs={"RSI": value, "n": float(n), "d": d}, notes=notes)


@register("score", "rxrsi", needs=("expression", "dose_per_fraction"), source=RXRSI.source)
def rxrsi_score(patient: Patient) -> Score:
    """Total dose that would reach the target GARD of the disease."""
    value, reason, notes = rsi_of(patient)
    d, target = patient.radiotherapy.dose_per_fraction, _target(patient)
    absent = [reason] if reason else []
    absent += ["radiotherapy.dose_per_fraction"] if d is None else []
    absent += [f"a target GARD for {patient.disease}"] if target is None else []
    if value is None or d is None or target is None:
        return RXRSI.lacks(", ".join(absent))
    notes = (*notes, "a calculation, not a prescription", OF_RT)
    return RXRSI.score(rx_rsi(value, target, d), f"for GARD {target:g}", inputs={"RSI": value, "d": d}, notes=notes)


def _target(patient: Patient) -> float | None:
    table = load(SHEET).table("targets").fillna("")
    rows = table[(table["disease"] == patient.disease) & (table["subtype"] == "")]
    return None if rows.empty else float(rows["target"].iloc[0])


def _against_target(patient: Patient, value: float) -> str:
    target = _target(patient)
    if target is None:
        return ""
    return f"{'at or above' if value >= target else 'below'} {target:g}"

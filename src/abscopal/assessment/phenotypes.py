"""Window phenotypes: what would hold a patient back in the dose-immune model, and how sure that is.

Everything here follows from a mouse-calibrated model and a declared mapping of covariates to its
parameters. It is mechanistic: it says what the model suggests, never what treatment does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import InputError
from abscopal.domain.patient import Patient
from abscopal.knowledge.load import load
from abscopal.stratification.mechanistic import SHEET, known_covariates, mapping, stacked
from abscopal.window.bounds import window_bounds
from abscopal.window.ensemble import Ensemble
from abscopal.window.experiment import reference_drugs, reference_experiment

FloatArray = NDArray[np.float64]
Phenotype = Literal[
    "needs adjuvant signal",
    "needs brake release",
    "lymphocyte-limited",
    "RT-resistant",
    "no single limit",
    "undetermined",
]
LIMITS: tuple[Phenotype, ...] = (
    "needs adjuvant signal", "needs brake release", "lymphocyte-limited", "RT-resistant",
)  # fmt: skip
DOSES = (2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 15.0, 20.0)
FRACTIONS, DOSE = 3, 8.0
LEVEL = 0.5
MOST_ANIMALS = 200_000
CAVEAT = (
    "Mechanistic: a mouse-calibrated model under a declared mapping of covariates to its parameters, every slope of "
    "which is an assumption. It suggests what to measure; it does not predict what treatment does."
)


@dataclass(frozen=True)
class Band:
    """Median with the 5th and 95th percentile over draws; None where the window is open or absent there."""

    median: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class PatientPhenotype:
    """What the model suggests for one patient.

    Attributes
    ----------
    gain : Band
        log10 of the other lesion's volume under ICI alone over that under radiation and ICI, 3 fractions of 8 Gy. [1]
    lower, peak, upper : Band
        Window of three fractions at half of the largest gain. [Gy per fraction]
    no_window : float
        Share of draws without a window. [1]
    shares : mapping
        Share of draws in which each limit stands out most. [1]
    from_data : float
        Share of the spread of the gain among patients of whom nothing is known that this patient's data take
        away; the rest is prior. Not below zero. [1]
    shift : float
        Mean gain less that of a patient of whom nothing is known, in standard deviations of the latter. [1]
    used, lacking : tuple of str
        Covariates known and not known.
    """

    label: str
    phenotype: Phenotype
    shares: Mapping[Phenotype, float]
    gain: Band
    lower: Band
    peak: Band
    upper: Band
    no_window: float
    from_data: float
    shift: float
    used: tuple[str, ...]
    lacking: tuple[str, ...]


@dataclass(frozen=True)
class Phenotypes:
    """Phenotypes of a cohort.

    Attributes
    ----------
    between_patients : float
        Share of the variance of the gain over all patients and draws that lies between patients: what data,
        through the mapping, say; the rest is prior. [1]
    counts : mapping
        Patients by phenotype.
    nobody : Band
        Gain of a patient of whom nothing is known. [1]
    unsolved : int
        Draws the solver gave up on, left out.
    """

    patients: tuple[PatientPhenotype, ...]
    between_patients: float
    nobody: Band
    counts: Mapping[str, int]
    draws: int
    seed: int
    ici: str
    unsolved: int
    notes: tuple[str, ...]


def window_phenotypes(
    patients: Sequence[Patient], *, ici: str = "anti-PD-1", draws: int = 60, seed: int = 0
) -> Phenotypes:
    """Window, gain and limiting step that the dose-immune model suggests for each patient.

    Parameters
    ----------
    patients : sequence of Patient
    ici : str
        Class of the ICI, reference mouse doses on days 2, 5 and 8 after the first fraction.
    draws : int
        Draws of what is not known, the same for every patient.
    seed : int

    Raises
    ------
    InputError
        No patient, fewer than ten draws, or more patients times draws than fit.
    """
    if not patients or draws < 10 or (len(patients) + 1) * draws > MOST_ANIMALS:
        raise InputError(
            doing="predicting window phenotypes", found=f"{len(patients)} patients, {draws} draws",
            expected=f"a patient, ten draws, and at most {MOST_ANIMALS} of both together", try_="--draws 60",
        )  # fmt: skip
    known = [known_covariates(patient) for patient in patients]
    nobody: dict[str, float] = {}
    gains, controls, lost = _run([nobody, *known], draws, seed, ici)
    prior = _at_reference(gains[0])
    found = tuple(
        _patient(patient.pseudonym, covariates, gain, control, prior, controls[0])
        for patient, covariates, gain, control in zip(patients, known, gains[1:], controls[1:], strict=True)
    )
    names = [one.phenotype for one in found]
    return Phenotypes(
        patients=found,
        between_patients=_between([_at_reference(gain) for gain in gains[1:]]),
        nobody=_band(prior),
        counts={name: names.count(name) for name in (*LIMITS, "no single limit", "undetermined") if name in names},
        draws=draws,
        seed=seed,
        ici=ici,
        unsolved=lost,
        notes=(
            CAVEAT,
            f"a phenotype is the limit whose lifting (sheet {SHEET}) gains most at {FRACTIONS} × {DOSE:g} Gy, compared "
            "with a patient of whom nothing is known; so it tells patients apart, not how large a gain would be",
            "a covariate that is not known is drawn from its spread among patients",
        ),
    )


def _run(
    people: Sequence[Mapping[str, float]], draws: int, seed: int, ici: str
) -> tuple[list[FloatArray], list[dict[Phenotype, FloatArray]], int]:
    """Gain of each person, shape (draws, doses), and what each relief gains, shape (draws,)."""
    experiment = reference_experiment(drugs=reference_drugs(ici))
    columns = stacked(people, draws, seed)
    ensemble = Ensemble(columns, len(people), draws, ())
    arms = experiment.arms([experiment.schedule(dose, FRACTIONS) for dose in DOSES], ensemble)
    solved = arms.solved.copy()
    place = DOSES.index(DOSE)
    gain = _back(arms.gain(), arms.solved)
    before = [_back(found["both"], arms.solved)[:, place] for found in (arms.volume, arms.nadir)]
    reliefs: dict[Phenotype, FloatArray] = {}
    for name in LIMITS:
        eased = {**columns, **_lifted(columns, name, len(people) * draws)}
        after = experiment.arms([experiment.schedule(DOSE, FRACTIONS)], replace(ensemble, columns=eased))
        solved &= after.solved
        local = name == "RT-resistant"  # read on the irradiated lesion, the others on the one that is not
        lifted = _back((after.nadir if local else after.volume)["both"], after.solved)[:, 0]
        reliefs[name] = np.log10(before[local] / lifted)
    split = [slice(i * draws, (i + 1) * draws) for i in range(len(people))]
    return (
        [gain[part][solved[part]] for part in split],
        [{name: values[part][solved[part]] for name, values in reliefs.items()} for part in split],
        int((~solved).sum()),
    )


def _back(values: FloatArray, solved: NDArray[np.bool_]) -> FloatArray:
    """Rows of the animals that were solved, put back in their places."""
    found = np.full((len(solved), *values.shape[1:]), np.nan)
    found[solved] = values
    return found


def _lifted(columns: Mapping[str, FloatArray], name: Phenotype, n: int) -> dict[str, FloatArray]:
    """Parameters of every animal with one limit lifted."""
    sheet, table = load("immune/diw"), load(SHEET).table("reliefs")
    found = {}
    for _, row in table[table["phenotype"] == name].iterrows():
        parameter, limit = str(row["parameter"]), float(row["value"])
        values = columns.get(parameter, np.full(n, sheet[parameter]))
        found[parameter] = np.minimum(values, limit) if row["rule"] == "at most" else np.maximum(values, limit)
    return found


def _at_reference(gain: FloatArray) -> FloatArray:
    return gain[:, DOSES.index(DOSE)]


def _between(gains: Sequence[FloatArray]) -> float:
    everything = np.concatenate(list(gains))
    if len(gains) < 2 or everything.var() == 0:
        return 0.0
    inside = sum(gain.var() * len(gain) for gain in gains) / len(everything)
    return float(1 - inside / everything.var())


def _patient(
    label: str,
    covariates: Mapping[str, float],
    gain: FloatArray,
    control: Mapping[Phenotype, FloatArray],
    prior: FloatArray,
    typical: Mapping[Phenotype, FloatArray],
) -> PatientPhenotype:
    here = _at_reference(gain)
    bounds = [window_bounds(DOSES, row, level=LEVEL, min_gain=load("immune/window")["min_gain"]) for row in gain]
    open_windows = [bound for bound in bounds if bound.found]
    shares = _shares(control, typical)
    top = max(shares, key=lambda name: shares[name])
    every = list(dict.fromkeys(link.covariate for link in mapping()))
    return PatientPhenotype(
        label=label,
        phenotype=top if shares[top] >= load(SHEET)["majority"] else "undetermined",
        shares=shares,
        gain=_band(here),
        lower=_band(np.array([-np.inf if b.low is None else b.low for b in open_windows])),
        peak=_band(np.array([b.peak for b in open_windows], dtype=np.float64)),
        upper=_band(np.array([np.inf if b.high is None else b.high for b in open_windows])),
        no_window=1 - len(open_windows) / len(bounds),
        from_data=max(0.0, float(1 - here.var() / prior.var())),
        shift=float((here.mean() - prior.mean()) / prior.std()),
        used=tuple(name for name in every if name in covariates),
        lacking=tuple(name for name in every if name not in covariates),
    )


def _shares(control: Mapping[Phenotype, FloatArray], typical: Mapping[Phenotype, FloatArray]) -> dict[Phenotype, float]:
    """Share of draws in which each limit stands out most against a patient of whom nothing is known."""
    excess = np.column_stack(
        [(control[name] - np.median(typical[name])) / max(float(typical[name].std()), 1e-9) for name in LIMITS]
    )
    best, enough = excess.argmax(axis=1), excess.max(axis=1) >= load(SHEET)["least_excess"]
    found: dict[Phenotype, float] = {name: float((enough & (best == i)).mean()) for i, name in enumerate(LIMITS)}
    found["no single limit"] = float((~enough).mean())
    return found


def _band(values: FloatArray) -> Band:
    if not values.size:
        return Band(None, None, None)
    low, median, high = np.percentile(values, [5, 50, 95], method="inverted_cdf")
    return Band(*(float(v) if np.isfinite(v) else None for v in (median, low, high)))

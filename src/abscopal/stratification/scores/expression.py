"""Scores of tumour gene expression: T-cell-inflamed profile, IMPRES and cytolytic activity."""

import math
from collections.abc import Iterable, Mapping

from abscopal.domain.patient import Expression, Patient
from abscopal.domain.registry import register
from abscopal.knowledge.load import load
from abscopal.stratification.score import Card, Score

SHEET = "scores/expression"
BETWEEN_GENES = ("TPM", "FPKM", "log2(TPM+1)", "log2(FPKM+1)")
"""Units in which two genes of one sample can be compared."""
UNDER_ICI = "prognostic under an ICI; says nothing about adding radiotherapy"

GEP = Card(
    "gep",
    "T-cell-inflamed gene-expression profile",
    "prognostic",
    "Ayers et al., 2017",
    (f"{SHEET}:gep", f"{SHEET}:gep_cut"),
)
IMPRES = Card(
    "impres",
    "IMPRES",
    "prognostic",
    "Auslander et al., Nat Med, 2018",
    (f"{SHEET}:impres", f"{SHEET}:impres_responder"),
)
CYT = Card(
    "cyt", "Cytolytic activity (CYT)", "prognostic", "Rooney et al., Cell, 2015", (f"{SHEET}:cyt_offset",), unit="1"
)


def score_genes() -> frozenset[str]:
    """Every gene symbol that a score of this package reads, with the older names."""
    sheet = load(SHEET)
    pairs, keepers = sheet.table("impres").fillna(""), sheet.table("gep_housekeepers").fillna("")
    named = [*sheet.table("gep")["gene"], *keepers["gene"], *keepers["also_called"], *pairs["first"], *pairs["second"]]
    named += [*pairs["second_also_called"], *load("scores/radiosensitivity").table("rsi")["gene"], "GZMA", "PRF1"]
    return frozenset(name for name in named if name)


def linear(expression: Expression) -> dict[str, float]:
    """Expression on its linear scale: log2(x + 1) turned back, other units as they are."""
    if expression.unit.startswith("log2"):
        return {gene: 2.0**value - 1.0 for gene, value in expression.genes.items()}
    return dict(expression.genes)


def lacking(expression: Expression | None, genes: Iterable[str]) -> str:
    """The genes that are not there, as the end of "needs …", or ""."""
    wanted = list(genes)
    if expression is None:
        return f"the expression of {len(wanted)} genes"
    absent = [gene for gene in wanted if gene not in expression.genes]
    return "the expression of " + ", ".join(absent) if absent else ""


def t_cell_inflamed(values: Mapping[str, float]) -> float:
    r"""T-cell-inflamed profile of one sample.

    .. math:: \sum_g w_g \left(\log_{10} x_g - \overline{\log_{10} x_{housekeepers}}\right)

    Parameters
    ----------
    values : mapping
        Expression above zero on a linear scale of the 18 genes and the 11 housekeepers.

    References
    ----------
    Ayers M et al., J Clin Invest 2017; weights read in public code.
    """
    sheet = load(SHEET)
    keepers = sheet.table("gep_housekeepers")["gene"]
    level = sum(math.log10(values[gene]) for gene in keepers) / len(keepers)
    weights = sheet.table("gep").itertuples(index=False, name=None)
    return float(sum(weight * (math.log10(values[gene]) - level) for gene, weight in weights))


@register("score", "gep", needs=("expression",), source=GEP.source)
def gep(patient: Patient) -> Score:
    """T-cell-inflamed profile of one sample."""
    sheet = load(SHEET)
    genes = [*sheet.table("gep")["gene"], *sheet.table("gep_housekeepers")["gene"]]
    expression = _with_new_names(patient.expression)
    reason = lacking(expression, genes)
    if reason or expression is None:
        return GEP.lacks(reason)
    values = linear(expression)
    zero = [gene for gene in genes if values[gene] <= 0]
    if zero:
        return GEP.lacks("expression above zero of " + ", ".join(zero) + ", whose logarithm is taken")
    value, cut, unit = t_cell_inflamed(values), sheet["gep_cut"], expression.unit
    if unit == "NanoString":
        category = f"{'at or above' if value >= cut else 'below'} {cut:g} (trial cut-off of the platform)"
    else:
        category = "no cut-off for this platform: compare inside one cohort"
    return GEP.score(value, category, inputs={"unit": unit, "genes": float(len(genes))}, notes=(UNDER_ICI,))


@register("score", "impres", needs=("expression",), source=IMPRES.source)
def impres(patient: Patient) -> Score:
    """Points of fifteen checkpoint gene pairs."""
    sheet, expression = load(SHEET), _with_new_names(patient.expression)
    pairs = list(sheet.table("impres")[["first", "second"]].itertuples(index=False, name=None))
    if reason := lacking(expression, dict.fromkeys(gene for pair in pairs for gene in pair)):
        return IMPRES.lacks(reason)
    if expression is None or expression.unit not in BETWEEN_GENES:
        return IMPRES.lacks("TPM or FPKM: counts of two genes do not compare")
    points = sum(expression.genes[first] > expression.genes[second] for first, second in pairs)
    ties = sum(expression.genes[first] == expression.genes[second] for first, second in pairs)
    cut = sheet["impres_responder"]
    notes: tuple[str, ...] = (UNDER_ICI, "a published correspondence on its replication disputes it")
    if ties:
        notes = (*notes, f"{ties} of the pairs are equal and give no point")
    side = "at or above" if points >= cut else "below"
    return IMPRES.score(float(points), f"{side} {cut:g}", inputs={"unit": expression.unit}, notes=notes)


@register("score", "cyt", needs=("expression",), source=CYT.source)
def cyt(patient: Patient) -> Score:
    """Geometric mean of GZMA and PRF1."""
    expression = patient.expression
    if reason := lacking(expression, ("GZMA", "PRF1")):
        return CYT.lacks(reason)
    if expression is None or expression.unit not in ("TPM", "log2(TPM+1)"):
        return CYT.lacks("TPM, the unit of its definition")
    values = linear(expression)
    return CYT.score(
        cytolytic_activity(values["GZMA"], values["PRF1"]), "no cut-off: compare inside one cohort",
        inputs={"GZMA": values["GZMA"], "PRF1": values["PRF1"]}, notes=(UNDER_ICI,),
    )  # fmt: skip


def cytolytic_activity(gzma: float, prf1: float) -> float:
    """Geometric mean of GZMA and PRF1 in TPM, each with the offset of the definition."""
    offset = load(SHEET)["cyt_offset"]
    return math.sqrt((gzma + offset) * (prf1 + offset))


def _with_new_names(expression: Expression | None) -> Expression | None:
    """Older gene names replaced by those the tables use."""
    if expression is None:
        return None
    sheet = load(SHEET)
    older = sheet.table("gep_housekeepers").fillna("").set_index("also_called")["gene"].to_dict()
    older |= sheet.table("impres").fillna("").set_index("second_also_called")["second"].to_dict()
    genes = {older.get(gene, gene): value for gene, value in expression.genes.items()}
    return expression.model_copy(update={"genes": genes | expression.genes})

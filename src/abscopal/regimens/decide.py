"""The search for a regimen: limits first, then what each does, then what no other beats, then a choice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import InputError
from abscopal.domain.progress import track
from abscopal.knowledge.load import load
from abscopal.radiobiology.isoeffect import bed
from abscopal.regimens.candidates import SHEET, Candidate, Grid, candidates
from abscopal.regimens.judge import Costing, Estimate, Responder, common_readout, respond
from abscopal.regimens.limits import Limits, OrganDose, broken
from abscopal.regimens.pareto import non_dominated
from abscopal.window.ensemble import Ensemble
from abscopal.window.experiment import Experiment
from abscopal.window.surface import unsolved_note

FloatArray = NDArray[np.float64]
OBJECTIVES = {
    "local": "irradiated lesion, log₁₀ of start over smallest viable volume",
    "distant": "other lesion, log₁₀ of untreated volume over volume",
    "lymphocytes": "ALC nadir",
    "complications": "any complication that is counted",
}
SMALLER_IS_BETTER = ("complications",)
WHY = {
    "mean": "the largest mean effect on the lesion that decides",
    "robust": "the largest lower quartile over draws: it does least badly where the model is wrong",
    "sparing": "the least cost among those at least as good as the present regimen",
    "other": "the largest mean effect among the other fractionations that no regimen beats in everything",
}


@dataclass(frozen=True)
class Judged:
    """One regimen with everything that is known of it.

    Attributes
    ----------
    candidate : Candidate
    values : mapping of str to Estimate
        By objective, medians and 5th to 95th percentiles over draws; costs with the interval of their model.
    control : Estimate
        Probability that no clonogen of the irradiated lesion survives, by the assumed density. [1]
    gain : Estimate
        log10 gain over the same ICI alone. [1]
    robust : float
        Lower quartile over draws of the objective that decides.
    mean : float
        Its mean over draws.
    better_than_present : float or None
        Share of draws in which it is above the present regimen's; None without one. [1]
    tumour_bed : float
        [Gy]
    readout : float
        Day of the mouse clock. [day]
    broken : tuple of str
        Limits it breaks.
    pareto : bool
        No other regimen within the limits beats it in everything.
    """

    candidate: Candidate
    values: Mapping[str, Estimate]
    control: Estimate
    gain: Estimate
    robust: float
    mean: float
    better_than_present: float | None
    tumour_bed: float
    readout: float
    broken: tuple[str, ...] = ()
    pareto: bool = False


@dataclass(frozen=True)
class Decision:
    """What a search found.

    Attributes
    ----------
    regimens : tuple of Judged
        Those within the limits, best mean first.
    present : Judged or None
    mean_choice, robust_choice, sparing_choice : Judged or None
        Of the Pareto set: best mean, best lower quartile, and the least complications (or the highest lymphocyte
        nadir) among those at least as good as the present regimen. None when no regimen is within the limits.
    reasons : mapping
        For each choice, in words.
    refused : mapping of str to int
        How many regimens broke each kind of limit.
    objectives : tuple of str
        Those that could be computed.
    """

    regimens: tuple[Judged, ...]
    present: Judged | None
    mean_choice: Judged | None
    robust_choice: Judged | None
    sparing_choice: Judged | None
    reasons: Mapping[str, str]
    refused: Mapping[str, int]
    objectives: tuple[str, ...]
    prefer: str
    notes: tuple[str, ...]

    @property
    def pareto(self) -> tuple[Judged, ...]:
        """The Pareto set, best mean first."""
        return tuple(row for row in self.regimens if row.pareto)

    def alternatives(self, most: int = 3) -> tuple[tuple[Judged, str], ...]:
        """At most `most` different regimens worth discussing, each with every reason for it.

        The three choices first, then the best of the Pareto set with another fractionation.
        """
        named = {"mean": self.mean_choice, "robust": self.robust_choice, "sparing": self.sparing_choice}
        found: dict[Candidate, tuple[Judged, list[str]]] = {}
        for name, row in named.items():
            if row is not None:
                found.setdefault(row.candidate, (row, []))[1].append(WHY[name])
        for row in self.pareto:
            known = {(c.dose, c.n, c.gap) for c in found}
            if len(found) < most and (row.candidate.dose, row.candidate.n, row.candidate.gap) not in known:
                found[row.candidate] = (row, [WHY["other"]])
        return tuple(
            (row, _reason("; and ".join(why), row, self.present, self.objectives)) for row, why in found.values()
        )[:most]


@dataclass(frozen=True)
class Problem:
    """Everything a search needs to judge a regimen.

    Attributes
    ----------
    setup : Experiment
        Immune model with the present ICI schedule.
    ensemble : Ensemble
    limits : Limits
    organs : OrganDose, optional
    costs : mapping of objective to Costing
        `lymphocytes` and `complications`, where they can be computed.
    present : Candidate, optional
    prefer : str
        The objective that decides among the Pareto set: `distant` or `local`.
    responder : callable
        How the immune model is asked; by default with the one dose of each regimen.
    rules : tuple of str
        What limits the regimens, in words, where it is not `organs`.
    """

    setup: Experiment
    ensemble: Ensemble
    limits: Limits
    organs: OrganDose | None = None
    costs: Mapping[str, Costing] = field(default_factory=dict)
    present: Candidate | None = None
    prefer: str = "distant"
    responder: Responder = respond
    rules: tuple[str, ...] = ()


def search_regimens(problem: Problem, grid: Grid | None = None, *, refine: int = 0, seed: int = 0) -> Decision:
    """Judge every regimen of a grid, keep what no other beats, and choose.

    Parameters
    ----------
    problem : Problem
    grid : Grid, optional
        By default the sheet's.
    refine : int
        Generations of a continuous search from the grid (pymoo, NSGA-II); 0 for none.
    seed : int
        Of that search.

    Returns
    -------
    Decision
        The Pareto set of the grid is exact. No regimen within the limits is a valid answer.

    Raises
    ------
    InputError
        An empty or oversized grid, or an objective to prefer that is not of the immune model.
    UnsupportedError
        Refinement without the extra `optimise`.
    ConvergenceError
        No draw could be solved.
    """
    limits = problem.limits
    every = candidates(grid or Grid(), limits.tumour_bed, limits.alpha_beta)
    refused: dict[str, int] = {}
    allowed = []
    for candidate in every:
        told = broken(candidate, limits, problem.organs)
        for kind in {_kind(text) for text in told}:
            refused[kind] = refused.get(kind, 0) + 1
        if not told:
            allowed.append(candidate)
    problem = _on_one_day(problem, allowed)
    if refine and allowed:
        from abscopal.regimens.refine import refine_regimens

        allowed = list(dict.fromkeys((*allowed, *refine_regimens(problem, allowed, refine, seed))))
    return decide(problem, allowed, refused)


def _on_one_day(problem: Problem, allowed: Sequence[Candidate]) -> Problem:
    """The same problem, with the day on which every regimen is read."""
    shown = [*allowed, *([problem.present] if problem.present else [])]
    if not shown:
        return problem
    return replace(problem, setup=replace(problem.setup, readout=common_readout(shown, problem.setup)))


def _kind(text: str) -> str:
    return "organ EQD2" if "EQD2" in text else "tumour BED" if "BED" in text else "length or days of the course"


def decide(problem: Problem, allowed: Sequence[Candidate], refused: Mapping[str, int]) -> Decision:
    """Judge regimens that are within the limits, keep what no other beats, and choose.

    Parameters
    ----------
    problem : Problem
    allowed : sequence of Candidate
    refused : mapping of str to int
        How many others broke each kind of limit.

    Raises
    ------
    InputError
        An objective to prefer that is not of the immune model.
    ConvergenceError
        No draw could be solved.
    """
    if problem.prefer not in ("distant", "local"):
        raise InputError(
            doing="choosing among regimens",
            found=f"a preference for {problem.prefer!r}",
            expected="distant or local, the objectives that have draws",
            try_="distant",
        )
    shown = [*allowed, *([problem.present] if problem.present else [])]
    if not shown:
        return Decision((), None, None, None, None, {}, refused, (), problem.prefer, _notes(problem, None))
    problem = _on_one_day(problem, allowed)
    rows, solved = judge_all(problem, shown)
    present = rows.pop() if problem.present else None
    objectives = tuple(name for name in OBJECTIVES if rows and all(name in row.values for row in rows))
    rows = _mark_pareto(rows, objectives)
    rows.sort(key=lambda row: -row.mean)
    front = [row for row in rows if row.pareto]
    choices = _choices(front, present, problem.prefer, objectives)
    reasons = {name: _reason(WHY[name], row, present, objectives) for name, row in choices.items() if row is not None}
    return Decision(
        regimens=tuple(rows),
        present=present,
        mean_choice=choices["mean"],
        robust_choice=choices["robust"],
        sparing_choice=choices["sparing"],
        reasons=reasons,
        refused=refused,
        objectives=objectives,
        prefer=problem.prefer,
        notes=_notes(problem, solved),
    )


def judge_all(problem: Problem, shown: Sequence[Candidate]) -> tuple[list[Judged], NDArray[np.bool_]]:
    """Every regimen with its draws summarised and its costs."""
    response = problem.responder(shown, problem.setup, problem.ensemble)
    decisive = response.distant if problem.prefer == "distant" else response.local
    quantile = load(SHEET)["robust_quantile"]
    costs = _costs(problem, shown)
    reference = decisive[:, -1] if problem.present is not None else None
    rows = []
    for k, candidate in enumerate(shown):
        values = {"local": _estimate(response.local[:, k]), "distant": _estimate(response.distant[:, k])}
        rows.append(
            Judged(
                candidate=candidate,
                values=values | costs[k],
                control=_estimate(response.control[:, k]),
                gain=_estimate(response.gain[:, k]),
                robust=float(np.quantile(decisive[:, k], quantile)),
                mean=float(decisive[:, k].mean()),
                better_than_present=None if reference is None else float((decisive[:, k] > reference).mean()),
                tumour_bed=float(bed(candidate.dose, candidate.n, problem.limits.alpha_beta)),
                readout=response.readout,
                broken=broken(candidate, problem.limits, problem.organs),
            )
        )
    return rows, response.solved


def _costs(problem: Problem, shown: Sequence[Candidate]) -> list[dict[str, Estimate]]:
    """Costs depend on dose and days alone: each is computed once."""
    known: dict[tuple[str, str, float, tuple[float, ...]], Estimate | None] = {}
    found = []
    for candidate in track(shown, "costs of regimens", len(shown)) if problem.costs else shown:
        row = {}
        for name, cost in problem.costs.items():
            key = (name, candidate.plan, candidate.dose, candidate.days)
            if key not in known:
                known[key] = cost(candidate)
            if (value := known[key]) is not None:
                row[name] = value
        found.append(row)
    return found


def _estimate(draws: FloatArray) -> Estimate:
    low, median, high = np.percentile(draws, [5, 50, 95])
    return Estimate(float(median), float(low), float(high))


def signed(row: Judged, objective: str) -> float:
    """The value of an objective so that larger is better."""
    value = row.values[objective].value
    return -value if objective in SMALLER_IS_BETTER else value


def _mark_pareto(rows: list[Judged], objectives: Sequence[str]) -> list[Judged]:
    if not rows:
        return rows
    table = np.array([[signed(row, name) for name in objectives] for row in rows])
    return [replace(row, pareto=bool(kept)) for row, kept in zip(rows, non_dominated(table), strict=True)]


def _choices(
    front: Sequence[Judged], present: Judged | None, prefer: str, objectives: Sequence[str]
) -> dict[str, Judged | None]:
    if not front:
        return dict.fromkeys(("mean", "robust", "sparing"))
    cost = next((name for name in ("complications", "lymphocytes") if name in objectives), "local")
    bar = -np.inf if present is None else present.mean
    as_good = [row for row in front if row.mean >= bar] or list(front)
    return {
        "mean": max(front, key=lambda row: row.mean),
        "robust": max(front, key=lambda row: row.robust),
        "sparing": max(as_good, key=lambda row: (signed(row, cost), row.values[prefer].value)),
    }


def _reason(why: str, row: Judged, present: Judged | None, objectives: Sequence[str]) -> str:
    """Why this one, and what it costs beside the present regimen."""
    start = f"{row.candidate.text()}: {why}"
    if present is None:
        return start
    changes = [
        _change(label, row.values[key], present.values.get(key), unit)
        for key, label, unit in (
            ("distant", "distant log₁₀", ""),
            ("local", "irradiated log₁₀", ""),
            ("lymphocytes", "ALC nadir", " 10⁹/L"),
            ("complications", "any counted complication", " %"),
        )
        if key in objectives
    ]
    days = row.candidate.length - present.candidate.length
    length = "" if not days else f", {abs(days):g} days {'longer' if days > 0 else 'shorter'}"
    sure = "" if row.better_than_present is None else f"; better in {100 * row.better_than_present:.0f} % of draws"
    return f"{start}. Beside the present regimen: {', '.join(c for c in changes if c)}{length}{sure}"


def _change(label: str, new: Estimate, old: Estimate | None, unit: str) -> str:
    if old is None:
        return ""
    scale = 100 if unit == " %" else 1
    form = ".1f" if unit == " %" else ".2f"
    return f"{label} {scale * old.value:{form}} → {scale * new.value:{form}}{unit}"


def _origins(limits: Limits) -> str:
    asked = sum(limit.origin == "asked for" for limit in limits.organs)
    rest = next((limit.origin for limit in limits.organs if limit.origin != "asked for"), "")
    share = rest.partition(", ")[2]
    if not asked:
        return f"those of the present plan, {share}"
    return f"{asked} asked for" + (f", the others those of the present plan, {share}" if rest else "")


def _notes(problem: Problem, solved: NDArray[np.bool_] | None) -> tuple[str, ...]:
    limits = problem.limits
    rules = [
        f"Limits: tumour BED at least {limits.tumour_bed:.1f} Gy (α/β {limits.alpha_beta:g}), fractions on weekdays, "
        f"at most {limits.most_days:g} days.",
        "Every regimen is read in the same draws and on the same day, that of the longest: where it is late, lesions "
        "are near to their capacity and differences are smaller.",
    ]
    if problem.rules:
        rules += problem.rules
    elif problem.organs is None:
        rules.append("No organ doses are known: no organ limits the search.")
    else:
        sheet = load(SHEET)
        rules.append(
            "Organ doses are scaled by the total dose: the distribution is taken as unchanged, which a re-planned "
            "course would not be."
        )
        rules.append(
            f"{len(limits.organs)} limits on organs (D2% and mean EQD2): {_origins(limits)}; an EQD2 under "
            f"{sheet['organ_floor']:g} Gy limits nothing. They are not tolerance doses."
        )
    missing = [name for name in ("lymphocytes", "complications") if name not in problem.costs]
    if missing:
        rules.append(f"Not computed: {', '.join(OBJECTIVES[name] for name in missing)}.")
    return (
        *problem.setup.notes(), *rules, *problem.ensemble.notes, *(unsolved_note(solved) if solved is not None else ()),
    )  # fmt: skip

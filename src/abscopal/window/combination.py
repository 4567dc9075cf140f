"""Synergy of one course of radiation with its ICI, for three end points, over an ensemble."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import InputError
from abscopal.domain.regimen import Regimen
from abscopal.knowledge.load import load
from abscopal.window.arms import RULES, Arms, run_courses
from abscopal.window.ensemble import Ensemble, Values, standard_ensemble
from abscopal.window.experiment import Experiment, reference_experiment
from abscopal.window.surface import unsolved_note
from abscopal.window.synergy import Verdict, bliss_excess, hsa_excess, loewe, log_synergy, smallest_dose
from abscopal.window.uncertainty import Spread, spread

FloatArray = NDArray[np.float64]
Effects = Mapping[str, FloatArray]
END_POINTS = {
    "volume": "shrinkage of the lesion that is not irradiated, 1 - V/V untreated",
    "control": "probability that no clonogen of the irradiated lesion survives",
    "abscopal response": "share of animals whose lesion that is not irradiated is smaller than untreated by the "
    "response limit",
}


@dataclass(frozen=True)
class EndPointSynergy:
    """Interaction at one end point, over the draws.

    Attributes
    ----------
    name, meaning : str
    effect_rt, effect_ici, effect_both : Spread
        [1]
    bliss, hsa : Spread
        Excess effect over independent action, and over the better single arm. [1]
    log_synergy : Spread or None
        S_B; of volumes only. [1]
    p_synergy : float or None
        Share of draws with an effect in which the Bliss excess is positive. [1]
    loewe_index, dose_reduction : Spread
        Over the draws in which each is defined. [1]
    verdicts : mapping
        Share of draws with an effect, by `Loewe.verdict`. [1]
    no_effect : float
        Share of draws in which no arm has any effect, so that there is no interaction to speak of. [1]
    text : str
        In words.
    """

    name: str
    meaning: str
    effect_rt: Spread
    effect_ici: Spread
    effect_both: Spread
    bliss: Spread
    hsa: Spread
    log_synergy: Spread | None
    p_synergy: float | None
    loewe_index: Spread
    dose_reduction: Spread
    verdicts: Mapping[Verdict, float]
    no_effect: float
    text: str


@dataclass(frozen=True)
class Combination:
    """Synergy of one course at every end point."""

    dose: float
    n_fractions: int
    end_points: tuple[EndPointSynergy, ...]
    notes: tuple[str, ...]


def combination_synergy(
    dose: float,
    n: int,
    *,
    experiment: Experiment | None = None,
    ensemble: Ensemble | None = None,
) -> Combination:
    """Bliss, HSA and Loewe synergy of `n` fractions of `dose` with the experiment's ICI.

    Effects are taken for the animals of each draw together (geometric mean volume, mean probability, share of
    responders), and compared between draws; every arm is read in the same animals.

    Parameters
    ----------
    dose : float
        Dose per fraction. [Gy]
    n : int
    experiment : Experiment, optional
    ensemble : Ensemble, optional
        By default `standard_ensemble` with several animals for each draw.

    Raises
    ------
    InputError
        A dose or number of fractions that is not positive; an experiment without ICI.
    ConvergenceError
        No animal could be solved.
    """
    setup = experiment or reference_experiment()
    if not (0 < dose < float("inf") and n >= 1) or not setup.drugs:
        raise InputError(
            doing="computing the synergy of a combination",
            found=f"{n} × {dose:g} Gy with {len(setup.drugs)} ICI doses",
            expected="at least one fraction of a positive dose, and at least one ICI dose",
            try_="--dose 8 --fractions 3 --ici anti-CTLA-4",
        )
    rules = load(RULES)
    animals = ensemble or standard_ensemble(
        setup.model,
        setup.parameter_set,
        int(rules["draws"]),
        animals=int(rules["animals"]),
        fixed=setup.parameters,
    )
    arms, doses, multiples = _solve(setup, setup.schedule(dose, n), animals)
    whole = _whole_draws(arms.solved, animals)
    effects = {
        name: {arm: _effect(name, arms, arm, animals, whole) for arm in ("rt", "ici", "both")} for name in END_POINTS
    }
    rows = tuple(_judge(name, dose, found, doses, multiples) for name, found in effects.items())
    notes = (*setup.notes(), *animals.notes, *unsolved_note(arms.solved), *_rules())
    return Combination(dose, n, rows, notes)


def _solve(setup: Experiment, radiation: Regimen, animals: Ensemble) -> tuple[Arms, FloatArray, FloatArray]:
    """Single arms over their whole dose ranges and the combination, all read on one day.

    Of each arm the columns are: `both`, one; `rt`, the dose grid from zero, then the course itself; `ici`, the
    multiples of the ICI doses, then the doses as they are.
    """
    rules = load(RULES)
    day = setup.readout_day(radiation)
    low, high = rules.vector("dose_range")
    doses = np.concatenate([[0.0], np.arange(low, high + rules["dose_step"] / 2, rules["dose_step"])])
    multiples = np.array([0.0, *rules.vector("ici_multiples")])
    nothing = Regimen()
    rt = [_with_dose(radiation, d) for d in doses[1:]]
    ici = [_with_multiple(setup, m) for m in multiples[1:]]
    untreated = setup.course(nothing, ici=False, day=day)
    asked = {
        "both": [setup.course(radiation, day=day)],
        "rt": [
            untreated,
            *(setup.course(s, ici=False, day=day) for s in rt),
            setup.course(radiation, ici=False, day=day),
        ],
        "ici": [untreated, *(e.course(nothing, day=day) for e in ici), setup.course(nothing, day=day)],
        "none": [untreated],
    }
    values: Values = {**setup.parameters, **animals.columns}
    return run_courses(setup.model, asked, values, observed=setup.observed), doses, multiples


def _with_dose(radiation: Regimen, dose: float) -> Regimen:
    return radiation.model_copy(update={"fraction_doses": (float(dose),) * radiation.n_fractions})


def _with_multiple(setup: Experiment, multiple: float) -> Experiment:
    return replace(setup, drugs=tuple(d.model_copy(update={"mg": d.mg * float(multiple)}) for d in setup.drugs))


def _whole_draws(solved: NDArray[np.bool_], animals: Ensemble) -> NDArray[np.bool_]:
    """Draws of which at least one animal was solved."""
    return np.asarray(animals.per_draw(solved.astype(np.float64)).any(axis=1))


def _effect(name: str, arms: Arms, arm: str, animals: Ensemble, whole: NDArray[np.bool_]) -> FloatArray:
    """Effect of an arm by draw and column, shape (draws, columns)."""
    rules = load(RULES)
    if name == "volume":
        single = np.log(arms.volume[arm] / arms.volume["none"])
        return 1 - np.exp(_mean_by_draw(single, arms.solved, animals, whole))
    if name == "control":
        single = np.exp(-rules["clonogens_per_mm3"] * arms.nadir[arm])
    else:
        single = (arms.volume[arm] <= (1 - rules["response"]) * arms.volume["none"]).astype(np.float64)
    return _mean_by_draw(single, arms.solved, animals, whole)


def _mean_by_draw(
    values: FloatArray, solved: NDArray[np.bool_], animals: Ensemble, whole: NDArray[np.bool_]
) -> FloatArray:
    full = np.full((len(solved), values.shape[1]), np.nan)
    full[solved] = values
    return np.asarray(np.nanmean(animals.per_draw(full)[whole], axis=1))


def _judge(name: str, dose: float, effects: Effects, doses: FloatArray, multiples: FloatArray) -> EndPointSynergy:
    rt, ici, both = effects["rt"][:, -1], effects["ici"][:, -1], effects["both"][:, 0]
    excess = np.asarray(bliss_excess(rt, ici, both))
    additive = [
        loewe(dose, smallest_dose(doses, rt_curve, wanted), smallest_dose(multiples, ici_curve, wanted))
        for rt_curve, ici_curve, wanted in zip(effects["rt"][:, :-1], effects["ici"][:, :-1], both, strict=True)
    ]
    effective = np.maximum(np.maximum(rt, ici), both) > load(RULES)["least_effect"]
    kept = [row for row, acts in zip(additive, effective, strict=True) if acts]
    verdicts: dict[Verdict, float] = {
        verdict: sum(row.verdict == verdict for row in kept) / max(len(kept), 1)
        for verdict in ("index", "RT alone", "beyond both maxima")
    }
    p = float((excess[effective] > 0).mean()) if effective.any() else None
    logs = spread(np.asarray(log_synergy(1 - rt, 1 - ici, 1 - both))) if name == "volume" else None
    return EndPointSynergy(
        name=name,
        meaning=END_POINTS[name],
        effect_rt=spread(rt),
        effect_ici=spread(ici),
        effect_both=spread(both),
        bliss=spread(excess),
        hsa=spread(np.asarray(hsa_excess(rt, ici, both))),
        log_synergy=logs,
        p_synergy=p,
        loewe_index=spread(np.array([row.index for row in kept if row.index is not None])),
        dose_reduction=spread(np.array([row.dose_reduction for row in kept if row.dose_reduction is not None])),
        verdicts=verdicts,
        no_effect=float((~effective).mean()),
        text=_text(p, verdicts, float(effective.mean())),
    )


def _text(p: float | None, verdicts: Mapping[Verdict, float], effective: float) -> str:
    if p is None:
        return "no arm has an effect: there is no interaction to speak of"
    of = "draws" if effective == 1 else f"the {100 * effective:.0f} % of draws in which an arm has an effect"
    bliss = f"Bliss synergy in {100 * p:.0f} % of {of}"
    undefined = verdicts["beyond both maxima"]
    if undefined == 1:
        return f"{bliss}; Loewe undefined, beyond both maxima"
    if undefined:
        return f"{bliss}; Loewe undefined in {100 * undefined:.0f} % of draws, beyond both maxima"
    return bliss


def _rules() -> tuple[str, ...]:
    rules = load(RULES)
    return (
        f"Control counts {rules['clonogens_per_mm3']:g} clonogens per mm³ of viable tumour, an assumption that no "
        "data of ours set; a response is a lesion smaller than untreated by "
        f"{100 * rules['response']:.0f} %.",
        "Loewe: D_RT is the smallest dose per fraction in as many fractions with which radiation alone reaches the "
        f"effect, up to {rules.vector('dose_range')[1]:g} Gy; ICI alone up to "
        f"{max(rules.vector('ici_multiples')):g} times its doses.",
    )

"""The window under sliders: one course now, the map around it, and the bands that follow."""

from collections.abc import Mapping
from functools import lru_cache
from math import log10
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from abscopal.immune.modalities import modalities
from abscopal.immune.model import ParameterSet, diw_model, modulator_names
from abscopal.web.routes.shared import SessionOf
from abscopal.window.bounds import Bounds
from abscopal.window.curves import course_curves
from abscopal.window.ensemble import Ensemble, standard_ensemble
from abscopal.window.experiment import Experiment, reference_drugs, reference_experiment
from abscopal.window.surface import find_window, gain_surface
from abscopal.window.synergy import interaction
from abscopal.window.uncertainty import ablate_window, bound_setters, setter_text, window_uncertainty

router = APIRouter(prefix="/window", tags=["window"])
IMMUNE = "immune/diw:"
MAP_DOSES = tuple(float(dose) for dose in (1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 18, 20, 24, 30))
MAP_FRACTIONS = (1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30)
BAND = (0.05, 0.5, 0.95)
BAND_DRAWS = 200
SETS: Mapping[str, ParameterSet] = {"posterior": "posterior", "set-b": "set_b"}
ORIGIN: Mapping[ParameterSet, str] = {
    "posterior": f"{BAND_DRAWS} draws of the calibration",
    "set_b": "scatter around reference set B, no posterior",
}


class Course(BaseModel):
    """Where the sliders stand."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dose: Annotated[float, Field(ge=0.5, le=30)] = 8.0
    fractions: Annotated[int, Field(ge=1, le=40)] = 3
    interval: Annotated[float, Field(ge=0.25, le=28)] = 1.0
    ici: Literal["anti-CTLA-4", "anti-PD-1", "anti-PD-L1", "none"] = "anti-CTLA-4"
    ici_start: Annotated[float, Field(ge=-12, le=42)] = 2.0
    node_dose: Annotated[float, Field(ge=0, le=20)] = 0.0
    off: tuple[str, ...] = ()
    on: tuple[str, ...] = ()
    modality: str = ""
    modulators: tuple[str, ...] = ()
    parameters: Literal["posterior", "set-b"] = "posterior"


@router.get("/choices")
def choices() -> dict[str, Any]:
    """What can be chosen: switches of each parameter set and whether each is on, modalities, modulators."""
    return {
        "mechanisms": {name: dict(diw_model(parameter_set=one).switches) for name, one in SETS.items()},
        "modalities": [
            {"name": one.name, "status": one.status, "meaning": one.meaning} for one in modalities().values()
        ],
        "modulators": modulator_names(),
    }


@router.post("/point")
def point(course: Course, session: SessionOf) -> dict[str, Any]:
    """Gain, synergy, curves and window of one course; the point estimate."""
    setup = _setup(course, session.what_if)
    radiation = setup.schedule(course.dose, course.fractions)
    curves = course_curves(setup, radiation)
    # The curves end on the day of the readout: one call of the solver gives everything shown here.
    end = {arm: float(c["distant"][0, -1]) for arm, c in curves.values.items()}
    synergy = interaction(*(end[arm] / end["none"] for arm in ("rt", "ici", "both")))
    return {
        "gain": log10(end["ici"] / end["both"]),
        "bliss_excess": synergy.bliss_excess,
        "log_synergy": synergy.log_synergy,
        "readout_day": setup.readout_day(radiation),
        "days": curves.days.tolist(),
        "curves": {arm: {name: values[0].tolist() for name, values in c.items()} for arm, c in curves.values.items()},
        "command": _command(course, setup, session.what_if),
        "toml": radiation.model_copy(update={"drug_doses": setup.drugs}).to_toml(),
        "notes": setup.notes(),
    }


@router.post("/map")
def gain_map(course: Course, session: SessionOf) -> dict[str, Any]:
    """The map around the course, and the window of its row."""
    setup = _setup(course, session.what_if)
    surface = gain_surface(MAP_DOSES, MAP_FRACTIONS, experiment=setup, synergy=False)
    window = find_window(n=course.fractions, experiment=setup)
    return {
        "doses_gy": list(MAP_DOSES),
        "fractions": list(MAP_FRACTIONS),
        "gain": surface.gain.tolist(),
        "window": {"text": window.text(), **_bounds(window.bounds)},
        "curve": {"dose_gy": window.doses.tolist(), "gain": window.gain.tolist()},
    }


@router.post("/bands")
def bands(course: Course, session: SessionOf) -> dict[str, Any]:
    """What the uncertainty of the parameters makes of the curves and of the bounds."""
    setup = _setup(course, session.what_if)
    radiation = setup.schedule(course.dose, course.fractions)
    animals, origin = _animals(setup)
    curves = course_curves(setup, radiation, animals, points=40)
    spread = {
        arm: {name: np.quantile(values, BAND, axis=0).tolist() for name, values in c.items()}
        for arm, c in curves.values.items()
        if arm in {"both", "ici"}
    }
    gains = setup.arms([radiation], animals).gain()[:, 0]
    return {
        "days": curves.days.tolist(),
        "curves": spread,
        "gain": np.quantile(gains, BAND).tolist(),
        "p_gain": float((gains > 0).mean()),
        "origin": origin,
    }


@router.post("/why")
def why(course: Course, session: SessionOf) -> dict[str, Any]:
    """Which mechanism sets each bound, by leaving each one out."""
    setup = _setup(course, session.what_if)
    windows = {"full": find_window(n=course.fractions, experiment=setup)}
    windows |= ablate_window(n=course.fractions, experiment=setup)
    animals, origin = _animals(setup)
    told = window_uncertainty(course.fractions, ensemble=animals, experiment=setup)
    setters = bound_setters(windows)
    return {
        "windows": {name: {"text": one.text(), **_bounds(one.bounds)} for name, one in windows.items()},
        "lower": setter_text(setters, "low"),
        "upper": setter_text(setters, "high"),
        "uncertainty": told.text(),
        "origin": origin,
    }


def _setup(course: Course, what_if: dict[str, float]) -> Experiment:
    changed = tuple((key.removeprefix(IMMUNE), value) for key, value in what_if.items() if key.startswith(IMMUNE))
    return _experiment(course, tuple(sorted(changed)))


@lru_cache(maxsize=256)
def _experiment(course: Course, changed: tuple[tuple[str, float], ...]) -> Experiment:
    setup = reference_experiment(
        drugs=() if course.ici == "none" else reference_drugs(course.ici),
        switches=dict.fromkeys(course.off, False) | dict.fromkeys(course.on, True),
        parameters=dict(changed),
        interval=course.interval,
        node_dose=course.node_dose,
        parameter_set=SETS[course.parameters],
        modulators=course.modulators,
        modality=course.modality,
    )
    return setup.starting_ici(course.ici_start)


def _animals(setup: Experiment) -> tuple[Ensemble, str]:
    """Parameter sets to draw bands with."""
    drawn = standard_ensemble(setup.model, setup.parameter_set, BAND_DRAWS, animals=0, fixed=setup.parameters)
    return drawn, ORIGIN[setup.parameter_set]


def _bounds(bounds: Bounds) -> dict[str, Any]:
    return {
        "lower_gy": bounds.low,
        "peak_gy": bounds.peak,
        "upper_gy": bounds.high,
        "open_below": bounds.open_low,
        "open_above": bounds.open_high,
        "found": bounds.found,
        "gain_max": bounds.gain_max,
    }


def _command(course: Course, setup: Experiment, what_if: dict[str, float]) -> str:
    """The command whose map and bounds these are, and the one for the course's own synergy."""
    changed = [f"--what-if {key}={value!r}" for key, value in what_if.items()]
    words = [f"--fractions {course.fractions}", f"--ici {course.ici}", f"--interval {course.interval:g}"]
    words += [f"--ici-days={','.join(f'{dose.day:g}' for dose in setup.drugs)}"] if setup.drugs else []
    words += [f"--node-dose {course.node_dose:g}"] if course.node_dose else []
    words += [f"--modality {course.modality}"] if course.modality else []
    words += [f"--{option} {name}" for option in ("off", "on") for name in getattr(course, option)]
    words += [f"--modulator {name}" for name in course.modulators]
    words += [f"--parameters {course.parameters}"]
    program = " ".join(["abscopal", *changed, "window"])
    return f"{program} {' '.join(words)}\n{program} synergy --dose {course.dose:g} {' '.join(words)}"

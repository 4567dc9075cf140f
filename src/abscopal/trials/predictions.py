"""Predictions of the trials whose outcome is withheld, written down before it is seen."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from abscopal.domain.errors import InputError
from abscopal.domain.registry import unknown_name
from abscopal.domain.version import __version__
from abscopal.immune.model import diw_model
from abscopal.trials.calibrate import DRAWS, Calibration, adds_ici, expected_grid
from abscopal.trials.design import TrialDesign
from abscopal.trials.design_parts import RATES, fraction_days, ici_days
from abscopal.trials.event_share import assumed_share, event_share
from abscopal.trials.evidence import load_trials
from abscopal.trials.known_designs import arm_sizes, design_of
from abscopal.trials.pooling import pool
from abscopal.trials.response import parameter_draws
from abscopal.trials.score import Forecast, Row, forecast_new, forecast_row, naive_forecast
from abscopal.trials.virtual import run_trial

FloatArray = NDArray[np.float64]
CHECKSUMS = "SHA256SUMS"
_KIND = {"PFS": "PFS", "EFS": "PFS", "OS": "OS"}


def withheld_trials() -> dict[str, tuple[str, ...]]:
    """Withheld trials and their end points, in the order of the table."""
    rows = load_trials().loc[lambda table: table["pool"] == "holdout"]
    return {str(name): tuple(part["endpoint"]) for name, part in rows.groupby("trial", sort=False)}


def withheld_named(text: str) -> str:
    """The withheld trial of that name or NCT number.

    Raises
    ------
    InputError
        A trial with an outcome, which is scored instead, or none of that name.
    """
    table = load_trials()
    same = table.loc[(table["trial"] == text) | (table["nct"] == text.upper())]
    names = list(dict.fromkeys(same["trial"]))
    held = [name for name in names if name in withheld_trials()]
    if held:
        return str(held[0])
    if names:
        raise InputError(
            doing="predicting a withheld trial", found=f"{names[0]}, whose outcome is in the table",
            expected="one of " + ", ".join(withheld_trials()), try_="`abscopal trials score`, which leaves it out",
        )  # fmt: skip
    raise unknown_name("looking for a withheld trial", text, list(withheld_trials()))


def predict_withheld(trial: str, calibrations: Mapping[str, Calibration]) -> dict[str, Any]:
    """Everything predicted of one withheld trial.

    Parameters
    ----------
    trial : str
    calibrations : mapping
        `PFS` and `OS`.
    """
    trial = withheld_named(trial)
    return {
        "trial": trial,
        **_provenance(calibrations),
        "design": design_of(trial).model_dump(mode="json"),
        "endpoints": {
            endpoint: _hazard_ratio(trial, endpoint, calibrations[_KIND[endpoint]])
            if endpoint in _KIND
            else _rate(trial, endpoint)
            for endpoint in withheld_trials()[trial]
        },
    }


def _provenance(calibrations: Mapping[str, Calibration]) -> dict[str, Any]:
    draws = parameter_draws(DRAWS)
    return {
        "written": datetime.now(UTC).isoformat(timespec="seconds"), "version": __version__,
        "model_digest": diw_model().digest, "parameters_sha256": draws.digest,
        "parameters": draws.manifest.get("kind", ""), "layer_sha256": layer_digest(calibrations),
    }  # fmt: skip


def predict_design(design: TrialDesign, calibration: Calibration) -> dict[str, Any]:
    """A trial of one's own, each tested arm against the control, in the form of the frozen predictions.

    Parameters
    ----------
    design : TrialDesign
        With PFS, EFS or OS as its end point.
    calibration : Calibration
        Of that end point.

    Raises
    ------
    InputError
        An end point that is a rate, whose hazard ratio does not exist.
    """
    endpoint = design.analysis.endpoint
    if endpoint in RATES:
        raise InputError(
            doing="predicting the hazard ratio of a design", found=f"the end point {endpoint}",
            expected="PFS, EFS or OS", try_="`abscopal trials simulate`, which says how far a rate is calibrated",
        )  # fmt: skip
    content = _provenance({_KIND[endpoint]: calibration}) | {"design": design.model_dump(mode="json")}
    arms = {}
    for k, arm in enumerate(design.tested):
        pair = design.model_copy(update={"arms": (design.control, arm)})
        row: Row = {"trial": design.title or "design"}
        row |= {"timing": timing_of(design, k), "comparison_type": kind_of(design, k)}
        grid = expected_grid(pair, calibration.endpoint)
        forecasts = forecast_row(calibration, grid, row, added=adds_ici(pair))
        total = sum(each.allocation for each in design.arms)
        sizes = tuple(design.population.n * each.allocation / total for each in (arm, design.control))
        arms[arm.name] = row | _forecast_content(forecasts, (sizes[0], sizes[1]), design.population.preset, endpoint)
    return content | {"endpoint": endpoint, "control": design.control.name, "arms": arms}


def timing_of(design: TrialDesign, tested: int = 0) -> str:
    """When an arm's ICI starts, in the words of the trial table: `before`, `during` or `after` RT; "" without both."""
    arm = design.tested[tested]
    fractions, doses = fraction_days(arm), ici_days(arm)
    if not fractions or not doses:
        return ""
    if doses[-1] < fractions[0]:
        return "before"
    return "after" if doses[0] > fractions[-1] else "during"


def kind_of(design: TrialDesign, tested: int = 0) -> str:
    """Kind of comparison in the words of the trial table: an ICI added, put in place of a drug, or otherwise."""
    arm, control = design.tested[tested], design.control
    if not adds_ici(design, tested):
        return "add_rt" if arm.radiation and not control.radiation else "timing" if arm.ici else "other"
    return "add_ici" if arm.chemo == control.chemo else "swap_ici"


def layer_digest(calibrations: Mapping[str, Calibration]) -> str:
    """sha256 of the posterior weights of the population layer."""
    total = hashlib.sha256()
    for name in sorted(calibrations):
        total.update(np.round(calibrations[name].log_weight, 6).tobytes())
    return total.hexdigest()


def _hazard_ratio(trial: str, endpoint: str, calibration: Calibration) -> dict[str, Any]:
    grid = expected_grid(design_of(trial, endpoint), calibration.endpoint)
    forecasts = forecast_new(calibration, grid, trial)
    if "pooled mean" not in forecasts:  # RT added to ICI: the pool of that question
        table = load_trials()
        rows = table.loc[table["poolable"] & (table["pool"] == "rt") & (table["endpoint"] == endpoint)]
        forecasts["pooled mean"] = naive_forecast(rows, trial)
    disease = str(load_trials().set_index("trial")["disease"].loc[[trial]].iloc[0])
    return _forecast_content(forecasts, arm_sizes(trial), disease, endpoint)


def _forecast_content(
    forecasts: Mapping[str, Forecast], sizes: tuple[float, float], disease: str, endpoint: str
) -> dict[str, Any]:
    error = _noise(sizes, assumed_share())
    implied = event_share(disease, endpoint)
    other = _noise(sizes, implied.value)
    found: dict[str, Any] = {"noise_se_ln_hr": error}
    found |= {name: _described(one, error) for name, one in forecasts.items()}
    met = {name: _p_met(one.observed(other), other) for name, one in forecasts.items()}
    return found | {"events_per_patient": {
        "assumed": assumed_share(), "implied_by_trials": round(implied.value, 3), "trials": implied.trials,
        "of": implied.of, "p_primary_met_if_implied": met,
    }}  # fmt: skip


def _noise(sizes: tuple[float, float], events_per_patient: float) -> float:
    """Standard error of ln HR from the patients of both arms."""
    one, two = sizes
    share = one / (one + two)
    return float(1 / np.sqrt(events_per_patient * (one + two) * share * (1 - share)))


def _p_met(reported: FloatArray, error: float) -> float:
    return round(float((reported / error < -norm.isf(0.025)).mean()), 4)


def _described(forecast: Forecast, error: float) -> dict[str, Any]:
    levels = (0.025, 0.05, 0.25, 0.5, 0.75, 0.95, 0.975)
    reported = forecast.observed(error)
    return {
        "hr_quantiles": _quantiles(forecast.draws, levels),
        "reported_hr_quantiles": _quantiles(reported, levels),
        "hr_median": round(float(np.exp(np.median(forecast.draws))), 4),
        "p_hr_below_1": round(float((forecast.draws < 0).mean()), 4),
        "p_primary_met": _p_met(reported, error),
    }  # fmt: skip


def _quantiles(draws: FloatArray, levels: tuple[float, ...]) -> dict[str, float]:
    values = np.exp(np.quantile(draws, levels)).round(4).tolist()
    return dict(zip(map(str, levels), values, strict=True))


def _rate(trial: str, endpoint: str) -> dict[str, Any]:
    summary = run_trial(design_of(trial, endpoint), 200).summary["comparisons"][0]
    found: dict[str, Any] = {
        "mechanism, not calibrated": {
            "odds_ratio": round(summary["odds_ratio"], 4),
            "odds_ratio_interval_90": [round(x, 4) for x in summary["odds_ratio_interval_90"]],
            "p_favours_experimental": summary["p_favours_experimental"],
            "p_primary_met": summary["probability_of_success"],
        },
        "note": "rates are not calibrated; chemotherapy given with RT in one arm only is not modelled",
    }
    pooled = _pooled_odds(trial, endpoint)
    return found if pooled is None else found | {"pooled mean": pooled}


def _pooled_odds(trial: str, endpoint: str) -> dict[str, Any] | None:
    """Random-effects pool of the odds ratios of the same end point and question, from rates and arm sizes."""
    table = load_trials()
    kind = table.loc[table["trial"] == trial, "comparison_type"].iloc[0]
    rows = table.loc[(table["endpoint"] == endpoint) & (table["comparison_type"] == kind)]
    rows = rows.dropna(subset=["rate_exp", "rate_ctrl", "n_experimental", "n_control"])
    if len(rows) < 3:
        return None
    p1, p0 = rows["rate_exp"] / 100, rows["rate_ctrl"] / 100
    log_odds = np.log(p1 / (1 - p1)) - np.log(p0 / (1 - p0))
    error = np.sqrt(1 / (rows["n_experimental"] * p1 * (1 - p1)) + 1 / (rows["n_control"] * p0 * (1 - p0)))
    found = pool(log_odds, error)
    return {"trials": list(rows["trial"]), "odds_ratio": round(found.hr, 4), "new_trial_95": found.prediction_interval}


def file_name(trial: str) -> str:
    """Name of the file that holds a trial's prediction."""
    return "".join(c if c.isalnum() else "-" for c in trial.split(" (", maxsplit=1)[0]).lower() + ".json"


def write_predictions(folder: Path, calibrations: Mapping[str, Calibration], why: str = "") -> list[Path]:
    """One file per withheld trial and their checksums.

    Parameters
    ----------
    folder : Path
    calibrations : mapping
        `PFS` and `OS`.
    why : str
        The reason for predicting again, kept in every file; asked for where a frozen set is replaced.

    Raises
    ------
    InputError
        The folder holds a frozen set: whose files no longer match their checksums, or without a reason to replace it.
    """
    from abscopal.domain.progress import track

    folder.mkdir(parents=True, exist_ok=True)
    if (folder / CHECKSUMS).exists():
        verify(folder)
        if not why.strip():
            raise InputError(
                doing="freezing predictions", found="a frozen set already there",
                expected="a reason to replace it, such as a changed model", try_="a fresh folder, or --why",
            )  # fmt: skip
    paths = []
    for trial in track(list(withheld_trials()), "withheld trials"):
        path = folder / file_name(trial)
        content = predict_withheld(trial, calibrations) | ({"predicted_again_because": why} if why else {})
        text = json.dumps(content, indent=1, sort_keys=True)
        path.write_text(text + "\n", encoding="utf-8")
        paths.append(path)
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in sorted(paths)]
    (folder / CHECKSUMS).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return paths


def verify(folder: Path) -> int:
    """Check a frozen folder against its checksums; the number of files comes back.

    Raises
    ------
    InputError
        A file that is missing or was changed.
    """
    lines = (folder / CHECKSUMS).read_text(encoding="utf-8").split("\n")
    for line in filter(None, lines):
        digest, _, name = line.partition("  ")
        path = folder / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise InputError(
                doing="checking frozen predictions", found=f"{name} missing or changed",
                expected="the files as they were frozen", try_="a fresh folder for new predictions",
            )  # fmt: skip
    return len([line for line in lines if line])

"""`abscopal trials calibrate`, `predict`, `score`, `explain`: the layer between model and trials, held to account."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from abscopal.cli.console import JsonOption, plain, print_json, print_lines, print_table, progress_bars
from abscopal.cli.virtual_trials import given_design

if TYPE_CHECKING:
    import pandas as pd

    from abscopal.trials.calibrate import Calibration

LAYERS = ("PFS", "OS", "abscopal ORR")
CalibrationOption = Annotated[
    Path | None,
    typer.Option("--calibration", help="Folder of `abscopal trials calibrate`; calibrated anew (minutes) without."),
]
EndpointOption = Annotated[Literal["PFS", "OS"], typer.Option(help="End point; PFS takes EFS in.")]
OutOption = Annotated[Path | None, typer.Option(help="Folder for tables (.csv) and figures (.svg).")]
SCORED = "how such predictions did on trials with outcomes: `abscopal trials score`"


def add_to(trials: typer.Typer) -> None:
    """Add the commands to `abscopal trials`."""
    for command in (calibrate, predict, score, explain):
        trials.command()(command)


def calibrate(
    endpoint: Annotated[
        list[str] | None,
        typer.Option(help="PFS (with EFS), OS or 'abscopal ORR'; may be repeated; all unless given."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for calibration and sets; a calibration there is kept.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Calibrate the population layer on trials with outcomes; withheld rows never enter. Takes minutes."""
    from abscopal.trials.calibrate import DRAWS
    from abscopal.trials.calibrate import calibrate as fit
    from abscopal.trials.calibration_file import kept, save_calibration
    from abscopal.trials.layer_file import write_layer
    from abscopal.trials.predictions import layer_digest
    from abscopal.trials.response import parameter_draws

    asked = _asked(endpoint)
    draws = parameter_draws(DRAWS)
    kind = str(draws.manifest.get("kind", ""))
    found: dict[str, Any] = {"parameters": kind, "parameters_sha256": draws.digest}
    files: list[str] = []
    with progress_bars():
        fits: dict[str, Calibration] = {name: kept(name, out) or fit(name) for name in ("PFS", "OS") if name in asked}
        if fits:
            found |= {name: _described(one) for name, one in fits.items()}
            found["layer_sha256"] = layer_digest(fits)
        if out is not None:
            files += [str(save_calibration(out, one)) for one in fits.values()]
            if len(fits) == 2:
                found["layer_table_sha256"] = write_layer(out, fits, draws.digest, kind)
                files += [str(out / f"population_layer.{ending}") for ending in ("csv", "toml")]
        if "abscopal ORR" in asked:
            found["abscopal ORR"], written = _responses(out, draws.digest)
            files += written
    found["files"] = files
    if as_json:
        print_json(plain(found))
        return
    _show_calibration(found)


def _asked(endpoints: list[str] | None) -> list[str]:
    from abscopal.domain.registry import unknown_name

    for name in endpoints or ():
        if name not in LAYERS:
            raise unknown_name("choosing an end point to calibrate", name, list(LAYERS))
    return endpoints or list(LAYERS)


def _described(calibration: "Calibration") -> dict[str, Any]:
    from abscopal.trials.layer_file import describe

    return {"layer": describe(calibration), "layer_without_constant": describe(calibration.mechanism_only())}


def _responses(out: Path | None, digest: str) -> tuple[dict[str, Any], list[str]]:
    from abscopal.trials.response_calibration import (
        calibrate_response,
        identified,
        leave_one_out,
        write_response_layer,
    )

    calibration = calibrate_response()
    scored = leave_one_out(calibration)
    found = {"trials": list(calibration.trials), "identified": identified(calibration),
             "left_out": _records(scored)}  # fmt: skip
    if out is None:
        return found, []
    out.mkdir(parents=True, exist_ok=True)
    write_response_layer(out, calibration, digest)
    scored.to_csv(out / "responses_left_out.csv", index=False)
    names = ("response_layer.csv", "response_layer.toml", "responses_left_out.csv")
    return found, [str(out / name) for name in names]


def _records(table: "pd.DataFrame") -> list[dict[str, Any]]:
    """Rows of a table, numbers rounded to four digits."""
    return [{str(k): v for k, v in row.items()} for row in table.round(4).to_dict("records")]


def _show_calibration(found: dict[str, Any]) -> None:
    rows = []
    for name in ("PFS", "OS"):
        if name in found:
            layer = found[name]["layer"]
            low, mid, high = layer["effect_ratio_quantiles"]
            rows.append((name, str(layer["trials"]), f"{layer['link_mean']:.2f}",
                         f"{mid:.2f} ({low:.2f} to {high:.2f})", f"{layer['deviation_mean']:.2f}",
                         ", ".join(f"{w:.2f}" for w in layer["kill_factor_weights"]),
                         f"{layer['effective_draws']:.0f}"))  # fmt: skip
    if rows:
        print_table("population layer, fitted", ("", "trials", "link", "added ICI: HR (90 %)", "between trials",
                    "weights of kill factors", "effective draws"), rows)  # fmt: skip
    if "abscopal ORR" in found:
        _show_responses(found["abscopal ORR"])
    print_lines([*(("digest", found[key]) for key in ("layer_sha256",) if key in found),
                 *(("file", path) for path in found["files"])])  # fmt: skip


def _show_responses(found: dict[str, Any]) -> None:
    rows = []
    for name, label in (("scale", "log10 factor on killing"), ("exponent", "exponent of added RT")):
        one = found["identified"][name]
        rows.append((label, f"{one['median']:.2f}", _span(one["interval_90"]), _span(one["prior_interval_90"]),
                     "yes" if one["identified"] else "no"))  # fmt: skip
    print_table(f"response layer, fitted on {len(found['trials'])} trials",
                ("", "median", "90 %", "90 % before", "narrowed by half"), rows)  # fmt: skip
    print_table("responses outside the field, each trial left out", ("trial", "predictor", "arm", "observed",
                "predicted (90 %)", "covered", "log score"),
                [(r["trial"], r["predictor"], r["arm"], f"{r['observed']:.2f}",
                  f"{r['median']:.2f} ({r['low']:.2f} to {r['high']:.2f})", "yes" if r["covered"] else "no",
                  "" if r["log_score"] != r["log_score"] else f"{r['log_score']:.2f}")
                 for r in found["left_out"]])  # fmt: skip


def _span(limits: Any) -> str:
    return f"{limits[0]:.2f} to {limits[1]:.2f}"


def predict(
    trial: Annotated[
        str, typer.Argument(help="A withheld trial by name or NCT number, 'withheld' for all, or a design (.toml).")
    ],
    calibration: CalibrationOption = None,
    out: Annotated[Path | None, typer.Option(help="Folder: one .json a trial; all together are frozen there.")] = None,
    why: Annotated[str, typer.Option(help="Reason for replacing a frozen set; kept in its files.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Predict a trial that has not reported, beside meta-regression and the pooled mean."""
    from abscopal.trials.calibration_file import calibration_for
    from abscopal.trials.design import read_design
    from abscopal.trials.predictions import (
        file_name,
        predict_design,
        predict_withheld,
        withheld_named,
    )

    with progress_bars():
        if trial.endswith(".toml"):
            design = read_design(given_design(Path(trial)))
            kind = "OS" if design.analysis.endpoint == "OS" else "PFS"
            found: dict[str, Any] = predict_design(design, calibration_for(kind, calibration))
            name = Path(trial).stem + ".json"
        else:
            wanted = None if trial == "withheld" else withheld_named(trial)
            layers = {kind: calibration_for(kind, calibration) for kind in ("PFS", "OS")}
            if wanted is None:
                _freeze(out, layers, why, as_json=as_json)
                return
            found, name = predict_withheld(wanted, layers), file_name(wanted)
    files = [] if out is None else [_written(out / name, found)]
    if as_json:
        print_json(plain(found | {"files": files}))
        return
    _show_prediction(found)
    print_lines([("file", path) for path in files])


def _freeze(out: Path | None, layers: dict[str, "Calibration"], why: str, *, as_json: bool) -> None:
    from abscopal.domain.errors import InputError
    from abscopal.trials.predictions import write_predictions

    if out is None:
        raise InputError(
            doing="freezing predictions", found="no folder", expected="a folder to freeze them in", try_="--out FOLDER"
        )
    files = [str(path) for path in write_predictions(out, layers, why)]
    if as_json:
        print_json({"files": files})
        return
    print_lines([("file", path) for path in files])


def _written(path: Path, content: dict[str, Any]) -> str:
    import json

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(plain(content), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return str(path)


def _show_prediction(found: dict[str, Any]) -> None:
    parts = found.get("endpoints") or {f"{found['endpoint']}, {arm}": one for arm, one in found["arms"].items()}
    rows = []
    for label, part in parts.items():
        for name, one in part.items():
            if isinstance(one, dict) and "hr_median" in one:
                q = one["hr_quantiles"]
                implied = part["events_per_patient"]["p_primary_met_if_implied"][name]
                chances = (f"{chance:.2f}" for chance in (one["p_hr_below_1"], one["p_primary_met"], implied))
                rows.append((label, name, f"{one['hr_median']:.2f}", f"{q['0.05']:.2f} to {q['0.95']:.2f}", *chances))
            elif isinstance(one, dict) and "odds_ratio" in one:
                rows.append((label, f"{name} (odds ratio)", f"{one['odds_ratio']:.2f}", "", "", "", ""))
    title = found.get("trial") or found["design"]["title"] or "design"
    print_table(f"{title}: predicted hazard ratio", ("end point", "predictor", "median", "90 %", "P(HR < 1)",
                "P(met)", "P(met), events as in like trials"), rows)  # fmt: skip
    shares = [part["events_per_patient"] for part in parts.values() if "events_per_patient" in part]
    lines = [("events", f"P(met) takes {one['assumed']:g} events a patient; trials of {one['of']} had "
              f"{one['implied_by_trials']:g} (median of {one['trials']})") for one in shares]  # fmt: skip
    print_lines([*lines, ("note", f"predicted, not observed; {SCORED}")])


def score(
    endpoint: EndpointOption = "PFS", calibration: CalibrationOption = None, out: OutOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Predict every reported trial from all others and score it beside naive predictors."""
    from abscopal.trials.calibration_file import calibration_for
    from abscopal.trials.prediction_figures import left_out
    from abscopal.trials.score import leave_one_out, summarise, verdict

    with progress_bars():
        scored = leave_one_out(calibration_for(endpoint, calibration))
        summary = summarise(scored)
        files = [] if out is None else [str(path) for path in left_out(scored, endpoint).save(out)]
        if out is not None:
            summary.to_csv(out / "summary.csv", index=False)
            files.append(str(out / "summary.csv"))
    if as_json:
        print_json(
            plain({"endpoint": endpoint, "summary": _records(summary), "trials": _records(scored), "files": files})
        )
        return
    rows = []
    for r in summary.to_dict("records"):
        gap = "–" if not r["gap_se"] else f"{r['gap']:+.2f} ± {r['gap_se']:.2f}"
        rows.append((r["predictor"], f"{r['log_score']:.2f}", gap, f"{r['crps']:.3f}", f"{100 * r['coverage']:.0f} %",
                     f"{100 * r['sign_accuracy']:.0f} %", f"{r['rank_correlation']:.2f}"))  # fmt: skip
    print_table(f"{endpoint}, {int(summary['trials'].iloc[0])} trials, each left out",
                ("predictor", "log score", "gap to pooled mean", "CRPS", "90 % coverage", "sign right", "rank"),
                rows)  # fmt: skip
    print_lines([("verdict", verdict(summary)), *(("file", path) for path in files)])


def explain(
    trial: Annotated[
        list[str] | None, typer.Argument(help="Trials of the table; six argued-about ones unless given.")
    ] = None,
    endpoint: EndpointOption = "PFS",
    calibration: CalibrationOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Change one feature of a trial at a time and show how much of its predicted ln HR that carries."""
    import pandas as pd

    from abscopal.trials.calibration_file import calibration_for
    from abscopal.trials.explain import PUZZLES
    from abscopal.trials.explain import explain as ablate
    from abscopal.trials.known_designs import design_of
    from abscopal.trials.prediction_figures import ablation

    for name in trial or ():
        design_of(name)  # an unknown one is refused before the calibration
    with progress_bars():
        layer = calibration_for(endpoint, calibration)
        table = pd.concat([ablate(name, layer) for name in trial or PUZZLES], ignore_index=True)
        files = [] if out is None else [str(path) for path in ablation(table, endpoint).save(out)]
    if as_json:
        print_json(plain({"endpoint": endpoint, "explained": _records(table), "files": files}))
        return
    rows = [(r["trial"], r["feature"], f"{r['carried']:+.3f}", f"{r['low_90']:+.3f} to {r['high_90']:+.3f}")
            for r in table.to_dict("records")]  # fmt: skip
    print_table(f"{endpoint}: ln hazard ratio carried by each feature", ("trial", "feature", "carried", "90 %"), rows)
    print_lines([("note", "the trial as it was less the trial changed; negative favours the experimental arm"),
                 ("note", SCORED), *(("file", path) for path in files)])  # fmt: skip

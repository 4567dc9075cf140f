"""`abscopal plan predict | train | score`: dose predicted before planning."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from abscopal.cli.console import JsonOption, print_json, print_table, progress_bars, screen
from abscopal.domain.errors import InputError

if TYPE_CHECKING:
    from abscopal.planning.prediction.from_case import PlacedAnatomy
    from abscopal.planning.prediction.predictors import Prediction
    from abscopal.planning.prediction.settings import TrainingSettings

WithOption = Annotated[
    str, typer.Option("--with", help="Predictor: network, shadow, distance, or best (on the validation patients).")
]
WeightsOption = Annotated[Path | None, typer.Option(help="Network of `abscopal plan train`.")]
Split = Literal["train", "validation", "test"]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("predict")(predict)
    app.command("train")(train)
    app.command("score")(score)


def predict(
    case: Annotated[Path, typer.Argument(help="Folder or zip with the planning CT and RTSTRUCT.")],
    target: Annotated[
        list[str] | None, typer.Option(help="Target structure and its dose, such as PTV_High=70; may be repeated.")
    ] = None,
    fractions: Annotated[
        int | None, typer.Option(min=1, max=100, help="Fractions, for the immune figures; those of OpenKBP by default.")
    ] = None,
    with_: WithOption = "best",
    weights: WeightsOption = None,
    versus: Annotated[bool, typer.Option("--versus-plan", help="Compare with the RTDOSE in the folder.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for the dose, its histograms and figures.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Dose of a head-and-neck case before it is planned, and what it would mean for the immune system."""
    from abscopal.cli.assess import check_out
    from abscopal.dose.dicom.intake import read_anatomy, read_case
    from abscopal.planning.prediction.anatomy import FRACTIONS
    from abscopal.planning.prediction.from_case import anatomy_of
    from abscopal.planning.prediction.predictors import predict_dose

    prescribed = parse_targets(target or [])
    if out is not None:
        check_out(out)
    with progress_bars():
        read = read_case(case) if versus else read_anatomy(case)
        placed = anatomy_of(read, prescribed)
        prediction = predict_dose(placed.anatomy, with_, weights)
        found = _summary(placed, prediction, read.structures, fractions or FRACTIONS)
        planned = placed.sampled(read.dose) if versus and hasattr(read, "dose") else None
        if planned is not None:
            from abscopal.planning.prediction.anatomy import Example
            from abscopal.planning.prediction.scores import score_patient

            known = score_patient(Example("the plan", placed.anatomy, planned), prediction.dose * placed.scale)
            found["versus_plan"] = {"dose_score_gy": known.dose_score, "dvh_score_gy": known.dvh_score}
        if out is not None:
            found["files"] = _write(out, placed, prediction, planned, found)
    if as_json:
        print_json(found)
    else:
        _show(found)


def train(
    data: Annotated[Path, typer.Argument(help="Folder of train_*.npz and validation_*.npz in the OpenKBP layout.")],
    out: Annotated[Path, typer.Option(help="Folder for checkpoints and weights; a run found there goes on.")],
    settings: Annotated[Path | None, typer.Option(help="TOML of training settings; the defaults else.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; a graphics card where there is one.")] = None,
    threads: Annotated[int, typer.Option(min=0, max=256, help="Processor threads; 0 leaves it to PyTorch.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Train the dose prediction network, or go on with a run that was stopped."""
    from abscopal.cli.assess import check_out
    from abscopal.planning.prediction.extra import require_deep
    from abscopal.planning.prediction.openkbp import digest, openkbp_files, read_split

    require_deep("training a dose prediction network")
    check_out(out)
    wanted = _settings(settings)
    files = (*openkbp_files(data, "train"), *openkbp_files(data, "validation"))
    import torch

    from abscopal.planning.prediction.train import WEIGHTS, train

    if threads:
        torch.set_num_threads(threads)
    with progress_bars():
        examples = [read_split(data, split) for split in ("train", "validation")]
        done = train(examples[0], examples[1], out, wanted, data_sha256=digest(files), device=device)
    header = done.model.header
    found = {
        "stopped": done.stopped, "best_epoch": header.best_epoch, "validation_dose_score_gy": header.best_dose_score,
        "patients": len(header.trained_on), "device": done.model.device, "weights": str(out / WEIGHTS),
    }  # fmt: skip
    if as_json:
        print_json(found)
        return
    print_table("Training", ("", ""), [(key.replace("_", " "), str(value)) for key, value in found.items()])


def score(
    data: Annotated[Path, typer.Argument(help="Folder of <split>_*.npz in the OpenKBP layout.")],
    split: Annotated[Split, typer.Option(help="Which patients.")] = "validation",
    with_: WithOption = "best",
    weights: WeightsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Dose score and DVH score of a predictor on patients whose plan is known, as OpenKBP defines them."""
    from abscopal.planning.prediction.openkbp import read_split
    from abscopal.planning.prediction.predictors import load_predictor
    from abscopal.planning.prediction.predictors import score as score_split
    from abscopal.planning.prediction.scores import bootstrap

    name, predictor, envelope = load_predictor(with_, weights)
    with progress_bars():
        scores = score_split(predictor, read_split(data, split), envelope)
    intervals = {what: bootstrap(scores, what) for what in ("dose_score", "dvh_score")}
    if as_json:
        print_json({
            "predictor": name, "split": split,
            "scores_gy": {what: [one.value, one.low, one.high] for what, one in intervals.items()},
            "patients": [
                {"name": one.name, "dose_score_gy": one.dose_score, "dvh_score_gy": one.dvh_score}
                for one in scores.patients
            ],
        })  # fmt: skip
        return
    rows = [(one.name, f"{one.dose_score:.2f}", f"{one.dvh_score:.2f}") for one in scores.patients]
    whole = [f"{one.value:.2f} ({one.low:.2f} to {one.high:.2f})" for one in intervals.values()]
    title = f"{name} on the {len(rows)} {split} patients; mean absolute errors, lower is better"
    print_table(title, ("patient", "dose score [Gy]", "DVH score [Gy]"), [*rows, ("all, 95 % interval", *whole)])


def parse_targets(words: list[str]) -> dict[str, float]:
    """Targets written as NAME=DOSE [Gy]."""
    found = {}
    for word in words:
        name, _, dose = word.rpartition("=")
        try:
            found[name.strip()] = float(dose)
        except ValueError:
            name = ""
        if not name.strip():
            raise InputError(
                doing="reading the targets", found=repr(word[:100]), expected="a structure, '=' and its dose in Gy",
                try_="--target PTV_High=70",
            )  # fmt: skip
    return found


def _settings(path: Path | None) -> "TrainingSettings":
    import tomllib

    from pydantic import ValidationError

    from abscopal.cli.assess import read_text
    from abscopal.planning.prediction.settings import TrainingSettings

    if path is None:
        return TrainingSettings()
    try:
        return TrainingSettings.model_validate(tomllib.loads(read_text(path)))
    except (tomllib.TOMLDecodeError, ValidationError) as exc:
        said = str(exc.errors()[0]["loc"]) if isinstance(exc, ValidationError) else "no TOML"
        raise InputError(
            doing=f"reading the training settings {path.name}", found=said, expected="fields of TrainingSettings",
            try_="docs/dose-prediction.md, which lists them",
        ) from exc  # fmt: skip


def _summary(
    placed: "PlacedAnatomy", prediction: "Prediction", structures: Any, fractions: int
) -> dict[str, Any]:  # fmt: skip
    from abscopal.domain.manifest import RESEARCH_USE
    from abscopal.planning.prediction.immune import immune_figures, predicted_immune_dose
    from abscopal.planning.prediction.scores import dvh_metrics

    immune = predicted_immune_dose(structures, placed.dose_grid(prediction.dose), fractions)
    rough = immune_figures(prediction.dose * placed.scale, placed.anatomy, fractions)
    return {
        "predictor": prediction.by, "status": "predicted, not planned", "flags": list(prediction.flags),
        "prescribed_gy": dict(placed.prescribed),
        "metrics_gy": [
            {"structure": structure, "metric": metric, "value": value}
            for (structure, metric), value in dvh_metrics(prediction.dose * placed.scale, placed.anatomy).items()
        ],
        "elective_target_mean_gy": rough.elective_mean,
        "edric_body_terms_gy": rough.body_terms,
        "edric_gy": immune.edric.value, "edric_not_computable": immune.edric.not_computable,
        "indices": [
            {"name": one.name, "label": one.label, "value": one.value, "unit": one.unit,
             "not_computable": one.not_computable, "notes": list(one.notes)}
            for one in immune.indices
        ],
        "research_use": RESEARCH_USE,
    }  # fmt: skip


def _write(
    out: Path, placed: "PlacedAnatomy", prediction: "Prediction", planned: Any, found: dict[str, Any]
) -> list[str]:  # fmt: skip
    import json

    import numpy as np

    from abscopal.planning.prediction.figures import difference_figure, dvh_figure
    from abscopal.report.html import write_whole

    grid = placed.dose_grid(prediction.dose)
    out.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(out / "predicted_dose.npz", dose_gy=grid.values.astype(np.float32), affine=grid.affine)
    doses = {"predicted": prediction.dose * placed.scale}
    figures = []
    if planned is not None:
        doses["planned"] = planned
        figures.append(difference_figure(placed.anatomy, doses["predicted"], planned))
    figures.append(dvh_figure(placed.anatomy, doses))
    files = [out / "predicted_dose.npz", *(path for figure in figures for path in figure.save(out))]
    names = [*(path.name for path in files), "prediction.json"]
    write_whole(out / "prediction.json", json.dumps({**found, "files": names}, indent=1, allow_nan=False) + "\n")
    return names


def _show(found: dict[str, Any]) -> None:
    rows = [(one["structure"], one["metric"], f"{one['value']:.1f}") for one in found["metrics_gy"]]
    print_table(f"Predicted by {found['predictor']}, not planned", ("structure", "metric", "Gy"), rows)
    shown = [
        ("EDRIC", found["edric_gy"], "Gy", found["edric_not_computable"]),
        ("EDRIC, body terms alone", found["edric_body_terms_gy"], "Gy", ""),
        ("Elective target, for the neck nodes", found["elective_target_mean_gy"], "Gy", "no elective target"),
    ]
    shown += [(one["label"], one["value"], one["unit"], one["not_computable"]) for one in found["indices"]]
    cells = [(label, why if value is None else f"{value:.3g} {unit}") for label, value, unit, why in shown]
    print_table("Immune figures of the predicted dose", ("", ""), cells)
    console = screen()
    if "versus_plan" in found:
        known = found["versus_plan"]
        console.print(
            f"against the plan: dose score {known['dose_score_gy']:.2f} Gy, DVH {known['dvh_score_gy']:.2f} Gy"
        )
    for flag in found["flags"]:
        console.print(f"flag  {flag}", markup=False)
    console.print("Research use only. Not for clinical decisions.", style="yellow", markup=False)

"""`abscopal inference`: calibrate the dose-immune model, and hold it against every evidence row."""

from pathlib import Path
from typing import Annotated

import typer

from abscopal.cli.console import JsonOption, print_json, print_table, progress_bars, screen

app = typer.Typer(
    help="Calibrate the dose-immune model on evidence and test it on rows held out.", no_args_is_help=True
)
FolderOption = Annotated[Path | None, typer.Option(help="Folder of the draws; by default the package's own.")]


@app.command()
def calibrate(
    variant: Annotated[
        list[str] | None, typer.Option("--variant", help="full, no-TREX1, …; may be repeated. All by default.")
    ] = None,
    steps: Annotated[int, typer.Option(min=4, help="Steps of every walker of the full model.")] = 250,
    walkers: Annotated[int, typer.Option(min=8, help="Walkers of each ensemble.")] = 128,
    ensembles: Annotated[int, typer.Option(min=1, help="Independent ensembles of the full model.")] = 2,
    climbs: Annotated[int, typer.Option(min=0, help="Rounds of the climb to the mode.")] = 3,
    seed: Annotated[int, typer.Option(help="Seed.")] = 1,
    out: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sample the posterior on the rows tagged SPLIT=calibration and write the draws."""
    from abscopal.inference.ablation import ABLATIONS
    from abscopal.inference.posterior import data_folder
    from abscopal.inference.run import make_posterior
    from abscopal.inference.sampler import Settings

    settings = Settings(walkers=walkers, climbs=climbs, steps=steps, ensembles=ensembles, seed=seed)
    with progress_bars():
        facts = make_posterior(out or data_folder(), settings, tuple(variant or ABLATIONS))
    if as_json:
        print_json(dict(facts))
        return
    for name in ("worst_r_hat", "least_effective", "accepted", "log_likelihood"):
        if name in facts:
            screen().print(f"{name.replace('_', ' ')}: {facts[name]}")


@app.command()
def evidence(
    docs: Annotated[Path | None, typer.Option(help="Page to write the tables into.")] = None,
    predictions: Annotated[Path | None, typer.Option(help="Folder for the sealed predictions.")] = None,
    variant: Annotated[list[str] | None, typer.Option("--variant", help="Variants; all by default.")] = None,
    out: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Predict every evidence row with every calibrated variant and compare with what was reported."""
    from abscopal.inference.ablation import ABLATIONS
    from abscopal.inference.posterior import stored_diagnosis
    from abscopal.inference.run import write_evidence
    from abscopal.inference.scores import summarise

    diagnosis, facts = stored_diagnosis(out)
    with progress_bars():
        scores = write_evidence(docs, predictions, diagnosis, facts, labels=tuple(variant or ABLATIONS), folder=out)
    rows = []
    for label, found in scores.items():
        for split in ("calibration", "validation"):
            one = summarise([score for score in found if score.one.split == split])
            rows.append((label, split, one.signs, one.numbers, round(one.log_score, 2)))
    if as_json:
        keys = ("variant", "split", "directions", "numbers", "log_score")
        print_json([dict(zip(keys, row, strict=True)) for row in rows])
        return
    table = [(v, s, f"{d[0]}/{d[1]}", f"{n[0]}/{n[1]}", f"{g:.1f}") for v, s, d, n, g in rows]
    print_table("Evidence rows", ("variant", "rows", "directions right", "numbers covered", "log score"), table)

"""`abscopal compare`, and `abscopal simulate --model` for the models of others."""

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from abscopal.cli.console import JsonOption, print_json, print_table, progress_bars, screen

if TYPE_CHECKING:
    from abscopal.domain.regimen import Regimen
    from abscopal.immune.published.catalogue import Published
    from abscopal.immune.published.compare import Comparison, EnsembleWindow


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("compare")(compare)


def compare(
    regimens: Annotated[
        list[Path] | None, typer.Argument(help="Regimens (.toml); with one, its parts are compared.")
    ] = None,
    models: Annotated[str, typer.Option(help="Names with commas, or all.")] = "all",
    readout: Annotated[float, typer.Option(min=0.5, max=1000, help="Days after the last fraction.")] = 30.0,
    site: Annotated[Literal["irradiated", "other"], typer.Option(help="Lesion that is judged.")] = "irradiated",
    over: Annotated[
        Literal["untreated", "radiation"], typer.Option(help="Against no treatment, or what drugs add to radiation.")
    ] = "untreated",
    doses: Annotated[
        str, typer.Option(help="Also a window over these doses per fraction [Gy], such as 2,4,6,8,10,12,16,20.")
    ] = "",
    fractions: Annotated[int, typer.Option(min=1, max=30, help="Fractions of that window.")] = 3,
    cards: Annotated[
        bool, typer.Option("--cards", help="List every model, what it was checked against, and stop.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="CSV file of the effects and ranks.")] = None,
    as_json: JsonOption = False,
) -> None:
    """The same regimens through several published models: how each ranks them, and where they agree."""
    from abscopal.domain.errors import InputError
    from abscopal.immune.published.catalogue import require_published
    from abscopal.immune.published.compare import NOTE, compare_regimens, ensemble_window

    if cards:
        _show_cards(as_json)
        return
    if not regimens:
        raise InputError(
            doing="comparing regimens", found="no regimen", expected="at least one file",
            try_="fraction_days = [0, 1, 2] and fraction_doses = [8, 8, 8] in regimen.toml",
        )  # fmt: skip
    chosen = require_published([name.strip() for name in models.split(",") if name.strip()])
    arms = _arms(regimens)
    grid = _doses(doses)
    with progress_bars():
        result = compare_regimens(arms, chosen, readout=readout, site=site, over=over)
        window = (
            ensemble_window(
                chosen, fractions, grid, drugs=next(iter(arms.values())), readout=readout, site=site, over=over
            )
            if grid
            else None
        )
    found = {
        **_comparison(result),
        "site": site,
        "over": over,
        "window": None if window is None else _window(window),
        "note": NOTE,
    }
    if out is not None:
        _write_comparison(out, result)
    if as_json:
        print_json(found)
        return
    _show_comparison(result)
    if window is not None:
        _show_window(window)
    screen().print(f"note  {NOTE}", markup=False)


def simulate_published(
    model: "Published", arms: "dict[str, Regimen]", horizon: float, step: float, out: Path | None, as_json: bool
) -> None:
    """The course of every state and quantity of a published model under each arm."""
    import numpy as np

    days = np.unique(np.append(np.arange(0.0, horizon, step), horizon))
    with progress_bars():
        courses = {arm: model.run(regimen, days.tolist(), horizon=horizon) for arm, regimen in arms.items()}
    if out is not None:
        _write_courses(out, courses)
    if as_json:
        print_json(
            {
                "model": model.name,
                "card": vars(model.card),
                "t_day": days.tolist(),
                "units": dict(zip(next(iter(courses.values())).names, next(iter(courses.values())).units, strict=True)),
                "arms": {arm: {name: c[name].tolist() for name in c.names} for arm, c in courses.items()},
            }
        )
        return
    shown = [name for name in (model.burden, model.other) if name]
    print_table(
        f"{model.card.citation}, day {horizon:g}",
        ("arm", *(f"{name} [{model.unit}]" for name in shown)),
        [(arm, *(f"{c[name][-1]:.4g}" for name in shown)) for arm, c in courses.items()],
    )
    for label, text in (("checked", model.card.checked), ("missing", model.card.missing)):
        screen().print(f"{label}  {text}", markup=False)
    if out is not None:
        screen().print(f"course {out}", markup=False)


def _arms(files: list[Path]) -> "dict[str, Regimen]":
    """Regimens by name; one alone is taken apart into radiation and drugs."""
    from abscopal.cli.arms import read_arms
    from abscopal.domain.regimen import Regimen

    arms = read_arms([str(path) for path in files], Regimen(), control=False)
    if len(arms) == 1:
        (whole,) = arms.values()
        if whole.fraction_days and whole.drug_doses:
            arms |= {"radiation alone": whole.without_drugs(), "drugs alone": whole.without_radiation()}
    return arms


def _doses(text: str) -> list[float]:
    from abscopal.domain.errors import InputError

    try:
        values = sorted({float(part) for part in text.split(",") if part.strip()})
    except ValueError:
        values = [-1.0]
    if values and not (len(values) > 1 and values[0] > 0.0 and values[-1] <= 100.0):
        raise InputError(
            doing="reading the doses of the window", found=repr(text[:100]),
            expected="two or more doses above 0 and up to 100 Gy, with commas", try_="2,4,8,12,16,20",
        )  # fmt: skip
    return values


def _comparison(result: "Comparison") -> dict[str, Any]:
    return {
        "readout_days": result.readout,
        "models": list(result.models),
        "regimens": list(result.regimens),
        "log10_effect": [[_number(v) for v in row] for row in result.effect.tolist()],
        "rank": [[_number(v) for v in row] for row in result.ranks.tolist()],
        "mean_rank": result.mean_rank.tolist(),
        "kendall_tau": [{"models": list(pair), "tau": tau} for pair, tau in result.tau.items()],
        "mean_tau": result.mean_tau,
        "not_computed": [{"model": m, "regimen": r, "reason": why} for (m, r), why in result.reasons.items()],
    }


def _window(over: "EnsembleWindow") -> dict[str, Any]:
    return {
        "models": list(over.models),
        "fractions": over.n_fractions,
        "level": over.level,
        "doses_gy": over.doses.tolist(),
        "log10_effect": [[_number(v) for v in row] for row in over.effect.tolist()],
        "inside": over.inside.tolist(),
        "share_of_models": [_number(v) for v in over.share.tolist()],
    }


def _number(value: float) -> float | None:
    return value if isfinite(value) else None


def _show_comparison(result: "Comparison") -> None:
    rows = []
    for j in sorted(range(len(result.regimens)), key=lambda j: result.mean_rank[j]):
        cells = [
            "-" if not isfinite(rank) else f"{rank:g} ({effect:.2f})"
            for rank, effect in zip(result.ranks[:, j], result.effect[:, j], strict=True)
        ]
        rows.append((result.regimens[j], f"{result.mean_rank[j]:.2g}", *cells))
    title = f"rank (log10 of tumour over the reference), {result.readout:g} days after the last fraction"
    print_table(title, ("regimen", "mean rank", *result.models), rows)
    for pair, tau in result.tau.items():
        said = "too few regimens, or one ranks all equally" if tau is None else f"{tau:.2f}"
        screen().print(f"tau   {pair[0]} and {pair[1]}: {said}", markup=False)
    for (model, regimen), why in result.reasons.items():
        screen().print(f"left out  {model}, {regimen}: {why}", markup=False)


def _show_window(over: "EnsembleWindow") -> None:
    rows = [
        (f"{dose:g}", *("inside" if inside else "" for inside in over.inside[:, k]), f"{100 * over.share[k]:.0f}")
        for k, dose in enumerate(over.doses)
    ]
    title = f"doses with at least {100 * over.level:g} % of a model's largest effect, {over.n_fractions} fractions"
    print_table(title, ("Gy per fraction", *over.models, "models [%]"), rows)


def _show_cards(as_json: bool) -> None:
    from abscopal.immune.published.catalogue import cards

    if as_json:
        print_json([vars(card) for card in cards()])
        return
    print_table(
        "published models", ("name", "status", "checked against", "missing or not reproduced"),
        [(card.name, card.status, card.checked, card.missing) for card in cards()],
    )  # fmt: skip


def _write_comparison(path: Path, result: "Comparison") -> None:
    import csv
    import io

    from abscopal.report.html import write_whole

    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["model", "regimen", "log10_effect", "rank", "not_computed"])
    for i, model in enumerate(result.models):
        for j, regimen in enumerate(result.regimens):
            values = (_number(result.effect[i, j]), _number(result.ranks[i, j]))
            rows.writerow([model, regimen, *values, result.reasons.get((model, regimen), "")])
    write_whole(path, text.getvalue())


def _write_courses(path: Path, courses: dict[str, Any]) -> None:
    import csv
    import io

    from abscopal.report.html import write_whole

    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    first = next(iter(courses.values()))
    rows.writerow(["arm", "t [day]", *(f"{n} [{u}]" for n, u in zip(first.names, first.units, strict=True))])
    for arm, course in courses.items():
        # A model may have states of its own for each fraction, so that arms need not share all columns.
        columns = [course[name].tolist() if name in course.names else [""] * len(course.t) for name in first.names]
        rows.writerows([arm, *row] for row in zip(course.t.tolist(), *columns, strict=True))
    write_whole(path, text.getvalue())

"""`abscopal compare`, and `abscopal simulate --model` for the models of others."""

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from abscopal.cli.console import JsonOption, print_json, print_lines, print_table, progress_bars, screen
from abscopal.cli.window import OutOption

if TYPE_CHECKING:
    from abscopal.domain.regimen import Regimen
    from abscopal.immune.published.catalogue import Published
    from abscopal.immune.published.compare import Comparison, Courses, EnsembleWindow


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
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """The same regimens through several published models: how each ranks them, and where they agree."""
    from abscopal.domain.errors import InputError
    from abscopal.immune.published.catalogue import require_published
    from abscopal.immune.published.compare import NOTE, compare_regimens, courses, ensemble_window

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
        over_time = None if out is None else courses(arms, chosen, readout=readout)
    found = {
        **_comparison(result),
        "site": site,
        "over": over,
        "window": None if window is None else _window(window),
        "note": NOTE,
    }
    if out is not None and over_time is not None:
        _write_comparison(out, found, result, over_time, window)
    if as_json:
        print_json(found)
        return
    _show_comparison(result)
    if window is not None:
        _show_window(window)
    screen().print(f"note  {NOTE}", markup=False)
    if out is not None:
        screen().print(f"figures and tables {out}", markup=False)


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
        [(arm, *(_size(float(c[name][-1]), float(c[name][0])) for name in shown)) for arm, c in courses.items()],
    )
    for label, text in (("checked", model.card.checked), ("missing", model.card.missing)):
        screen().print(f"{label}  {text}", markup=False)
    if out is not None:
        screen().print(f"course {out}", markup=False)


def _size(last: float, first: float) -> str:
    from abscopal.immune.published.compare import LEAST

    return "gone" if last <= LEAST * first else f"{last:.4g}"


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
        "mean_rank": [_number(v) for v in result.mean_rank.tolist()],
        "models_that_take_it": result.n_models.tolist(),
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
        "relative_effect": [[_number(v) for v in row] for row in over.relative.tolist()],
        "inside": over.inside.tolist(),
        "share_of_models": [_number(v) for v in over.share.tolist()],
    }


def _number(value: float) -> float | None:
    return value if isfinite(value) else None


def _show_comparison(result: "Comparison") -> None:
    order = sorted(
        range(len(result.regimens)), key=lambda j: result.mean_rank[j] if result.n_models[j] else float("inf")
    )
    rows = [
        (model, *(_cell(float(result.ranks[i, j]), float(result.effect[i, j])) for j in order))
        for i, model in enumerate(result.models)
    ]
    n = len(result.models)
    means = [f"{result.mean_rank[j]:.2g} ({result.n_models[j]} of {n})" if result.n_models[j] else "-" for j in order]
    rows.append(("mean rank (models)", *means))
    title = f"rank (log10 of tumour over the reference), {result.readout:g} days after the last fraction"
    print_table(title, ("model", *(result.regimens[j] for j in order)), rows)
    lines = [("left out", f"{model}, {regimen}: {why}") for (model, regimen), why in result.reasons.items()]
    lines += [("tau", f"{tau:5.2f}  {one} and {other}") for (one, other), tau in result.tau.items() if tau is not None]
    silent = [f"{one} and {other}" for (one, other), tau in result.tau.items() if tau is None]
    if silent:
        lines.append(("no tau", f"too few regimens, or one ranks all equally: {'; '.join(silent)}"))
    if result.mean_tau is not None:
        lines.append(("agree", f"mean tau {result.mean_tau:.2f} (1: the same order, -1: the opposite)"))
    if len(set(result.n_models.tolist())) > 1:
        lines.append(("caution", "mean ranks of regimens that not every model takes are over other models"))
    print_lines(lines)


def _cell(rank: float, effect: float) -> str:
    from abscopal.immune.published.compare import LEAST

    if not isfinite(rank):
        return "-"
    return f"{rank:g} (gone)" if 10**effect <= 1.001 * LEAST else f"{rank:g} ({effect:.2f})"


def _show_window(over: "EnsembleWindow") -> None:
    able = [sum(isfinite(v) for v in over.effect[:, k]) for k in range(len(over.doses))]
    rows = [
        (model, *("in" if inside else "" if isfinite(v) else "-" for inside, v in zip(row, effect, strict=True)))
        for model, row, effect in zip(over.models, over.inside, over.effect, strict=True)
    ]
    rows.append(("models inside", *(f"{over.inside[:, k].sum()} of {n}" for k, n in enumerate(able))))
    title = f"doses with at least {100 * over.level:g} % of a model's largest effect, {over.n_fractions} fractions"
    print_table(title, ("Gy per fraction", *(f"{dose:g}" for dose in over.doses)), rows)
    if over.inside[:, -1].any():
        said = "the highest dose scanned is inside for some model: its window may go on above"
        print_lines([("caution", said)])


def _show_cards(as_json: bool) -> None:
    from abscopal.immune.published.catalogue import cards

    if as_json:
        print_json([vars(card) for card in cards()])
        return
    print_table(
        "published models", ("name", "status", "checked against", "missing or not reproduced"),
        [(card.name, card.status, card.checked, card.missing) for card in cards()],
    )  # fmt: skip


def _write_comparison(
    out: Path, found: dict[str, Any], result: "Comparison", over_time: "Courses", window: "EnsembleWindow | None"
) -> None:
    from abscopal.cli.results import Table, write_results
    from abscopal.report.published_figures import draw_courses, draw_ranks, draw_window

    ranks = [
        (
            model,
            regimen,
            _number(result.effect[i, j]),
            _number(result.ranks[i, j]),
            result.reasons.get((model, regimen), ""),
        )
        for i, model in enumerate(result.models)
        for j, regimen in enumerate(result.regimens)
    ]
    lines = [(m, r, *row) for (m, r), parts in over_time.shares.items() for row in zip(*map(list, parts), strict=True)]
    figures = {"ranks": draw_ranks(result), "courses": draw_courses(over_time)}
    tables: dict[str, Table] = {
        "ranks": (("model", "regimen", "log10_effect", "rank", "not_computed"), ranks),
        "courses": (("model", "regimen", "day_after_first_fraction", "tumour_over_its_start"), lines),
    }
    if window is not None:
        figures["window"] = draw_window(window)
        rows = [
            (model, dose, _number(window.effect[i, k]), _number(window.relative[i, k]), bool(window.inside[i, k]))
            for i, model in enumerate(window.models)
            for k, dose in enumerate(window.doses.tolist())
        ]
        tables["window"] = (("model", "dose_gy", "log10_effect", "relative_effect", "inside"), rows)
    write_results(out, found, figures, tables)


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

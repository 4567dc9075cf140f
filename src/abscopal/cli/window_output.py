"""What `abscopal window` and its companions write and print."""

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abscopal.cli.console import plain, print_table, screen
from abscopal.cli.results import Table, write_results

if TYPE_CHECKING:
    from abscopal.window.surface import Window
    from abscopal.window.uncertainty import WindowUncertainty


def write_window(
    out: Path,
    answer: Any,
    windows: "Mapping[Any, Window]",
    scatter: "Mapping[Any, WindowUncertainty]",
    without: "Mapping[str, Window]",
    maps: Mapping[str, Any],
) -> None:
    """Every family, ablation and map: answer, figures and tables."""
    from abscopal.report.window_figures import draw_ablations, draw_families, draw_surfaces

    figures = {"families": draw_families(windows, scatter)}
    curves = [
        (family, float(d), int(n), float(g), *(float(q) for q in band))
        for family, w in windows.items()
        for d, n, g, band in zip(w.doses, w.n_fractions, w.gain, scatter[family].gain.T, strict=True)
    ]
    head = ("family", "dose_per_fraction_gy", "n_fractions", "gain_log10", "p05", "median", "p95")
    tables: dict[str, Table] = {"families": (head, curves)}
    if without:
        figures["ablations"] = draw_ablations(without)
        rows = [
            (label, float(d), float(g)) for label, w in without.items() for d, g in zip(w.doses, w.gain, strict=True)
        ]
        tables["ablations"] = (("model", "dose_per_fraction_gy", "gain_log10"), rows)
    if maps:
        figures["map"] = draw_surfaces(maps)
        cells = [
            (label, int(n), float(d), float(made.gain[i, j]))
            for label, made in maps.items()
            for i, n in enumerate(made.n_fractions)
            for j, d in enumerate(made.doses)
        ]
        tables["map"] = (("map", "n_fractions", "dose_per_fraction_gy", "median_gain_log10"), cells)
    write_results(out, answer, figures, tables)


def show_window(
    answer: Any,
    windows: "Mapping[Any, Window]",
    scatter: "Mapping[Any, WindowUncertainty]",
    without: "Mapping[str, Window]",
    ici: str,
    level: float,
    out: Path | None,
) -> None:
    """Bounds by family, and what sets them."""
    share = f"{100 * level:.0f} % of the largest gain"
    print_table(
        f"Dose-immune window at {share}, {ici}: the bounds depend on the family",
        ("family", "central values", "lower [Gy]", "peak [Gy]", "upper [Gy]", "open top", "no window"),
        [
            (
                family,
                windows[family].text(),
                spread_text(row.d_lo),
                spread_text(row.d_peak),
                spread_text(row.d_hi),
                f"{100 * row.p_open:.0f} %",
                f"{100 * row.p_no_window:.0f} %",
            )
            for family, row in scatter.items()
        ],
    )
    if without:
        count = int(windows["n fixed"].n_fractions[0])
        print_table(
            f"What sets the bounds, {count} fraction(s), one mechanism left out at a time",
            ("model", "window"),
            [(label, curve.text()) for label, curve in without.items()],
        )
        screen().print(f"{answer['lower_bound']}\n{answer['upper_bound']}\n", markup=False)
    say_notes(answer["notes"], out)


def say_notes(notes: Sequence[str], out: Path | None) -> None:
    """What a reader must know, and where the files are."""
    console = screen()
    for note in notes:
        console.print(f"note     {note}", markup=False)
    if out is not None:
        console.print(f"written  {out}", markup=False, soft_wrap=True)


def spread_text(spread: Any, form: str = ".3g") -> str:
    """Median and interval, or that there is none."""
    return "undefined" if spread.median is None and spread.low is None and spread.high is None else spread.text(form)


def column_text(band: Any, k: int, form: str = ".2f") -> str:
    """Median and interval of one column of a band."""
    low, median, high = (f"{v:{form}}" if isfinite(v) else "never" for v in band[:, k])
    return f"{median} ({low} to {high})"


def what_if_table(curves: Any) -> Table:
    """The bands of a what-if as rows."""
    bands = {"gain": curves.gain, "log_synergy": curves.log_synergy}
    bands |= {f"volume_ratio_{arm}": band for arm, band in curves.ratio.items()}
    bands |= {f"day_reached_{arm}": band for arm, band in curves.reached.items()}
    rows = [
        (name, float(x), *(float(v) if isfinite(v) else "never" for v in band[:, k]))
        for name, band in bands.items()
        for k, x in enumerate(curves.x)
    ]
    return ("quantity", curves.choice.replace(",", ";"), "p05", "median", "p95"), rows


def family_answer(window: "Window", scatter: "WindowUncertainty") -> dict[str, Any]:
    """A family for JSON."""
    told = {"scatter": _scatter_answer(scatter), "text": scatter.text()}
    return {"family": window.family, **curve_answer(window), **told}


def curve_answer(curve: "Window") -> dict[str, Any]:
    """A window and its curve for JSON."""
    return {
        "level": curve.level,
        "lower_gy": curve.d_lo,
        "peak_gy": curve.d_peak,
        "upper_gy": curve.d_hi,
        "open_below": curve.bounds.open_low,
        "open_above": curve.bounds.open_high,
        "found": curve.bounds.found,
        "gain_max": curve.bounds.gain_max,
        "dose_per_fraction_gy": curve.doses.tolist(),
        "n_fractions": curve.n_fractions.tolist(),
        "gain": curve.gain.tolist(),
    }


def _scatter_answer(row: "WindowUncertainty") -> dict[str, Any]:
    names = ("d_lo", "d_peak", "d_hi", "gain_max", "p_open", "p_no_window", "p_upper_below", "p_peak_inside")
    return {name: plain(getattr(row, name)) for name in names} | {"animals": row.n, "gain": row.gain.tolist()}


def map_answer(label: str, made: Any, rows: "Mapping[int, WindowUncertainty]") -> dict[str, Any]:
    """A map and the bounds of its rows for JSON."""
    bounds = [
        {"n_fractions": n, "text": row.text(), **{k: v for k, v in _scatter_answer(row).items() if k != "gain"}}
        for n, row in rows.items()
    ]
    return {
        "map": label,
        "dose_per_fraction_gy": made.doses.tolist(),
        "n_fractions": made.n_fractions.tolist(),
        "median_gain": made.gain.tolist(),
        "readout_day": made.readout_day.tolist(),
        "bounds": bounds,
    }

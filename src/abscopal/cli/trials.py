"""`abscopal trials evidence`: the evidence synthesised."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from abscopal.cli.console import JsonOption, print_json, print_lines, print_table, progress_bars

if TYPE_CHECKING:
    import pandas as pd

    from abscopal.trials.bayes import BayesPool
    from abscopal.trials.pooling import Pool

app = typer.Typer(
    no_args_is_help=True, help="Evidence of RT with ICI, and in-silico trials.", rich_markup_mode="markdown"
)
_GROUPS = {"sequence": "timing", "timing": "timing", "eni": "eni", "control": "comparison_type", "disease": "disease"}


@app.command()
def evidence(
    endpoint: Annotated[str, typer.Option(help="OS, PFS or EFS; several joined by +, such as PFS+EFS.")] = "OS",
    by: Annotated[
        Literal["sequence", "timing", "eni", "control", "disease"] | None,
        typer.Option(help="Also a pool for each level of this."),
    ] = None,
    question: Annotated[
        Literal["ici", "rt"], typer.Option(help="ICI added to RT (or swapped in), or RT added to ICI.")
    ] = "ici",
    add_on_only: Annotated[
        bool, typer.Option("--add-on-only", help="Leave out trials where the ICI replaces a drug.")
    ] = False,
    method: Annotated[Literal["REML", "DL", "PM", "fixed"], typer.Option(help="Estimator of tau².")] = "REML",
    table: Annotated[
        Path | None, typer.Option(help="A trial table (.csv) of your own, in the package's columns.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for figures (.svg) and their data (.csv).")] = None,
    as_json: JsonOption = False,
) -> None:
    """Pool the randomised evidence, with heterogeneity, contrasts, influence, certainty and what is missing."""
    from abscopal.trials.evidence import load_trials

    whole = load_trials(table)
    with progress_bars():
        found = _evidence(whole, tuple(endpoint.split("+")), by, question, add_on_only, method)
    rows = found.pop("rows")
    if out is not None and len(rows) > 1:
        found["files"] = _write_figures(whole, rows, _GROUPS[by] if by else None, out)
    if as_json:
        print_json(found)
        return
    _show(endpoint, found)


def _evidence(
    whole: "pd.DataFrame", endpoints: tuple[str, ...], by: str | None, question: Any, add_on_only: bool, method: Any
) -> dict[str, Any]:
    from abscopal.domain.progress import track
    from abscopal.trials.bayes import bayes_pool
    from abscopal.trials.evidence import select
    from abscopal.trials.flow import NO_INTERVAL, flow
    from abscopal.trials.grade import grade_draft
    from abscopal.trials.influence import leave_one_out
    from abscopal.trials.pooling import pool
    from abscopal.trials.regression import egger
    from abscopal.trials.subgroups import CONTRASTS, contrast, ratio_text

    filters: dict[str, Any] = {"comparison_type": "add_ici"} if add_on_only else {}
    rows = select(endpoint=endpoints, pool=question, table=whole, **filters)
    course = flow(endpoints, question, table=whole, **filters)
    missing = next((len(step.trials) for step in course.excluded if step.reason == NO_INTERVAL), 0)
    found: dict[str, Any] = {"endpoint": "+".join(endpoints), "method": method, "flow": course.lines(), "rows": rows}
    if rows.empty:
        return found | {"pools": {}, "verdict": "insufficient evidence: no poolable trial"}
    parts = {"all": rows} | ({str(k): g for k, g in rows.groupby(_GROUPS[by])} if by else {})
    found["pools"] = {name: _pool_dict(pool(part["log_hr"], part["se"], method)) for name, part in parts.items()}
    found["bayes"] = _bayes_dict(bayes_pool(rows["log_hr"], rows["se"]))
    if len(rows) > 1:
        spread = leave_one_out(rows)["hr"]
        found["leave_one_out"] = {"lowest_hr": float(spread.min()), "highest_hr": float(spread.max())}
    if len(rows) >= 10:
        test = egger(rows["log_hr"], rows["se"])
        found["egger"] = {"intercept": test.intercept, "p": test.p}
    names = list(track([*CONTRASTS, "dose_per_fraction"], "comparing groups of trials"))
    found["contrasts"] = [ratio_text(contrast(rows, name)) for name in names]
    draft = grade_draft(rows, missing)
    found["grade_draft"] = {
        "certainty": draft.certainty,
        "lowered_for": [f"{d.domain} (−{d.steps}): {d.why}" for d in draft.downgrades],
        "still_to_judge": list(draft.open_questions),
    }
    return found


def _pool_dict(result: "Pool") -> dict[str, Any]:
    return {
        "k": result.k, "hr": result.hr, "interval": result.interval, "hartung_knapp": result.hk_interval,
        "hartung_knapp_guarded": result.hk_guarded_interval, "prediction_interval": result.prediction_interval,
        "tau2": result.tau2, "tau2_interval": result.tau2_interval, "i2_percent": result.i2, "q": result.q,
        "notes": list(result.notes),
    }  # fmt: skip


def _bayes_dict(result: "BayesPool") -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(result)


def _write_figures(whole: "pd.DataFrame", rows: "pd.DataFrame", by: str | None, out: Path) -> list[str]:
    from abscopal.trials.figures import baujat, bubble, evidence_map, forest, funnel

    drawn = [forest(rows, by), funnel(rows), baujat(rows), bubble(rows), evidence_map(whole)]
    return [str(path) for figure in drawn for path in figure.save(out)]


def _span(limits: tuple[float, float] | None) -> str:
    return "–" if limits is None else f"{limits[0]:.2f}–{limits[1]:.2f}"


def _show(endpoint: str, found: dict[str, Any]) -> None:
    if found["pools"]:
        print_table(
            f"{endpoint} hazard ratio, {found['method']}",
            ("trials", "k", "HR", "95 %", "Hartung–Knapp", "new trial", "τ²", "I²"),
            [
                (name, str(p["k"]), f"{p['hr']:.3f}", _span(p["interval"]), _span(p["hartung_knapp"]),
                 _span(p["prediction_interval"]), f"{p['tau2']:.4f}", f"{p['i2_percent']:.0f} %")
                for name, p in found["pools"].items()
            ],
        )  # fmt: skip
    print_lines(_lines(found))


def _lines(found: dict[str, Any]) -> list[tuple[str, str]]:
    said = [("flow", text) for text in found["flow"]]
    if "bayes" in found:
        b = found["bayes"]
        new = f"new trial {_span(b['prediction_interval'])}, P(< 1) {b['p_new_benefit']:.2f}"
        said.append(("Bayes", f"mean {b['hr']:.2f} ({_span(b['interval'])}), P(mean < 1) {b['p_benefit']:.3f}; {new}"))
    if "leave_one_out" in found:
        one = found["leave_one_out"]
        said.append(("one out", f"pooled hazard ratio within {one['lowest_hr']:.3f} and {one['highest_hr']:.3f}"))
    if "egger" in found:
        said.append(("Egger", f"intercept {found['egger']['intercept']:.2f}, p {found['egger']['p']:.2f}"))
    said += [("contrast", text) for text in found.get("contrasts", [])]
    if "grade_draft" in found:
        draft = found["grade_draft"]
        said.append(("GRADE", f"draft: {draft['certainty']}" + "".join(f"; {why}" for why in draft["lowered_for"])))
        said.append(("", "still to judge: " + "; ".join(draft["still_to_judge"])))
        said.append(("note", "contrasts are between trials, which differ in much else; † recalled, ? uncertain"))
    if "verdict" in found:
        said.append(("verdict", found["verdict"]))
    return [*said, *(("file", path) for path in found.get("files", []))]

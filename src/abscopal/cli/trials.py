"""`abscopal trials`: the evidence synthesised, and virtual trials."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from abscopal.cli.console import JsonOption, print_json, print_table, progress_bars, screen

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
    out: Annotated[Path | None, typer.Option(help="Folder for figures (.svg) and their data (.csv).")] = None,
    as_json: JsonOption = False,
) -> None:
    """Pool the randomised evidence, with heterogeneity, contrasts, influence, certainty and what is missing."""
    with progress_bars():
        found = _evidence(tuple(endpoint.split("+")), by, question, add_on_only, method)
    rows = found.pop("rows")
    if out is not None and len(rows) > 1:
        found["files"] = _write_figures(rows, _GROUPS[by] if by else None, out)
    if as_json:
        print_json(found)
        return
    _show(endpoint, found)


def _evidence(
    endpoints: tuple[str, ...], by: str | None, question: Any, add_on_only: bool, method: Any
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
    rows = select(endpoint=endpoints, pool=question, **filters)
    course = flow(endpoints, question, **filters)
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


def _write_figures(rows: "pd.DataFrame", by: str | None, out: Path) -> list[str]:
    from abscopal.trials.figures import baujat, bubble, evidence_map, forest, funnel

    drawn = [forest(rows, by), funnel(rows), baujat(rows), bubble(rows), evidence_map()]
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
    _say(_lines(found))


def _say(lines: list[tuple[str, str]]) -> None:
    console = screen()
    for label, text in lines:
        console.print(f"{label:9}{text}", markup=False, highlight=False, soft_wrap=True)


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


WorkersOption = Annotated[int | None, typer.Option(min=1, help="Processes of a local cluster for the immune model.")]
ClusterOption = Annotated[str | None, typer.Option(help="Address of a Dask scheduler; needs --out on a shared disk.")]
DrawsOption = Annotated[int, typer.Option(min=2, max=1000, help="Parameter sets of the immune model.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of patients and chance.")]
EXAMPLE = "consolidation"


@app.command()
def simulate(
    design: Annotated[Path | None, typer.Argument(help="Trial design (.toml).")] = None,
    replicates: Annotated[int, typer.Option(min=1, max=1_000_000, help="Virtual trials.")] = 500,
    draws: DrawsOption = 40,
    patients: Annotated[int, typer.Option(min=10, help="Distinct virtual patients of each parameter set.")] = 200,
    seed: SeedOption = 0,
    null: Annotated[bool, typer.Option("--null", help="No treatment effect at all: the type I error.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for results, figures and what is needed to go on.")] = None,
    workers: WorkersOption = None,
    cluster: ClusterOption = None,
    example: Annotated[bool, typer.Option("--example", help="Print a whole design file and stop.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run virtual replicates of a trial design: hazard ratio, power, curves, who gained."""
    from abscopal.trials.design import read_design
    from abscopal.trials.examples import example_design
    from abscopal.trials.virtual import run_trial

    if example:
        typer.echo(example_design(EXAMPLE), nl=False)
        return
    wanted = read_design(_given(design))
    with progress_bars():
        result = run_trial(
            wanted, replicates, draws=draws, patients=patients, seed=seed, null=null, workers=workers, cluster=cluster,
            out=None if out is None else out / "work",
        )  # fmt: skip
        files = [] if out is None else _write_trial(result, out)
    content = {"title": wanted.title, "summary": result.summary, "benefit": result.benefit.to_dict("records"),
               "manifest": result.manifest.model_dump(), "files": files}  # fmt: skip
    if as_json:
        print_json(content)
        return
    _show_trial(content)


def _given(design: Path | None) -> Path:
    from abscopal.domain.errors import InputError

    if design is not None and design.is_file():
        return design
    raise InputError(
        doing="reading a trial design", found="no file" if design is None else f"no file {design.name}",
        expected="a .toml file", try_="`abscopal trials simulate --example > design.toml`",
    )  # fmt: skip


def _write_trial(result: Any, out: Path) -> list[str]:
    from abscopal.trials.virtual_figures import effects, survival_curves

    out.mkdir(parents=True, exist_ok=True)
    result.replicates.to_csv(out / "replicates.csv", index=False)
    result.benefit.to_csv(out / "benefit.csv", index=False)
    drawn = [effects(result)] + ([] if result.curves.empty else [survival_curves(result)])
    paths = [path for figure in drawn for path in figure.save(out)]
    return [str(path) for path in (out / "replicates.csv", out / "benefit.csv", *paths)]


def _show_trial(content: dict[str, Any]) -> None:
    s = content["summary"]
    name = "hazard_ratio" if "hazard_ratio" in s else "odds_ratio"
    low, high = s[f"{name}_interval_90"]
    rows = [
        (f"{s['endpoint']} {name.replace('_', ' ')}", f"{s[name]:.2f}", f"{low:.2f} to {high:.2f}"),
        ("probability of success", f"{s['probability_of_success']:.3f}", f"Monte-Carlo SE {s['monte_carlo_se']:.3f}"),
        ("favours experimental", f"{s['p_favours_experimental']:.2f}", ""),
    ]
    units = {"median_exp": "month", "median_ctrl": "month", "rmst_difference": "month", "landmark_difference": "1",
             "rate_exp": "1", "rate_ctrl": "1", "events": "patients"}  # fmt: skip
    for key, unit in units.items():
        if key in s:
            cells = [
                "not reached" if s[key][part] is None else f"{s[key][part]:.3g}"
                for part in ("median", "low_90", "high_90")
            ]
            rows.append((f"{key.replace('_', ' ')} [{unit}]", cells[0], f"{cells[1]} to {cells[2]}"))
    print_table(f"{content['title'] or 'trial'}: {s['replicates']} simulated trials of {s['patients']} patients",
                ("", "median", "90 % over model, patients and chance"), rows)  # fmt: skip
    lines = [("gain", f"{row['covariate']} {row['who']}: {row['gain_months']:+.2f} months, "
              f"of which mechanism {row['gain_by_mechanism_months']:+.2f}") for row in content["benefit"]]  # fmt: skip
    verdict = "hypothesis ranking only; see docs/validation/trials for how such predictions scored"
    lines += [("note", f"simulated; immune parameters: {s['parameters']} (mouse), carried to people by assumptions"),
              ("note", verdict)]  # fmt: skip
    _say([*lines, *(("file", path) for path in content["files"])])


@app.command("design")
def design_mode(
    design: Annotated[Path, typer.Argument(help="Trial design (.toml) to start from.")],
    vary: Annotated[
        list[str],
        typer.Option(help="FEATURE=VALUE,VALUE of target, dose_per_fraction, ici_start or patients; may be repeated."),
    ],
    replicates: Annotated[int, typer.Option(min=1, max=100_000, help="Virtual trials of each combination.")] = 200,
    draws: DrawsOption = 40,
    seed: SeedOption = 0,
    out: Annotated[Path | None, typer.Option(help="Folder: table, figure, and what is needed to go on.")] = None,
    workers: WorkersOption = None,
    cluster: ClusterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sweep features of a design and show the chance of success of each."""
    from abscopal.trials.design import read_design
    from abscopal.trials.operating import sweep
    from abscopal.trials.virtual_figures import power_curve

    start = read_design(_given(design))
    values = dict(_tried(text) for text in vary)
    with progress_bars():
        found = sweep(start, values, replicates, seed=seed, draws=draws, workers=workers, cluster=cluster,
                      out=None if out is None else out / "work")  # fmt: skip
    files = [] if out is None else [str(path) for path in power_curve(found.table, list(values)).save(out)]
    rows = [{str(k): v for k, v in row.items()} for row in found.table.to_dict("records")]
    if as_json:
        print_json({"title": start.title, "replicates": replicates, "designs": rows, "files": files, "simulated": True})
        return
    headings = list(found.table.columns)
    cells = [[f"{row[h]:.3g}" if isinstance(row[h], float) else str(row[h]) for h in headings] for row in rows]
    title = f"{start.title or 'trial'}: {replicates} simulated trials each"
    print_table(title, [heading.replace("_", " ") for heading in headings], cells)
    _say([("note", "simulated; differences rest on mouse mechanisms carried to people by assumptions"),
          *(("file", path) for path in files)])  # fmt: skip


def _tried(text: str) -> tuple[str, list[Any]]:
    from abscopal.domain.errors import InputError

    name, _, listed = text.partition("=")
    values = [part.strip() for part in listed.split(",") if part.strip()]
    if name.strip() == "target":
        return "target", list(values)
    try:
        return name.strip(), [float(value) for value in values]
    except ValueError as exc:
        raise InputError(
            doing="reading what to vary", found=repr(text), expected="FEATURE=NUMBER,NUMBER or target=NAME,NAME",
            try_="dose_per_fraction=2,5,8",
        ) from exc  # fmt: skip

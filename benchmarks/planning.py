"""Fluence optimisation beside pyRadPlan's own, and the trade-off of sparing the immune system, in one run.

`.venv-planning/bin/python benchmarks/planning.py --write docs/validation/planning.md` puts the figures between the
file's markers, and figures and tables beside it. Processor seconds are given because machines are shared. Both
optimisers get the same matrix of doses, the same objectives and the same treatment of overlaps.
"""

import argparse
import csv
import platform
import time
from pathlib import Path

import numpy as np

from abscopal.dose.dicom.intake import read_anatomy
from abscopal.dose.sample.thorax import build_thorax
from abscopal.planning.beams import BeamSetup
from abscopal.planning.influence import Prescription
from abscopal.planning.optimise import Goal, solve
from abscopal.planning.protocol import FAR, organs_of
from abscopal.planning.pyradplan import from_pyradplan, matrix_of_case, pyradplan
from abscopal.planning.sweep import Sweep, rows_of, sweep_plans
from abscopal.planning.terms.dose import MeanDose, SquaredDeviation, SquaredOverdose
from abscopal.planning.terms.immune import Edric, MeanBloodDose

FIELDS = (0.0, 72.0, 144.0, 216.0, 288.0)
TOLERANCES = (1e-2, 3e-3, 1e-3, 3e-4)
SIDE = (0.0, 30.0, 60.0, 90.0, 120.0, 150.0, 180.0)
MEANS = (Goal(MeanDose("Lungs"), 10.0), Goal(MeanDose("Heart"), 5.0), Goal(MeanDose("External"), 20.0))
REFERENCES = {
    "nine fields all round": (BeamSetup().gantry, ()),
    "seven fields on the side of the tumour": (SIDE, ()),
    "nine fields, a stricter reference that also pushes down the mean dose of lungs, heart and body": (
        BeamSetup().gantry,
        MEANS,
    ),
}


def spent(work: object) -> tuple[object, float, float]:
    """What a call gives, and its wall and processor seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    made = work()  # type: ignore[operator]
    return made, time.perf_counter() - wall, time.process_time() - cpu


def phantom(bixel: float, grid: float) -> list[str]:
    """TG-119 with the objectives it comes with: pyRadPlan's optimiser, then ours on the same doses."""
    engine = pyradplan()
    ct, cst = engine.load_tg119()
    plan = engine.PhotonPlan(radiation_mode="photons", machine="Generic")
    plan.prop_stf = {"gantry_angles": list(FIELDS), "couch_angles": [0.0] * 5, "bixel_width": bixel}
    plan.prop_dose_calc = {"dose_grid": {"resolution": dict.fromkeys("xyz", grid)}}
    stf = engine.generate_stf(ct, cst, plan)
    dij = engine.calc_dose_influence(ct, cst, stf, plan)
    info: dict = {}
    theirs, wall, cpu = spent(lambda: engine.fluence_optimization(ct, cst, stf, dij, plan, opt_info=info))
    w = np.asarray(theirs, dtype=np.float64)
    on_grid = cst.apply_overlap_priorities().resample_on_new_ct(ct.resample_to_grid(dij.dose_grid))
    masks, goals = {}, []
    shape = tuple(int(n) for n in reversed(dij.dose_grid.dimensions))
    for voi in on_grid.vois:
        inside = np.zeros(int(np.prod(shape)))
        inside[voi.indices_numpy] = 1.0
        masks[voi.name] = inside.reshape(shape)
        for objective in voi.objectives:
            given = SquaredDeviation if objective.name == "Squared Deviation" else SquaredOverdose
            goals.append(Goal(given(voi.name, float(objective.parameters[0])), float(objective.priority)))
    matrix = from_pyradplan(dij, masks, targets=("OuterTarget",), prescription=Prescription(50.0, 30))
    value = sum(goal.weight * goal.term.value(matrix, w) for goal in goals)
    lines = [
        f"TG-119, five photon fields, {bixel:g} mm bixels, {grid:g} mm dose grid: {matrix.n_bixels} bixels, "
        f"{matrix.matrix.nnz / 1e6:.1f} million doses.",
        "",
        "| optimiser | objective | CPU s | wall s | iterations | residual |",
        "| --- | --- | --- | --- | --- | --- |",
        f"| pyRadPlan 0.5 (its defaults) | {value:.2f} | {cpu:.1f} | {wall:.1f} | {info.get('num_iter', '')} | not given |",
    ]
    reached = None
    for tolerance in TOLERANCES:
        found, wall_ours, cpu_ours = spent(lambda tolerance=tolerance: solve(matrix, goals, tolerance=tolerance))
        lines.append(
            f"| abscopal, tolerance {tolerance:g} | {found.objective:.2f} | {cpu_ours:.1f} | {wall_ours:.1f} | "
            f"{found.iterations} | {found.residual:.1e} ({found.status}) |"
        )
        if reached is None and found.objective <= value:
            reached = (tolerance, cpu_ours)
    if reached is None:
        return [*lines, "", "**Miss**: pyRadPlan's objective was not reached."]
    verdict = "hit" if reached[1] <= cpu else "**miss**"
    return [
        *lines,
        "",
        f"pyRadPlan's objective is first reached at tolerance {reached[0]:g} in {reached[1] / cpu:.2f} of its processor "
        f"time ({verdict}).",
    ]


def thorax(folder: Path, figures: Path) -> list[str]:
    """The sample thorax: reference plan with the usual terms, and the sweep over the weight of the immune terms."""
    case = read_anatomy(build_thorax(folder / "thorax", "5x10").folder)
    lines = []
    for number, (name, (gantry, extra)) in enumerate(REFERENCES.items()):
        matrix = matrix_of_case(case, Prescription(50.0, 5), BeamSetup(gantry=gantry), folder=folder)
        found = sweep_plans(matrix, ["lymphocytes"], folder=folder, extra=extra)
        lines += [f"### {name[0].upper()}{name[1:]}", "", *tradeoff(found), ""]
        if number == 0:
            write_figures(found, figures)
    return lines


def tradeoff(found: Sweep) -> list[str]:
    """The table of one sweep and whether it reaches the targets."""
    matrix = found.matrix
    first = found.reference
    lines = [
        f"{matrix.n_bixels} bixels, {matrix.matrix.nnz / 1e6:.1f} million doses.",
        "",
        "| weight | EDRIC Gy | change | node mean Gy | change | blood mean Gy | PTV D98 / D95 / D2 Gy | body D2 beyond 2 cm / "
        "max Gy | lung L / R mean Gy | heart mean Gy | cord D2% Gy | status, limits |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for point in found.points:
        course = point.course
        edric, node = (term.value(matrix, course.weights) for term in found.terms[:2])
        blood = MeanBloodDose().value(matrix, course.weights)
        change = [100 * (v / ref - 1) for v, ref in zip((edric, node), first.immune[:2], strict=True)]
        limits = "; ".join(point.broken) or "no limit broken"
        lines.append(
            f"| {point.weight:g} | {edric:.3f} | {change[0]:+.1f} % | {node:.2f} | {change[1]:+.1f} % | {blood:.3f} | "
            f"{point.figure('PTV', 98):.1f} / {point.figure('PTV', 95):.2f} / {point.figure('PTV', 2):.1f} | {point.figure(FAR, 2):.1f} / "
            f"{course.dvhs[FAR].maximum:.1f} | {point.figure('Lung_L'):.2f} / {point.figure('Lung_R'):.2f} | "
            f"{point.figure('Heart'):.2f} | {point.figure('SpinalCord', 2):.1f} | {point.plan.status} "
            f"({point.plan.residual:.0e}); {limits} |"
        )
    chosen = found.chosen
    changes = [100 * (v / ref - 1) for v, ref in zip(chosen.immune[:2], first.immune[:2], strict=True)]
    edric_image = Edric().value(matrix, chosen.course.weights) / edric_of_image(found) - 1
    reached = changes[0] <= -15 and changes[1] <= -30
    raised = [f"{text}" for text in chosen.raised]
    return [
        *lines,
        "",
        f"Chosen: weight {chosen.weight:g}: EDRIC {changes[0]:+.1f} %, node {changes[1]:+.1f} %, D95 equal by scaling "
        f"({'hit' if reached else '**miss**'}). EDRIC from c·w and from the dose image differ by {abs(edric_image):.0e}.",
        "",
        "What the chosen plan costs, as EQD2 that rises more than 10 % above the reference and above 10 Gy: "
        + ("; ".join(raised) if raised else "nothing")
        + ".",
        "",
        "Organs compared: " + ", ".join(sorted(organs_of(first.course).dvhs)) + ".",
    ]


def edric_of_image(found: Sweep) -> float:
    """EDRIC of the chosen plan from its dose image, voxel by voxel."""
    from abscopal.blood.immune_dose import edric_from_case

    matrix, dose = found.matrix, found.chosen.course.voxel_dose
    known = {name: r for name, r in matrix.regions.items() if not name.startswith("Body")}
    means = {name: region.mean(dose) for name, region in known.items()}
    volumes = {name: region.volume_cm3 for name, region in known.items()}
    n = matrix.prescription.n_fractions
    value = edric_from_case(means, volumes, means["External"] * volumes["External"], n).value
    return float("nan") if value is None else value


def write_figures(found: Sweep, figures: Path) -> None:
    """The trade-off as SVG and CSV, the histograms as SVG."""
    from abscopal.drawing import standalone
    from abscopal.report.plan_sweep_figures import draw_histograms, draw_tradeoff

    figures.mkdir(parents=True, exist_ok=True)
    (figures / "planning-tradeoff.svg").write_text(standalone(draw_tradeoff(found)), encoding="utf-8")
    (figures / "planning-dvh.svg").write_text(standalone(draw_histograms(found)), encoding="utf-8")
    head, rows = rows_of(found)
    with (figures / "planning-tradeoff.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(head)
        writer.writerows([[f"{v:.6g}" if isinstance(v, float) else v for v in row] for row in rows])


def put(path: Path, name: str, lines: list[str]) -> None:
    """Replace what stands between the markers of a part."""
    start, end = f"<!-- {name} -->", f"<!-- end {name} -->"
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition(start)
    _, _, after = rest.partition(end)
    path.write_text(f"{before}{start}\n" + "\n".join(lines) + f"\n{end}{after}", encoding="utf-8")


def main() -> None:
    """Measure, print, and with `--write` put the result into a Markdown file between its markers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, help="Markdown file whose parts between the markers are replaced")
    parser.add_argument("--folder", type=Path, default=Path("benchmarks/.planning"), help="where matrices are kept")
    parser.add_argument("--part", choices=("phantom", "thorax"), help="one part only")
    parser.add_argument("--bixel", type=float, default=5.0)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    figures = Path("docs/_static")
    if given.part != "thorax":
        lines = [
            *phantom(given.bixel, 5.0),
            "",
            f"Python {platform.python_version()}, NumPy {np.__version__}, one run.",
        ]
        print("\n".join(lines))
        if given.write:
            put(given.write, "phantom", lines)
    if given.part != "phantom":
        lines = thorax(given.folder, figures)
        print("\n".join(lines))
        if given.write:
            put(given.write, "thorax", lines)


if __name__ == "__main__":
    main()

"""Speed of moving between plans beside computing the mixed plan anew, in one run, on the synthetic thorax.

`python benchmarks/navigation.py --write docs/validation/navigation-speed.md` puts the figures between the file's markers.
The doses come from the sample's own dose and random smooth patterns: speed depends on the number of voxels, bixels and
structures alone.
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.ndimage import gaussian_filter

from abscopal.dose.dvh import dvh_of_samples
from abscopal.dose.sample.thorax import thorax_record
from abscopal.dose.structures import occupancy
from abscopal.planning.influence import InfluenceMatrix, Prescription, from_arrays
from abscopal.planning.navigate import Navigator

PLANS, BIXELS, TRIES = 6, 1500, 30
NONZERO = 20_000_000


def thorax_matrix() -> InfluenceMatrix:
    """A matrix on the sample's dose grid with its structures and about as many entries as a photon plan has."""
    record = thorax_record("5x10")
    dose = record.dose
    if dose is None:
        raise SystemExit("the sample has no dose")
    rng = np.random.default_rng(0)
    lit = np.flatnonzero(dose.values.ravel() > 0)
    per_column = min(NONZERO // BIXELS, lit.size)
    smooth = gaussian_filter(rng.random(dose.values.shape), 3).ravel()
    columns = [np.sort(rng.choice(lit, per_column, replace=False)) for _ in range(BIXELS)]
    rows = np.concatenate(columns)
    values = (dose.values.ravel()[rows] * smooth[rows]).astype(np.float32)
    pointers = per_column * np.arange(BIXELS + 1)
    matrix = sparse.csc_array((values, rows, pointers), shape=(dose.values.size, BIXELS))
    filled = {one.label: occupancy(one, dose) for one in record.structures}
    return from_arrays(
        matrix, dose.values.shape, dose.affine, {name: part for name, part in filled.items() if part.any()},
        targets=("PTV",), prescription=Prescription(50.0, 5),
    )  # fmt: skip


def timed(work: Callable[[], object]) -> tuple[float, float, float]:
    """Median and largest wall, and median CPU seconds of a call."""
    walls, cpus = [], []
    for _ in range(TRIES):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return statistics.median(walls), max(walls), statistics.median(cpus)


def main() -> None:
    """Measure, print, and with `--write` put the result into a Markdown file between its markers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, help="Markdown file whose part between the markers is replaced")
    given = parser.parse_args()
    matrix = thorax_matrix()
    rng = np.random.default_rng(1)
    plans = {f"plan {k}": rng.random(BIXELS) for k in range(PLANS)}
    begun = time.perf_counter()
    navigator = Navigator.from_plans(matrix, plans)
    made = time.perf_counter() - begun
    mixes = rng.dirichlet(np.ones(PLANS), size=TRIES)
    turn = iter(np.tile(mixes, (10, 1)))

    def anew() -> None:
        dose = matrix.voxel_dose(navigator.weights_at(next(turn)))
        for region in matrix.regions.values():
            dvh_of_samples(region.name, dose[region.voxels], region.shares)

    middle = np.full(PLANS, 1 / PLANS)
    aim = float(np.quantile(navigator.linear["Heart mean"], 0.4))
    rows = [
        ("dose, histograms and figures of a mix (`Navigator.at`)", timed(lambda: navigator.at(next(turn)))),
        (
            "one slider moved (`Navigator.steer`), two linear programmes",
            timed(lambda: navigator.steer("Heart mean", aim, middle)),
        ),
        ("peer: D w and the histograms of the same structures anew", timed(anew)),
    ]
    ratio = rows[2][1][2] / rows[0][1][2]
    lines = [
        "| work | wall, median [ms] | wall, worst of 30 [ms] | CPU [ms] | target |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {1e3 * wall:.3g} | {1e3 * worst:.3g} | {1e3 * cpu:.3g} | {'< 100 ms' if k < 2 else ''} |"
            for k, (name, (wall, worst, cpu)) in enumerate(rows)
        ),
        "",
        f"{PLANS} plans, {matrix.matrix.shape[0]:,} voxels ({navigator.voxels.size:,} in structures), "
        f"{len(navigator.regions)} structures, {BIXELS:,} bixels, {matrix.matrix.nnz / 1e6:.1f} million entries. "
        f"A mix needs {ratio:.0f} times less CPU than computing the plan anew; preparing the navigator took "
        f"{made:.1f} s once.",
        "",
        f"Python {platform.python_version()}, {os.cpu_count()} processors, mean load {os.getloadavg()[0]:.1f}.",
    ]
    text = "\n".join(lines)
    print(text)
    if given.write:
        before, _, rest = given.write.read_text().partition("<!-- bench: begin -->")
        after = rest.partition("<!-- bench: end -->")[2]
        given.write.write_text(f"{before}<!-- bench: begin -->\n\n{text}\n\n<!-- bench: end -->{after}")


if __name__ == "__main__":
    main()

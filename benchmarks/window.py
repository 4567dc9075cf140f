"""Speed of the dose-immune window beside SciPy's LSODA, in one run.

`python benchmarks/window.py --write docs/validation/window-speed.md` puts the figures between the file's markers.
Both solve the same courses with the same draws; CPU seconds stand beside wall time because machines are shared.
"""

import argparse
import os
import platform
import time
from pathlib import Path

import numpy as np

from abscopal.domain.regimen import Regimen
from abscopal.simulation.control import Control
from abscopal.simulation.kernels.target import host
from abscopal.simulation.many import available_processors
from abscopal.simulation.solve import simulate
from abscopal.window.ensemble import Ensemble, parameter_scatter
from abscopal.window.experiment import Experiment, reference_experiment
from abscopal.window.sensitivity import window_sensitivity
from abscopal.window.surface import gain_surface

DOSES, FRACTIONS, DRAWS = range(1, 31), range(1, 11), 500
PEER = 60
"""Courses that LSODA solves."""


def timed(work: object, *, tries: int = 1) -> tuple[float, float]:
    """Least wall and CPU seconds of a call."""
    found = []
    for _ in range(tries):
        wall, cpu = time.perf_counter(), time.process_time()
        work()  # type: ignore[operator]
        found.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(w for w, _ in found), min(c for _, c in found)


def lsoda(setup: Experiment, ensemble: Ensemble) -> tuple[float, float]:
    """CPU seconds for each course by the reference solver, and its largest difference from the kernels in gain."""
    rng = np.random.default_rng(0)
    picks = [(rng.integers(DRAWS), rng.integers(len(FRACTIONS)), rng.integers(len(DOSES))) for _ in range(PEER // 2)]
    worst, spent = 0.0, 0.0
    for k, i, j in picks:
        radiation = setup.schedule(float(DOSES[j]), FRACTIONS[i])
        values = {name: float(column[k]) for name, column in ensemble.columns.items()}
        volumes, start = [], time.process_time()
        for shot in (Regimen(), radiation):
            course = setup.course(shot, day=setup.readout_day(radiation))
            made = simulate(setup.model, course.regimen, [course.day], parameters=values)
            volumes.append(float(made["V_1"][0] + made["M_1"][0]))
        spent += time.process_time() - start
        alone = Ensemble({name: column[k : k + 1] for name, column in ensemble.columns.items()}, 1, 1, ())
        ours = float(setup.arms([radiation], alone).gain()[0, 0])
        worst = max(worst, abs(np.log10(volumes[0] / volumes[1]) - ours))
    return spent / (2 * len(picks)), worst


def main() -> None:
    """Measure, print, and with `--write` put the result into a Markdown file between its markers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, help="Markdown file whose part between the markers is replaced")
    parser.add_argument("--posterior", action="store_true", help="the calibrated model instead of reference set B")
    given = parser.parse_args()
    setup = reference_experiment(parameter_set="posterior" if given.posterior else "set_b")
    if given.posterior:
        from abscopal.window.ensemble import posterior_draws

        ensemble = posterior_draws(DRAWS)
    else:
        ensemble = parameter_scatter(setup.model, DRAWS, seed=1)
    gain_surface(DOSES, FRACTIONS, experiment=setup, synergy=False)  # compiles, or reads the cache
    quick = timed(lambda: gain_surface(DOSES, FRACTIONS, experiment=setup, synergy=False), tries=7)
    whole = timed(lambda: gain_surface(DOSES, FRACTIONS, experiment=setup, ensemble=ensemble, synergy=False))
    both = timed(lambda: gain_surface(DOSES, FRACTIONS, experiment=setup, ensemble=ensemble, synergy=True))
    sobol = timed(lambda: window_sensitivity(3, experiment=setup))
    courses = len(DOSES) * len(FRACTIONS) * DRAWS
    each, worst = lsoda(setup, ensemble)
    ratio = each * courses / whole[1]
    rows = [
        ("30 × 10 map, 500 draws, radiation and ICI with ICI alone", f"{courses + DRAWS:,}", whole, "< 240 s wall"),
        ("the same with radiation alone, for synergy", f"{2 * courses + 2 * DRAWS:,}", both, ""),
        ("30 × 10 map of one draw, warm (what a slider calls)", "301", quick, "< 0.3 s wall"),
        ("Sobol indices of the bounds, by factor and by parameter", "", sobol, ""),
    ]
    lines = ["| work | simulations | wall [s] | CPU [s] | target |", "|---|---|---|---|---|"]
    lines += [f"| {what} | {count} | {wall:.3g} | {cpu:.3g} | {goal} |" for what, count, (wall, cpu), goal in rows]
    where = (
        f"Model: {'calibrated' if given.posterior else 'reference set B'}. "
        f"Python {platform.python_version()}, processor {host().cpu}, {host().width} lanes, "
        f"{available_processors()} processors, mean load {os.getloadavg()[2]:.1f}; kernel rtol {Control().relative:g}."
    )
    text = "\n".join(lines) + (
        f"\n\nPeer: SciPy's LSODA with generated Python rates and Jacobian (`simulation.solve.simulate`) takes "
        f"{1e3 * each:.1f} CPU ms for each of {PEER} of these courses, so {each * courses / 60:.0f} CPU minutes for the "
        f"map: the kernels need {ratio:.0f} times less CPU. The largest difference in gain over the {PEER // 2} pairs "
        f"is {worst:.0e}.\n\n{where}\n"
    )
    print(text)
    if given.write:
        head, _, rest = given.write.read_text().partition("<!-- bench: begin -->")
        _, _, tail = rest.partition("<!-- bench: end -->")
        given.write.write_text(f"{head}<!-- bench: begin -->\n\n{text}\n<!-- bench: end -->{tail}")


if __name__ == "__main__":
    main()

"""Speed of the compiled solver against named peers, on two models, at equal true error.

Run by `make bench`. Everything is measured in one run, in CPU seconds of the process, best of several tries, with
the error beside the speed. Each solver gets the loosest tolerance of its list at which its largest error over
the same patients is within the allowed one; none is compared at equal tolerance.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import lsoda
import numpy as np
import others
import xarray as xr
from problems import ALLOWED, Problem, problems

from abscopal.simulation.control import Control
from abscopal.simulation.many import simulate_many
from abscopal.simulation.summaries import Summary

Run = Callable[[int, float], np.ndarray | xr.Dataset]
RTOLS = (1e-3, 3e-4, 1e-4, 5e-5, 3e-5, 2e-5, 1e-5, 7e-6, 5e-6, 4e-6, 3e-6, 2e-6, 1e-6, 5e-7, 2e-7, 1e-7, 3e-8, 1e-8)
JUDGED = 16
"""Patients over whom every solver's error is taken."""


@dataclass(frozen=True)
class Row:
    """One solver on one problem."""

    solver: str
    n: int
    rtol: float
    error: float
    per_second: float
    target: float | None = None


def loosest(problem: Problem, run: Run) -> tuple[float, float]:
    """The first tolerance whose error over the judged patients is allowed, and that error."""
    for rtol in RTOLS:
        try:
            error = problem.error(run(JUDGED, rtol))
        except ArithmeticError:  # a peer's step went where the equations have no value
            continue
        if error <= ALLOWED:
            return rtol, error
    raise SystemExit(f"{problem.name}: no tolerance reaches {ALLOWED:g}")


def measure(problem: Problem, solver: str, run: Run, n: int, tries: int, target: float | None = None) -> Row:
    """Patients per CPU second at the allowed error."""
    rtol, error = loosest(problem, run)
    run(min(n, JUDGED) if n <= JUDGED else n, rtol)  # compiles where a batch shape does
    times = []
    for _ in range(tries):
        start = time.process_time()
        run(n, rtol)
        times.append(time.process_time() - start)
    row = Row(solver, n, rtol, error, n / min(times), target)
    print(f"  {row.solver:42s} rtol {row.rtol:.0e}  error {row.error:.1e}  {row.per_second:10.1f} /s", flush=True)
    return row


def compare(problem: Problem, *, with_diffrax: bool) -> list[Row]:
    """Every solver on one problem, ours first."""

    def ours(n: int, rtol: float) -> np.ndarray:
        return problem.compiled(n, Control(relative=rtol, absolute=1e-9), threads=1)

    def stiff_only(n: int, rtol: float) -> np.ndarray:
        return problem.compiled(n, Control(relative=rtol, absolute=1e-9, method="rosenbrock"), threads=1)

    compiled = lsoda.numba_ivp(problem)
    rows = [
        measure(problem, "abscopal kernel, as it comes", ours, problem.most, 5),
        measure(problem, "abscopal kernel, Rosenbrock only", stiff_only, problem.most, 5),
        measure(problem, "SciPy LSODA (solve_ivp), Python RHS", lambda n, r: lsoda.solve(problem, n, lsoda.python_ivp(problem, r)), JUDGED, 3, 250),
        measure(problem, "SciPy LSODA (solve_ivp), numba RHS", lambda n, r: lsoda.solve(problem, n, compiled(r)), JUDGED, 2, 60),
        measure(problem, "SciPy LSODA (odeint), Python RHS + Jacobian", lambda n, r: lsoda.solve(problem, n, lsoda.python_odeint(problem, r)), JUDGED, 2),
        measure(problem, "libRoadRunner (CVODE), SBML", others.roadrunner(problem), 100, 2, 15),
    ]  # fmt: skip
    if with_diffrax:
        rows.append(measure(problem, "diffrax Tsit5 under vmap", others.diffrax_vmap(problem), 64, 2, 100))
    return rows


def one_patient(problem: Problem) -> dict[str, float]:
    """Seconds of wall time for one patient, warm, and for the first call of a new model in a new process."""

    def warm() -> float:
        start = time.perf_counter()
        problem.compiled(1, Control(), threads=1)
        return time.perf_counter() - start

    warm()
    return {"warm": min(warm() for _ in range(20))}


FIRST_CALL = """
import time, sys
sys.path.insert(0, {folder!r})
from problems import problems
from abscopal.simulation.control import Control
problem = problems()[{index}]
start = time.perf_counter()
problem.compiled(1, Control())
print(time.perf_counter() - start)
"""


def sensitivities(problem: Problem, n: int = 500) -> tuple[float, int]:
    """CPU time of all states by 20 parameters over that of one solve, and the states and directions."""
    chosen = [parameter.name for parameter in problem.model.parameters[:20]]

    def seconds(names: list[str]) -> float:
        start = time.process_time()
        problem.compiled(n, Control(method="rosenbrock"), threads=1, sensitivities=names)
        return time.process_time() - start

    seconds(chosen)
    return min(seconds(chosen) for _ in range(3)) / min(seconds([]) for _ in range(5)), len(chosen)


def first_calls(index: int) -> tuple[float, float]:
    """Seconds of the first call in a new process with an empty cache folder, and with a filled one."""
    program = FIRST_CALL.format(folder=str(Path(__file__).parent), index=index)
    with tempfile.TemporaryDirectory() as folder:
        said = [
            float(
                subprocess.run(
                    [sys.executable, "-c", program],
                    env={"ABSCOPAL_CACHE": folder},
                    capture_output=True,
                    text=True,
                    check=True,
                ).stdout
            )
            for _ in range(2)
        ]
    return said[0], said[1]


def two_threads(problem: Problem) -> float:
    """Wall time of one thread over that of two, best of five each.

    The run must last: an operating system takes tens of milliseconds to move a second thread to an idle processor.
    """
    many = np.tile(problem.parameters, (10, 1))

    def wall(threads: int) -> float:
        start = time.perf_counter()
        simulate_many(
            problem.model, problem.regimen, problem.times[-1:], parameters=many, outputs=(),
            summaries=[Summary(problem.model.states[0].name, "minimum")], threads=threads,
        )  # fmt: skip
        return time.perf_counter() - start

    wall(2)
    return min(wall(1) for _ in range(5)) / min(wall(2) for _ in range(5))


MEMORY = """
import resource, sys
sys.path.insert(0, {folder!r})
import numpy as np
from problems import problems
from abscopal.simulation.many import simulate_many
from abscopal.simulation.summaries import Summary
problem = problems()[0]
n = 100_000
values = np.array(problem.model.parameter_vector())
matrix = values * np.exp(0.2 * np.random.default_rng(1).standard_normal((n, len(values))))
wanted = [Summary(name, kind) for name in ("V_0", "V_1", "L") for kind in ("minimum", "maximum", "area")]
result = simulate_many(problem.model, problem.regimen, problem.times[-1:], parameters=matrix, outputs=(), summaries=wanted)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 2**30, int((result.status == 0).sum()))
"""


def memory() -> tuple[float, int]:
    """Largest resident memory of 10⁵ dose-immune patients with nine summaries [GiB], and how many were ok."""
    program = MEMORY.format(folder=str(Path(__file__).parent))
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    return float(said[0]), int(said[1])


def table(rows: list[Row]) -> str:
    """The rows as Markdown, with ratios to the first."""
    ours = rows[0].per_second
    lines = ["| solver | patients | rtol | largest error | patients per CPU-second | abscopal is faster by | target |"]
    lines.append("|---|---|---|---|---|---|---|")
    for row in rows:
        ratio = ours / row.per_second
        goal = "" if row.target is None else f"≥ {row.target:g}× {'met' if ratio >= row.target else '**missed**'}"
        speed = "1" if row is rows[0] else f"{ratio:.0f}×"
        lines.append(
            f"| {row.solver} | {row.n} | {row.rtol:.0e} | {row.error:.1e} | {row.per_second:,.0f} | {speed} | {goal} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and with `--write` put the result into a Markdown file between its markers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, help="Markdown file whose part between the markers is replaced")
    parser.add_argument("--no-diffrax", action="store_true", help="leave out the slowest peer")
    given = parser.parse_args()
    parts = []
    for index, problem in enumerate(problems()):
        print(problem.name, flush=True)
        agreement = problem.error(lsoda.solve(problem, 4, lsoda.python_odeint(problem, 1e-11)))
        rows = compare(problem, with_diffrax=not given.no_diffrax)
        empty, filled = first_calls(index)
        warm = one_patient(problem)["warm"]
        cost, n_directions = sensitivities(problem)
        parts.append(
            f"## {problem.name[0].upper()}{problem.name[1:]}\n\n{table(rows)}\n\n"
            f"True solution: the kernel at rtol 1e-11; LSODA at 1e-11 agrees with it to {agreement:.0e} on four patients.\n\n"
            f"- one patient at the default tolerance, warm, with its 41 × {len(problem.model.states)} Dataset: {warm * 1e3:.2f} ms (target < 5 ms)\n"
            f"- first call of the model in a new process: {empty:.2f} s compiling (target < 4 s), {filled:.2f} s from the cache folder\n"
            f"- every state by {n_directions} parameters: {cost:.1f} times one solve by the same method (target ≤ 25)\n"
            f"- two threads over one, wall time: {two_threads(problem):.2f}× (target ≥ 1.7×)\n"
        )
        print(parts[-1], flush=True)
    size, good = memory()
    parts.append(
        f"10⁵ dose-immune patients with nine summaries: {size:.2f} GiB at most (target < 1.5 GiB), {good} of them ok.\n"
    )
    parts.append(f"Measured with {_where()}\n")
    text = "\n".join(parts)
    print(parts[-2], parts[-1])
    if given.write:
        _replace(given.write, text)


def _where() -> str:
    packages = ["numpy", "scipy", "llvmlite", "numba", "libroadrunner", "jax", "diffrax"]
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    from abscopal.simulation.kernels.target import host

    load = os.getloadavg()[2]
    return (
        f"Python {platform.python_version()}, {versions}; processor {host().cpu}, {host().width} lanes; "
        f"mean load {load:.1f} on {os.cpu_count()} processors (two threads want both to themselves)."
    )


def _replace(file: Path, text: str) -> None:
    head, _, rest = file.read_text().partition("<!-- bench: begin -->")
    _, _, tail = rest.partition("<!-- bench: end -->")
    file.write_text(f"{head}<!-- bench: begin -->\n\n{text}\n<!-- bench: end -->{tail}")


if __name__ == "__main__":
    main()

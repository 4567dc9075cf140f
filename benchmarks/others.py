"""libRoadRunner on the SBML export, and diffrax Tsit5 under vmap."""

from collections.abc import Callable

import numpy as np
from printing import after_impulse, function
from problems import Problem

from abscopal.interchange.sbml_write import write_sbml
from abscopal.simulation.events import argument_vector
from abscopal.simulation.kernels.program import program


def roadrunner(problem: Problem) -> Callable[[int, float], np.ndarray]:
    """CVODE on code that libRoadRunner compiles from SBML."""
    import roadrunner as rr

    model = problem.model
    runner = rr.RoadRunner(write_sbml(model, problem.events))
    names = [p.name for p in model.parameters]
    states = [s.name for s in model.states]
    runner.timeCourseSelections = ["time", *states]
    starts = {s.name: s.initial for s in model.states}
    runner.integrator.absolute_tolerance = 1e-9
    runner.integrator.maximum_num_steps = 100_000
    times = [0.0, *problem.times.tolist()]

    def run(n: int, rtol: float) -> np.ndarray:
        runner.integrator.relative_tolerance = rtol
        rows = []
        for parameters in problem.parameters[:n]:
            runner.resetAll()
            values = dict(zip(names, parameters.tolist(), strict=True))
            for name, value in values.items():
                runner[name] = value
            for name, expression in starts.items():
                used = {s: values[s.name] for s in expression.free_symbols}
                runner[name] = float(expression.xreplace(used))
            rows.append(np.array(runner.simulate(times=times))[1:, 1:])
        return np.array(rows)

    return run


def diffrax_vmap(problem: Problem) -> Callable[[int, float], np.ndarray]:
    """Explicit Runge-Kutta under `jax.vmap`, scanning over the segments between events."""
    import diffrax
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    made, model = program(problem.model), problem.model
    space = {
        "max_": jnp.maximum, "min_": jnp.minimum, "select_": jnp.where, "or_": jnp.logical_or, "and_": jnp.logical_and,
        "not_": jnp.logical_not, "power_": jnp.power, "exp_": jnp.exp, "log_": jnp.log, "sqrt_": jnp.sqrt,
        "tanh_": jnp.tanh, "abs_": jnp.abs, "jnp": jnp,
    }  # fmt: skip
    vector = "jnp.stack([jnp.asarray(x, dtype=float) for x in [{}]])"
    source = function("table", "p", made, made.table, result=vector, constants=True)
    source += function("initial", "p, c", made, made.initial, result=vector)
    source += function("rates", "t, y, p, c", made, made.rates, result=vector)
    for k in range(len(made.impulses)):
        source += function(f"jump{k}", "y, p, c, a, t", made, after_impulse(made, k), result=vector)
    exec(compile(source, "<printed from the model>", "exec"), space)  # noqa: S102 - printed from the model
    place = {impulse.name: k for k, impulse in enumerate(model.impulses)}
    width = max(len(i.arguments) for i in model.impulses)
    days = np.array([0.0, *(e.day for e in problem.events), problem.times[-1]])
    kinds = np.array([place[e.impulse] for e in problem.events] + [len(place)])
    arguments = np.zeros((len(kinds), width))
    for row, event in zip(arguments, problem.events, strict=False):
        given = argument_vector(model, event)
        row[: len(given)] = given
    times = jnp.asarray(problem.times)
    jumps = [lambda y, p, c, a, t, k=k: space[f"jump{k}"](y, p, c, a, t) for k in range(len(place))]
    jumps.append(lambda y, *_: y)

    def one(p: jax.Array, rtol: float) -> jax.Array:
        c = space["table"](p)
        term = diffrax.ODETerm(lambda t, y, _: space["rates"](t, y, p, c))
        control = diffrax.PIDController(rtol=rtol, atol=1e-9)

        def segment(y: jax.Array, given: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
            start, end, kind, a = given
            inside = jnp.clip(times, start, end)

            def solve(y: jax.Array) -> tuple[jax.Array, jax.Array]:
                out = diffrax.diffeqsolve(
                    term, diffrax.Tsit5(), start, end, 0.01, y, stepsize_controller=control, max_steps=None,
                    saveat=diffrax.SaveAt(ts=inside, t1=True), throw=False,
                )  # fmt: skip
                return out.ys[-1], out.ys[:-1]

            y, rows = jax.lax.cond(end > start, solve, lambda y: (y, jnp.zeros((len(times), len(y)))), y)
            return jax.lax.switch(kind, jumps, y, p, c, a, end), rows

        _, rows = jax.lax.scan(segment, space["initial"](p, c), (days[:-1], days[1:], kinds, arguments))
        which = jnp.searchsorted(days[1:], times)
        return rows[which, jnp.arange(len(times))]

    batch = jax.jit(jax.vmap(one, in_axes=(0, None)))

    def run(n: int, rtol: float) -> np.ndarray:
        return np.asarray(batch(jnp.asarray(problem.parameters[:n]), rtol))

    return run

"""SciPy's LSODA, restarted at every event: with a Python right-hand side and with one compiled by numba."""

import math
from collections.abc import Callable

import numpy as np
from printing import function
from problems import Problem
from scipy.integrate import odeint, solve_ivp

from abscopal.equations.python_code import python_functions
from abscopal.simulation.events import argument_vector
from abscopal.simulation.kernels.program import program

Integrate = Callable[[np.ndarray, float, np.ndarray, np.ndarray], np.ndarray]
"""(y, start, times ending the segment, parameters) to states at the times."""


def solve(problem: Problem, n: int, integrate: Callable[[np.ndarray], Integrate]) -> np.ndarray:
    """States of n patients, segment by segment."""
    functions = python_functions(problem.model)
    rows = []
    for parameters in problem.parameters[:n]:
        step, p = integrate(parameters), parameters.tolist()
        jumps = {name: bind(p) for name, bind in functions.impulses.items()}
        y, now, found = np.array(functions.initial(p)), 0.0, []
        for event in [*problem.events, None]:
            end = problem.times[-1] if event is None else event.day
            inside = problem.times[(problem.times > now) & (problem.times <= end)]
            if end > now:
                values = step(y, now, np.unique(np.append(inside, end)))
                found.extend(values[: len(inside)])
                y, now = values[-1], end
            if event is not None:
                y = np.array(jumps[event.impulse](y.tolist(), now, argument_vector(problem.model, event)))
        rows.append(found)
    return np.array(rows)


def python_ivp(problem: Problem, rtol: float) -> Callable[[np.ndarray], Integrate]:
    """`solve_ivp(method="LSODA")` with the model's generated Python right-hand side."""
    functions = python_functions(problem.model)

    def bind(parameters: np.ndarray) -> Integrate:
        rates = functions.rates(parameters.tolist())

        def run(y: np.ndarray, start: float, times: np.ndarray) -> np.ndarray:
            out = solve_ivp(
                lambda t, y: rates(y.tolist(), t), (start, times[-1]), y, "LSODA", times, rtol=rtol, atol=1e-9
            )
            return out.y.T

        return run

    return bind


def python_odeint(problem: Problem, rtol: float) -> Callable[[np.ndarray], Integrate]:
    """`odeint` with generated Python rates and Jacobian: this package's own reference solver."""
    functions = python_functions(problem.model)

    def bind(parameters: np.ndarray) -> Integrate:
        rates, jacobian = functions.rates(parameters.tolist()), functions.jacobian(parameters.tolist())

        def run(y: np.ndarray, start: float, times: np.ndarray) -> np.ndarray:
            return odeint(
                lambda y, t: rates(y.tolist(), t), y, np.concatenate([[start], times]),
                Dfun=lambda y, t: jacobian(y.tolist(), t), rtol=rtol, atol=1e-9, mxstep=20000, tcrit=[times[-1]],
            )[1:]  # fmt: skip

        return run

    return bind


def numba_ivp(problem: Problem) -> Callable[[float], Callable[[np.ndarray], Integrate]]:
    """`solve_ivp(method="LSODA")` with a right-hand side compiled by numba."""
    import numba

    made = program(problem.model)
    compiled = {
        "max_": numba.njit(lambda a, b: max(a, b)), "min_": numba.njit(lambda a, b: min(a, b)),
        "select_": numba.njit(lambda c, a, b: a if c else b), "or_": numba.njit(lambda a, b: a or b),
        "and_": numba.njit(lambda a, b: a and b), "not_": numba.njit(lambda a: not a),
        "power_": numba.njit(lambda a, b: a**b), "exp_": math.exp, "log_": math.log, "sqrt_": math.sqrt,
        "tanh_": math.tanh, "abs_": abs, "np": np,
    }  # fmt: skip
    source = function("table", "p", made, made.table, result="np.array([{}])", constants=True)
    source += function("rates", "t, y, p, c", made, made.rates, result="np.array([{}])")
    space = dict(compiled)
    exec(compile(source, "<printed from the model>", "exec"), space)  # noqa: S102 - printed from the model
    table, rates = numba.njit(space["table"]), numba.njit(space["rates"])

    def at(rtol: float) -> Callable[[np.ndarray], Integrate]:
        def bind(parameters: np.ndarray) -> Integrate:
            constants = table(parameters)

            def run(y: np.ndarray, start: float, times: np.ndarray) -> np.ndarray:
                out = solve_ivp(
                    rates, (start, times[-1]), y, "LSODA", times, args=(parameters, constants), rtol=rtol, atol=1e-9
                )
                return out.y.T

            return run

        return bind

    return at

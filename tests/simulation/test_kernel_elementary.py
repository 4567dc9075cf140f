"""The kernels' own exp, log, tanh and powers against multiple precision."""

import ctypes

import llvmlite.binding as llvm
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llvmlite import ir

from abscopal.simulation.kernels.elementary import Arithmetic
from abscopal.simulation.kernels.target import host

_POINTER = ir.PointerType()


def compiled(name, width, inputs=1):
    """`f(*arrays) -> array` for arrays of `width` numbers."""
    module = ir.Module("test")
    module.triple = host().triple
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [_POINTER] * (inputs + 1)), "f")
    builder = ir.IRBuilder(function.append_basic_block())
    arithmetic = Arithmetic(builder, width)
    values = []
    for place in function.args[:inputs]:
        value = builder.load(place, typ=arithmetic.type)
        value.align = 8
        values.append(value)
    builder.store(getattr(arithmetic, name)(*values), function.args[inputs]).align = 8
    builder.ret_void()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(str(module)), host().machine())
    engine.finalize_object()
    raw = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (inputs + 1))(engine.get_function_address("f"))

    def call(*arrays):
        columns = [np.ascontiguousarray(a, dtype=np.float64).reshape(-1, width) for a in arrays]
        out = np.empty_like(columns[0])
        for k, row in enumerate(out):
            raw(*(c[k].ctypes.data for c in columns), row.ctypes.data)
        return out.ravel()

    call.engine = engine
    return call


@pytest.fixture(scope="module", params=[1, host().width], ids=["one lane", "all lanes"])
def width(request):
    return request.param


def worst_ulp(found, name, xs):
    with mpmath.workdps(40):
        exact = [getattr(mpmath, name)(mpmath.mpf(float(x))) for x in xs]
        return max(
            float(abs(mpmath.mpf(float(f)) - e) / mpmath.mpf(float(np.spacing(abs(float(e))))))
            for f, e in zip(found, exact, strict=True)
        )


@pytest.mark.parametrize(
    ("name", "ranges", "bound"),
    [
        ("exp", [(-708, 709), (-1, 1), (-1e-9, 1e-9)], 1.0),
        ("log", [(1e-300, 1e-290), (0.5, 2), (1, 1e300), (1 - 1e-7, 1 + 1e-7)], 1.0),
        ("erf", [(-3, 3), (-1e-3, 1e-3)], 1.0),
        ("tanh", [(-0.25, 0.25), (-3, 3), (-30, 30)], 6.0),
    ],
)
def test_within_an_ulp(name, ranges, bound, width):
    rng = np.random.default_rng(0)
    f = compiled(name, width)
    for low, high in ranges:
        xs = rng.uniform(low, high, 800)
        assert worst_ulp(f(xs), name, xs) <= bound


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "abs"])
def test_special_values_are_numpys(name, width):
    xs = np.array([0.0, -1.0, np.inf, -np.inf, np.nan, 5e-324, 800.0, -800.0])
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(compiled(name, width)(xs), getattr(np, name)(xs), rtol=1e-15)


def test_extremes_keep_nan(width):
    a = np.array([1.0, np.nan, 2.0, np.nan, -1.0, 0.0, np.inf, 3.0])
    b = np.array([2.0, 1.0, np.nan, np.nan, -3.0, 0.0, 1.0, 3.0])
    np.testing.assert_array_equal(compiled("larger", width, 2)(a, b), np.maximum(a, b))
    np.testing.assert_array_equal(compiled("smaller", width, 2)(a, b), np.minimum(a, b))


def test_lanes_do_not_matter():
    xs = np.random.default_rng(1).uniform(-50, 50, 64)
    np.testing.assert_array_equal(compiled("exp", 1)(xs), compiled("exp", host().width)(xs))


_power = compiled("power", 1, 2)


@settings(max_examples=200, deadline=None)
@given(base=st.floats(1e-12, 1e12), exponent=st.floats(-8, 8))
def test_power_against_numpy(base, exponent):
    found = _power([base], [exponent])[0]
    assert found == pytest.approx(base**exponent, rel=1e-13)


@pytest.mark.parametrize(("base", "exponent", "value"), [(0, 2.5, 0), (0, 0, 1), (0, -1, np.inf), (1, 7, 1), (3, 0, 1)])
def test_power_at_its_edges(base, exponent, value):
    assert _power([base], [exponent])[0] == value

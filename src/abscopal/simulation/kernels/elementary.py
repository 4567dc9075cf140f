"""Exponential, logarithm and friends as vector arithmetic.

LLVM turns its own vector `exp` and `log` into one call per lane. These are written out instead: argument
reduction and polynomials as in fdlibm (Sun Microsystems 1993) and Cody and Waite (1980), within 1 ulp of the
true value over the normal range (`tests/simulation/test_kernel_elementary.py`). NaN in, NaN out.
"""

from collections.abc import Sequence
from math import factorial
from typing import Any

from llvmlite import ir

DOUBLE, INT = ir.DoubleType(), ir.IntType(64)
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_MAGIC = 6755399441055744.0  # 1.5·2⁵²: adding it rounds to an integer that can be read from the low bits
_LOG = (
    6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01,
    1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01,
)  # fmt: skip
_TANH = (
    -1 / 3, 2 / 15, -17 / 315, 62 / 2835, -1382 / 155925, 21844 / 6081075, -929569 / 638512875,
    6404582 / 10854718875, -443861162 / 1856156927625, 18888466084 / 194896477400625,
)  # fmt: skip


class Arithmetic:
    """Float64 arithmetic on scalars (width 1) or vectors, written with an IR builder.

    Multiplications and additions may fuse (`contract`); no other liberty is taken, so a NaN stays one.
    """

    def __init__(self, builder: ir.IRBuilder, width: int) -> None:
        self.b, self.width = builder, width
        self.type: Any = DOUBLE if width == 1 else ir.VectorType(DOUBLE, width)
        self.int_type: Any = INT if width == 1 else ir.VectorType(INT, width)

    def number(self, value: float) -> Any:
        """A constant in every lane."""
        return ir.Constant(self.type, value if self.width == 1 else [value] * self.width)

    def integer(self, value: int) -> Any:
        """An integer constant in every lane."""
        return ir.Constant(self.int_type, value if self.width == 1 else [value] * self.width)

    def add(self, a: Any, b: Any) -> Any:
        """A + b."""
        return self.b.fadd(a, b, flags=("contract",))

    def sub(self, a: Any, b: Any) -> Any:
        """A - b."""
        return self.b.fsub(a, b, flags=("contract",))

    def mul(self, a: Any, b: Any) -> Any:
        """a·b."""
        return self.b.fmul(a, b, flags=("contract",))

    def div(self, a: Any, b: Any) -> Any:
        """a/b."""
        return self.b.fdiv(a, b)

    def neg(self, a: Any) -> Any:
        """-a."""
        return self.b.fneg(a)

    def inverse(self, a: Any) -> Any:
        """1/a."""
        return self.b.fdiv(self.number(1.0), a)

    def compare(self, sign: str, a: Any, b: Any) -> Any:
        """An ordered comparison: false where either is NaN."""
        return self.b.fcmp_ordered(sign, a, b)

    def choose(self, condition: Any, yes: Any, no: Any) -> Any:
        """Lane by lane, `yes` where the condition holds."""
        return self.b.select(condition, yes, no)

    def larger(self, a: Any, b: Any) -> Any:
        """The larger; NaN if either is."""
        return self._extreme(">", a, b)

    def smaller(self, a: Any, b: Any) -> Any:
        """The smaller; NaN if either is."""
        return self._extreme("<", a, b)

    def _extreme(self, sign: str, a: Any, b: Any) -> Any:
        kept = self.choose(self.b.fcmp_unordered(sign, a, b), a, b)  # NaN in either gives a
        return self.choose(self.b.fcmp_unordered("uno", b, b), b, kept)

    def _intrinsic(self, name: str, *args: Any) -> Any:
        suffix = "f64" if self.width == 1 else f"v{self.width}f64"
        module, full = self.b.module, f"llvm.{name}.{suffix}"
        function = module.globals.get(full) or ir.Function(
            module, ir.FunctionType(self.type, [self.type] * len(args)), full
        )
        return self.b.call(function, args)

    def sqrt(self, a: Any) -> Any:
        """Square root; NaN below zero."""
        return self._intrinsic("sqrt", a)

    def abs(self, a: Any) -> Any:
        """Absolute value."""
        return self._intrinsic("fabs", a)

    def _bits(self, a: Any) -> Any:
        return self.b.bitcast(a, self.int_type)

    def _float(self, a: Any) -> Any:
        return self.b.bitcast(a, self.type)

    def horner(self, x: Any, coefficients: Sequence[float]) -> Any:
        """Polynomial with ascending coefficients."""
        result = self.number(coefficients[-1])
        for coefficient in reversed(coefficients[:-1]):
            result = self.add(self.mul(result, x), self.number(coefficient))
        return result

    def exp(self, x: Any) -> Any:
        """Exponential: 2ᵏ·eʳ with |r| ≤ ln 2 / 2."""
        n = self.number
        held = self.choose(self.compare(">", x, n(710.0)), n(710.0), x)
        held = self.choose(self.compare("<", held, n(-746.0)), n(-746.0), held)
        shifted = self.b.fadd(self.b.fmul(held, n(1.4426950408889634)), n(_MAGIC))
        k = self.b.fsub(shifted, n(_MAGIC))
        r = self.sub(self.sub(held, self.mul(k, n(_LN2_HIGH))), self.mul(k, n(_LN2_LOW)))
        tail = self.horner(r, [1 / factorial(j) for j in range(2, 14)])
        value = self.add(n(1.0), self.add(r, self.mul(self.mul(r, r), tail)))
        exponent = self.b.sub(self._bits(shifted), self._bits(n(_MAGIC)))
        half = self.b.ashr(exponent, self.integer(1))  # two factors, so that 2ᵏ itself need not be a number
        rest = self.b.sub(exponent, half)
        return self.mul(self.mul(value, self._power_of_two(half)), self._power_of_two(rest))

    def _power_of_two(self, k: Any) -> Any:
        return self._float(self.b.shl(self.b.add(k, self.integer(1023)), self.integer(52)))

    def log(self, x: Any) -> Any:
        """Natural logarithm; -inf at zero, NaN below."""
        n = self.number
        tiny = self.compare("<", x, n(2.2250738585072014e-308))
        normal = self.choose(tiny, self.b.fmul(x, n(2.0**54)), x)
        bits = self.b.add(self._bits(normal), self.integer(0x3FF0000000000000 - 0x3FE6A09E667F3BCD))
        exponent = self.b.sub(self.b.lshr(bits, self.integer(52)), self.integer(1023))
        low = self.b.and_(bits, self.integer(0x000FFFFFFFFFFFFF))
        mantissa = self._float(self.b.add(low, self.integer(0x3FE6A09E667F3BCD)))
        k = self.b.fsub(self._float(self.b.add(exponent, self._bits(n(_MAGIC)))), n(_MAGIC))
        k = self.choose(tiny, self.b.fsub(k, n(54.0)), k)
        value = self._log_near_one(self.b.fsub(mantissa, n(1.0)), k)
        value = self.choose(self.compare("==", x, n(0.0)), n(float("-inf")), value)
        value = self.choose(self.compare("<", x, n(0.0)), n(float("nan")), value)
        value = self.choose(self.compare("==", x, n(float("inf"))), x, value)
        return self.choose(self.b.fcmp_unordered("uno", x, x), x, value)

    def _log_near_one(self, f: Any, k: Any) -> Any:
        """k·ln 2 + log(1 + f) as fdlibm adds it up."""
        s = self.div(f, self.add(self.number(2.0), f))
        z = self.mul(s, s)
        remainder = self.mul(z, self.horner(z, _LOG))
        half = self.mul(self.number(0.5), self.mul(f, f))
        low = self.add(self.mul(s, self.add(half, remainder)), self.mul(k, self.number(_LN2_LOW)))
        return self.sub(self.mul(k, self.number(_LN2_HIGH)), self.sub(self.sub(half, low), f))

    def tanh(self, x: Any) -> Any:
        """Hyperbolic tangent."""
        n = self.number
        square = self.mul(x, x)
        near = self.add(x, self.mul(self.mul(x, square), self.horner(square, _TANH)))
        size = self.abs(x)
        far = self.sub(n(1.0), self.div(n(2.0), self.add(self.exp(self.mul(n(2.0), size)), n(1.0))))
        far = self.choose(self.compare("<", x, n(0.0)), self.neg(far), far)
        return self.choose(self.compare("<", size, n(0.25)), near, far)

    def erf(self, x: Any) -> Any:
        """Error function, by the C library lane by lane."""
        module = self.b.module
        known = module.globals.get("erf") or ir.Function(module, ir.FunctionType(DOUBLE, [DOUBLE]), "erf")
        if self.width == 1:
            return self.b.call(known, [x])
        result = x
        for lane in range(self.width):
            place = ir.Constant(INT, lane)
            result = self.b.insert_element(result, self.b.call(known, [self.b.extract_element(x, place)]), place)
        return result

    def power(self, base: Any, exponent: Any) -> Any:
        """baseᵉ for base ≥ 0 as exp(e·log base); 1 for e = 0. Relative error about |e·log base|·1e-16."""
        value = self.exp(self.mul(exponent, self.log(base)))
        return self.choose(self.compare("==", exponent, self.number(0.0)), self.number(1.0), value)

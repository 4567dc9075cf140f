"""Exponential, logarithm and friends as vector arithmetic.

LLVM turns its own vector `exp` and `log` into one call per lane. These are written out instead: argument
reduction and polynomials as in fdlibm (Sun Microsystems 1993) and Cody and Waite (1980), within 1 ulp of the
true value over the normal range (`tests/simulation/test_kernel_elementary.py`). NaN in, NaN out. Nothing is
called from a C library, so the same instructions run on a graphics processor.
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
_ERF_ONE = 8.45062911510467529297e-01
_Quotient = tuple[tuple[float, ...], tuple[float, ...]]
_ERF_NEAR: _Quotient = (
    (1.28379167095512558561e-01, -3.25042107247001499370e-01, -2.84817495755985104766e-02, -5.77027029648944159157e-03,
     -2.37630166566501626084e-05),
    (1.0, 3.97917223959155352819e-01, 6.50222499887672944485e-02, 5.08130628187576562776e-03,
     1.32494738004321644526e-04, -3.96022827877536812320e-06),
)  # fmt: skip
_ERF_MIDDLE: _Quotient = (
    (-2.36211856075265944077e-03, 4.14856118683748331666e-01, -3.72207876035701323847e-01, 3.18346619901161753674e-01,
     -1.10894694282396677476e-01, 3.54783043256182359371e-02, -2.16637559486879084300e-03),
    (1.0, 1.06420880400844228286e-01, 5.40397917702171048937e-01, 7.18286544141962662868e-02,
     1.26171219808761642112e-01, 1.36370839120290507362e-02, 1.19844998467991074170e-02),
)  # fmt: skip
_ERF_FAR: _Quotient = (
    (-9.86494403484714822705e-03, -6.93858572707181764372e-01, -1.05586262253232909814e+01, -6.23753324503260060396e+01,
     -1.62396669462573470355e+02, -1.84605092906711035994e+02, -8.12874355063065934246e+01,
     -9.81432934416914548592e+00),
    (1.0, 1.96512716674392571292e+01, 1.37657754143519042600e+02, 4.34565877475229228821e+02,
     6.45387271733267880336e+02, 4.29008140027567833386e+02, 1.08635005541779435134e+02, 6.57024977031928170135e+00,
     -6.04244152148580987438e-02),
)  # fmt: skip
_ERF_TAIL: _Quotient = (
    (-9.86494292470009928597e-03, -7.99283237680523006574e-01, -1.77579549177547519889e+01, -1.60636384855821916062e+02,
     -6.37566443368389627722e+02, -1.02509513161107724954e+03, -4.83519191608651397019e+02),
    (1.0, 3.03380607434824582924e+01, 3.25792512996573918826e+02, 1.53672958608443695994e+03,
     3.19985821950859553908e+03, 2.55305040643316442583e+03, 4.74528541206955367215e+02, -2.24409524465858183362e+01),
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
        """Error function: rational approximations on four ranges, as in fdlibm."""
        n = self.number
        size, square = self.abs(x), self.mul(x, x)
        near = self.add(x, self.mul(x, self.div(self.horner(square, _ERF_NEAR[0]), self.horner(square, _ERF_NEAR[1]))))
        s = self.sub(size, n(1.0))
        middle = self.add(n(_ERF_ONE), self.div(self.horner(s, _ERF_MIDDLE[0]), self.horner(s, _ERF_MIDDLE[1])))
        inner = self.compare("<", size, n(1 / 0.35))
        over = self.inverse(square)
        part = [self.div(self.horner(over, up), self.horner(over, down)) for up, down in (_ERF_FAR, _ERF_TAIL)]
        power = self.add(self.sub(n(-0.5625), square), self.choose(inner, *part))
        far = self.sub(n(1.0), self.div(self.exp(power), size))
        far = self.choose(self.compare(">", size, n(6.0)), n(1.0), far)
        outer = self.choose(self.compare("<", size, n(1.25)), middle, far)
        signed = self.choose(self.compare("<", x, n(0.0)), self.neg(outer), outer)
        value = self.choose(self.compare("<", size, n(0.84375)), near, signed)
        return self.choose(self.b.fcmp_unordered("uno", x, x), x, value)

    def power(self, base: Any, exponent: Any) -> Any:
        """baseᵉ for base ≥ 0 as exp(e·log base); 1 for e = 0. Relative error about |e·log base|·1e-16."""
        value = self.exp(self.mul(exponent, self.log(base)))
        return self.choose(self.compare("==", exponent, self.number(0.0)), self.number(1.0), value)

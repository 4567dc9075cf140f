"""Numbers as they are printed; where they need words, `say` gives these in the language of the page."""

from collections.abc import Callable

SHOWN_AS_ZERO = 1e-4


def significant(value: float, digits: int = 3) -> str:
    """`value` to so many significant digits, without a needless exponent or trailing zeros."""
    if value == 0:
        return "0"
    if abs(value) >= 10**digits:
        return f"{value:.0f}"
    return f"{value:.{digits}g}".replace("e-0", "e-")


def percent(probability: float, say: Callable[..., str] = str.format) -> str:
    """A probability in per cent; what is too small to mean anything is a bound, not an exponent."""
    if 0 < probability < SHOWN_AS_ZERO:
        return say("below {bound} %", bound=f"{100 * SHOWN_AS_ZERO:g}")
    return f"{significant(100 * probability, 2)} %"


def percent_range(low: float, high: float, say: Callable[..., str] = str.format) -> str:
    """An interval of probabilities in per cent, the unit once."""
    if high < SHOWN_AS_ZERO:
        return percent(high, say) if high > 0 else "0 %"
    first = "0" if low < SHOWN_AS_ZERO else significant(100 * low, 2)
    return say("{low} to {high} %", low=first, high=significant(100 * high, 2))

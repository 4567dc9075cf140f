"""Numbers as they are printed."""

SHOWN_AS_ZERO = 1e-4


def significant(value: float, digits: int = 3) -> str:
    """`value` to so many significant digits, without a needless exponent or trailing zeros."""
    if value == 0:
        return "0"
    if abs(value) >= 10**digits:
        return f"{value:.0f}"
    return f"{value:.{digits}g}".replace("e-0", "e-")


def percent(probability: float) -> str:
    """A probability in per cent; what is too small to mean anything is a bound, not an exponent."""
    if 0 < probability < SHOWN_AS_ZERO:
        return f"below {100 * SHOWN_AS_ZERO:g} %"
    return f"{significant(100 * probability, 2)} %"

"""The suppression that divides killing and expansion: one, plus what suppressor cells add."""

from abscopal.immune.mechanisms.parts import Parts


def add_suppression(p: Parts) -> None:
    """Sup of each lesion, and the share of influx that TGF-β lets through."""
    for i in range(p.lesions):
        p.m.quantity(f"Sup_{i}", "1", f"suppression in lesion {i}", 1)
        p.m.quantity(f"f_B_{i}", "1", f"share of influx let through in lesion {i}", 1, combine="product")

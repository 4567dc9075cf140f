"""TGF-β released by radiation: it suppresses effectors and keeps them out."""

from abscopal.immune.mechanisms.parts import Parts


def add_tgfb(p: Parts) -> None:
    """B, active TGF-β of each lesion relative to baseline."""
    with p.m.mechanism("TGF-β", switch="tgfb", meaning="TGF-β suppresses and excludes effectors"):
        KB, kB, bd, fB = p.numbers("KB kB bd fB")
        for i, (B, d) in enumerate(p.each("B d")):
            p.m.state(f"B_{i}", "1", f"active TGF-β in lesion {i}, relative to baseline", initial=1)
            p.m.rate(f"B_{i}", "return to baseline", kB * (1 - B))
            p.m.contribute(f"Sup_{i}", "TGF-β", B / KB)
            p.m.contribute(f"f_B_{i}", "exclusion", 1 / (1 + fB * B))
            p.m.update("fraction", f"B_{i}", B + p.average(i, lambda dose: bd * dose, d))

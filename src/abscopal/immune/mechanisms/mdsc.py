"""Myeloid-derived suppressor cells and M2 macrophages, drawn in by dying cells and interferon."""

from abscopal.immune.mechanisms.parts import Parts


def add_mdsc(p: Parts) -> None:
    """Y, suppressive myeloid cells of each lesion relative to baseline."""
    with p.m.mechanism("MDSC", switch="mdsc", meaning="suppressive myeloid cells"):
        KY, kY, yM, yS = p.numbers("KY kY yM yS")
        for i, (Y, M, S) in enumerate(p.each("Y M S")):
            p.m.state(f"Y_{i}", "1", f"MDSC and M2 in lesion {i}, relative to baseline", initial=1)
            p.m.rate(f"Y_{i}", "return to baseline", kY * (1 - Y))
            p.m.rate(f"Y_{i}", "drawn in by doomed cells", kY * yM * M)
            p.m.rate(f"Y_{i}", "drawn in by interferon", kY * yS * S, needs=["sting"])
            p.m.contribute(f"Sup_{i}", "MDSC", Y / KY)

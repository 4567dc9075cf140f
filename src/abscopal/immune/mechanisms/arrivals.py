"""Two ages of T cells in a lesion: those that have just arrived are radiosensitive, residents are not.

A counts the recent arrivals among the effectors E. They die, exhaust and kill like the others, and
become residents after a few days; only radiation tells them apart. Daily fractions then kill the influx
that the first of them drew in, which spaced fractions spare.
"""

from abscopal.equations.symbolic import exp
from abscopal.immune.mechanisms.effectors import resident_survival
from abscopal.immune.mechanisms.parts import Parts


def add_arrivals(p: Parts) -> None:
    """A, recent arrivals among the effectors of each lesion."""
    with (
        p.m.mechanism("effectors", switch="effectors", meaning="tumour-specific CD8 cells"),
        p.m.mechanism("arrivals", switch="arrivals", meaning="T cells that have just arrived are radiosensitive"),
    ):
        aA, kmat, dE = p.numbers("aA kmat dE")
        for i, (A, E, influx, ex, d) in enumerate(p.each("A E influx ex d")):
            p.m.state(f"A_{i}", "arb_unit", f"recent arrivals among the effectors of lesion {i}", initial=0)
            p.m.rate(f"A_{i}", "influx", influx)
            p.m.rate(f"A_{i}", "becoming resident", -kmat * A)
            p.m.rate(f"A_{i}", "death", -dE * A)
            p.m.rate(f"A_{i}", "exhaustion", -ex * A, needs=["exhaustion"])
            arrived, resident = p.average(i, lambda dose: exp(-aA * dose), d), resident_survival(p, i)
            p.m.update("fraction", f"A_{i}", A * arrived)
            p.m.update("fraction", f"E_{i}", E * resident + A * (arrived - resident))

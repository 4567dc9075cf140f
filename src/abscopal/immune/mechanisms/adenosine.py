"""Adenosine made from dying cells by CD73: one more suppressor, on only where it is asked for."""

from abscopal.immune.mechanisms.parts import Parts


def add_adenosine(p: Parts) -> None:
    """O, adenosine of each lesion, from 0 to 1."""
    with p.m.mechanism("adenosine", switch="adenosine", meaning="adenosine from dying cells suppresses effectors"):
        KO, kO, MO = p.numbers("KO kO MO")
        for i, (level, M) in enumerate(p.each("O M")):
            p.m.state(f"O_{i}", "1", f"adenosine in lesion {i}, from 0 to 1", initial=0)
            made = p.number("sO") * M / (M + MO)
            p.m.rate(f"O_{i}", "made from doomed cells", kO * made)
            p.m.rate(f"O_{i}", "loss", -kO * level)
            p.m.contribute(f"Sup_{i}", "adenosine", level / KO)

"""The draining node under radiation: its lymphocytes are among the most radiosensitive cells."""

from abscopal.equations.symbolic import exp
from abscopal.immune.mechanisms.parts import Parts


def add_node(p: Parts) -> None:
    """N, T cells of the draining node relative to baseline; fewer of them, less priming."""
    with p.m.mechanism("node", switch="node", meaning="dose to the draining node kills the T cells primed there"):
        aN, kN = p.numbers("aN kN")
        N = p.m.state("N", "1", "T cells of the draining node, relative to baseline", initial=1)
        p.m.rate("N", "recovery", kN * (1 - N))
        p.m.contribute("lymphocyte_share", "draining node", N, needs=["effectors"])
        p.m.update("fraction", "N", N * exp(-aN * p.m["d_node"]))

"""Immunity that was there before treatment: without it there is nothing to expand, and no cure."""

from abscopal.immune.mechanisms.parts import Parts


def add_preexisting(p: Parts) -> None:
    """Share of the tumour-specific precursors that priming at implantation left; a parameter, 1 by default."""
    with p.m.mechanism("pre-existing immunity", switch="preexisting", meaning="priming expands what was there before"):
        pre = p.number("pre")
        p.m.contribute("lymphocyte_share", "tumour-specific precursors", pre, needs=["effectors"])

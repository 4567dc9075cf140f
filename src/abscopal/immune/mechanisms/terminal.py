"""Exhausted effectors become terminally exhausted: PD-1 blockade that comes late finds fewer to revive."""

from abscopal.immune.mechanisms.parts import Parts


def add_terminal_exhaustion(p: Parts) -> None:
    """Loss of Z, the recently exhausted cells; terminally exhausted ones do nothing more and are not counted."""
    with (
        p.m.mechanism("effectors", switch="effectors", meaning="tumour-specific CD8 cells"),
        p.m.mechanism("exhaustion", switch="exhaustion", meaning="effectors exhaust; PD-1 blockade revives them"),
        p.m.mechanism("terminal exhaustion", switch="terminal", meaning="exhaustion becomes final with time"),
    ):
        kterm = p.number("kterm")
        for i, (Z,) in enumerate(p.each("Z")):
            p.m.rate(f"Z_{i}", "becoming terminal", -kterm * Z)

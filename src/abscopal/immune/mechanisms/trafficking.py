"""Trafficking: circulating effectors reach each lesion in proportion to the perfusion of its organ."""

from abscopal.equations.symbolic import expression
from abscopal.immune.mechanisms.parts import Parts


def add_trafficking(p: Parts) -> None:
    """Supply of each lesion relative to the mean of all; equal flows change nothing."""
    with p.m.mechanism("trafficking", switch="trafficking", meaning="organ perfusion shares effectors out"):
        flows = [p.number("flow", name=f"flow_{i}") for i in range(p.lesions)]
        total = expression(0)
        for flow in flows:
            total = total + flow
        for i, flow in enumerate(flows):
            p.m.contribute(f"supply_{i}", "perfusion", p.lesions * flow / total, needs=["effectors"])

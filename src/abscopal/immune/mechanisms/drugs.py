"""Checkpoint inhibitors of the mouse model: one compartment each, and the occupancy they reach."""

from abscopal.equations.pieces import Argument
from abscopal.immune.mechanisms.parts import Parts


def add_drugs(p: Parts) -> None:
    """c1 (anti-PD-1 or anti-PD-L1) and c4 (anti-CTLA-4) with occupancies RO_1 and RO_4."""
    kel, K50, Vd = p.numbers("kel K50 Vd")
    for number, switch, drugs, target in (
        ("1", "pd1_blockade", ("anti-PD-1", "anti-PD-L1"), "PD-1 or PD-L1"),
        ("4", "ctla4_blockade", ("anti-CTLA-4",), "CTLA-4"),
    ):
        p.m.quantity(f"RO_{number}", "1", f"occupancy of {target}")
        with p.m.mechanism("drugs", switch=switch, meaning=f"antibodies block {target}"):
            c = p.m.state(f"c{number}", "mg/L", f"antibody against {target}", initial=0)
            p.m.rate(f"c{number}", "elimination", -kel * c)
            p.m.contribute(f"RO_{number}", "antibody", c / (c + K50))
            for drug in drugs:
                amount = f"mg_{drug.replace('-', '_')}"
                argument = Argument(amount, "mg", f"amount of {drug} given", source="amount")
                p.m.impulse(f"dose {drug}", f"one dose of {drug}", [argument], trigger=f"drug:{drug}")
                p.m.update(f"dose {drug}", f"c{number}", c + p.m[amount] / Vd)

"""Cytosolic DNA that appears only when damaged cells divide, so that interferon peaks days after radiation."""

from abscopal.immune.mechanisms.dna_sensing import parts_of_lesions
from abscopal.immune.mechanisms.parts import Parts


def add_delayed_dna(p: Parts) -> None:
    """U, damage not yet turned into cytosolic DNA, in each lesion."""
    with (
        p.m.mechanism("DNA sensing", switch="sting", meaning="cytosolic DNA raises type I interferon"),
        p.m.mechanism("mitosis", switch="delayed_dna", meaning="damage becomes cytosolic DNA at mitosis"),
    ):
        kmit = p.number("kmit")
        for i, name, relative in parts_of_lesions(p):
            U = p.m.state(f"U_{name}", "Gy", f"damage in lesion {name} before mitosis", initial=0)
            p.m.rate(f"U_{name}", "mitosis", -kmit * U)
            p.m.rate(f"Q_{name}", "mitosis", kmit * U)
            p.m.update("fraction", f"U_{name}", U + relative * p.tumour_dose(i))
            p.m.update("fraction", f"Q_{name}", p.m[f"Q_{name}"])

"""How a converted dose says in its RTDOSE what it is: DICOM has one DoseType, EFFECTIVE, for all of them.

PS3.3 C.8.8.3 knows PHYSICAL, EFFECTIVE ("physical dose after correction for biological effect") and ERROR, and
no attribute for an α/β. The words of DoseComment carry it, in one fixed form that is read back.
"""

import re

from abscopal.dose.dicom.records import Conversion

FORM = re.compile(r"(EQD2|BED), alpha/beta ([0-9.]{1,8}) Gy, ([0-9]{1,3}) fractions, LQ")


def conversion_comment(conversion: Conversion, n_fractions: int) -> str:
    """DoseComment of a converted dose."""
    return f"{conversion.quantity}, alpha/beta {conversion.alpha_beta:g} Gy, {n_fractions} fractions, LQ"


def read_conversion(comment: str) -> Conversion | None:
    """The conversion a DoseComment states in the form written here; None for any other words."""
    found = FORM.fullmatch(comment)
    if found is None or float(found[2]) <= 0:
        return None
    return Conversion("EQD2" if found[1] == "EQD2" else "BED", float(found[2]))

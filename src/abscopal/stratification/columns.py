"""Names under which tables hold what a score needs, and the unit each name promises."""

import re
from dataclasses import dataclass

from abscopal.domain.patient import field_units

MISSING = frozenset({"", "na", "n/a", "nan", "none", "null", "unknown", "not reported", "nd", "."})


@dataclass(frozen=True)
class Column:
    """Where a column of a table goes: a field of `patient.toml` and the unit of its numbers."""

    name: str
    field: str
    unit: str = ""


_PLAIN = {
    "patient_id": "pseudonym", "id": "pseudonym", "row_id": "pseudonym", "sample_id": "pseudonym", "pid": "pseudonym",
    "pseudonym": "pseudonym", "cancer_type": "disease", "disease": "disease", "tumour_type": "disease",
    "tumor_type": "disease", "sex": "sex", "gender": "sex",
    "liver_metastases": "lesions.liver", "liver_metastasis": "lesions.liver",
    "prior_systemic_therapy": "history.prior_systemic_therapy", "psth": "history.prior_systemic_therapy",
}  # fmt: skip
"""Columns without a unit."""
_NUMBERS = {
    "age": "age", "age_years": "age", "weight": "weight", "height": "height",
    "alc": "labs.alc", "lymphocytes": "labs.alc", "anc": "labs.anc", "neutrophils": "labs.anc", "wbc": "labs.wbc",
    "leukocytes": "labs.wbc", "monocytes": "labs.monocytes", "amc": "labs.monocytes", "platelets": "labs.platelets",
    "plt": "labs.platelets", "hemoglobin": "labs.hemoglobin", "haemoglobin": "labs.hemoglobin",
    "albumin": "labs.albumin", "ldh": "labs.ldh", "ldh_uln": "labs.ldh_uln",
    "tmb": "biomarkers.tmb", "tmb_mut_per_mb": "biomarkers.tmb",
    "pd_l1_tps": "biomarkers.pd_l1_tps", "pdl1_tps": "biomarkers.pd_l1_tps", "pd_l1": "biomarkers.pd_l1_tps",
    "pdl1": "biomarkers.pd_l1_tps",
    "pd_l1_cps": "biomarkers.pd_l1_cps", "cps": "biomarkers.pd_l1_cps", "btmb": "biomarkers.btmb", "nlr": "labs.nlr",
    "alc_lln": "labs.alc_lln", "bmi": "bmi", "l3_muscle_area": "l3_muscle_area", "toposcore": "microbiome.toposcore",
    "irradiated_volume": "lesions.irradiated", "other_volume": "lesions.other",
    "akkermansia": "microbiome.akkermansia", "rt_fractions": "radiotherapy.fractions",
    "rt_dose_per_fraction": "radiotherapy.dose_per_fraction", "mean_lung_dose": "radiotherapy.mean_lung_dose",
    "mean_heart_dose": "radiotherapy.mean_heart_dose", "integral_dose": "radiotherapy.integral_dose",
}  # fmt: skip
"""Columns of numbers; without a unit in the name they are read in the unit `patient.toml` holds."""
_SUFFIXES = {
    "_g_dl": "g/dL", "_g_l": "g/L", "_pct": "percent", "_percent": "percent", "_fraction": "1", "_years": "year",
    "_months": "month", "_days": "day", "_kg": "kg", "_cm": "cm", "_m": "m", "_1e9_l": "1e9/L", "_1e6_l": "1e6/L",
    "_per_ul": "1e6/L", "_u_l": "IU/L", "_iu_l": "IU/L", "_cm2": "cm^2", "_mm2": "mm^2", "_cm3": "cm^3",
    "_gy_cm3": "Gy*cm^3", "_gy": "Gy", "_kg_m2": "kg/m^2",
}  # fmt: skip
"""Endings of a column name that state a unit."""


def recognise(name: str) -> Column | None:
    """The field and unit that a column name stands for, or None."""
    key = normalised(name)
    if key in _PLAIN:
        return Column(name, _PLAIN[key])
    if key in _NUMBERS:
        return Column(name, _NUMBERS[key], _held(key))
    for suffix, unit in sorted(_SUFFIXES.items(), key=lambda one: -len(one[0])):
        stem = key.removesuffix(suffix)
        if stem != key and stem in _NUMBERS:
            return Column(name, _NUMBERS[stem], unit)
    return None


def known_names() -> list[Column]:
    """Every column name that is recognised, with its field and the unit it stands for."""
    found = (recognise(name) for name in (*_PLAIN, *_NUMBERS))
    return sorted((column for column in found if column is not None), key=lambda one: (one.field, one.name))


def _held(key: str) -> str:
    """Unit in which the field of a recognised name is held."""
    field = _NUMBERS[key]
    return "cm^3" if field.startswith("lesions.") else field_units().get(field, "1")


def known_fields() -> list[str]:
    """Every field that a column can be mapped to."""
    return sorted({*_PLAIN.values(), *_NUMBERS.values()})


def normalised(name: str) -> str:
    """A column name in lower case with single underscores: `PD-L1 TPS (%)` is `pd_l1_tps_pct`."""
    text = name.strip().casefold().replace("%", "pct").replace("10^9/l", "1e9_l").replace("µ", "u")
    return re.sub(r"[^a-z0-9]+", "_", text).strip("_")


_DISEASES = {
    "head_neck": "head_and_neck", "hnscc": "head_and_neck", "head_and_neck_cancer": "head_and_neck",
    "non_small_cell_lung_cancer": "NSCLC", "nsclc": "NSCLC", "lung": "NSCLC", "luad": "NSCLC", "lusc": "NSCLC",
    "small_cell_lung_cancer": "SCLC", "sclc": "SCLC", "renal_cell_carcinoma": "renal", "rcc": "renal",
    "kidney": "renal", "bladder_cancer": "bladder", "urothelial": "bladder", "breast_cancer": "breast",
    "colorectal_cancer": "colorectal", "crc": "colorectal", "skin_cutaneous_melanoma": "melanoma",
    "oesophageal": "esophageal", "hepatocellular": "hepatobiliary", "hcc": "hepatobiliary", "gbm": "glioblastoma",
    "merkel": "merkel_cell", "uterine": "endometrial", "rectal": "rectum",
}  # fmt: skip


def disease_of(text: str, known: tuple[str, ...]) -> str | None:
    """The disease of `patient.toml` that a written cancer type means, or None when it is unknown."""
    key = normalised(text)
    folded = {option.casefold(): option for option in known}
    return folded.get(key) or _DISEASES.get(key)

"""What a person writes about a patient in `patient.toml`, checked once at the edge.

Every field is documented in its `description`; `example_toml` prints them all, so the
example a user starts from cannot drift from the schema.
"""

import math
import re
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, model_validator

from abscopal.domain.errors import InputError, UnitError
from abscopal.domain.registry import unknown_name
from abscopal.domain.units import convert, quantity

Disease = Literal[
    "bladder", "breast", "cervix", "colorectal", "endometrial", "esophageal", "gastric", "glioblastoma",
    "head_and_neck", "hepatobiliary", "melanoma", "merkel_cell", "mesothelioma", "nasopharynx", "NSCLC",
    "ovarian", "pancreatic", "prostate", "rectum", "renal", "sarcoma", "SCLC", "other",
]  # fmt: skip


def _reads(unit: str, low: float, high: float, confusable: str = "") -> BeforeValidator:
    """Validator of a number written with its unit, which must be a value a patient can have."""

    def read(value: object, info: ValidationInfo) -> float:
        name = str(info.field_name)
        number = quantity(value, unit, name=name)
        if low <= number <= high:
            return number
        hint = f'write {name} = "… {unit}" with a value between {low:g} and {high:g}'
        if confusable and low <= convert(number, confusable, unit) <= high:
            fixed = convert(number, confusable, unit)
            hint = f'did you mean "{number:g} {confusable}" (= {fixed:g} {unit})?'
        raise UnitError(
            doing=f"reading {name}",
            found=f"{number:g} {unit}",
            expected=f"a value between {low:g} and {high:g} {unit}",
            try_=hint,
        )

    return BeforeValidator(read)


Years = Annotated[float, _reads("year", 0, 120)]
Kilogram = Annotated[float, _reads("kg", 1, 400)]
Centimetre = Annotated[float, _reads("cm", 30, 260, "m")]
CellCount = Annotated[float, _reads("1e9/L", 0, 500, "1e6/L")]
Lymphocytes = Annotated[float, _reads("1e9/L", 0, 100, "1e6/L")]
Platelets = Annotated[float, _reads("1e9/L", 1, 3000, "1e6/L")]
Albumin = Annotated[float, _reads("g/dL", 1, 7, "g/L")]
Hemoglobin = Annotated[float, _reads("g/dL", 2, 25, "g/L")]
Enzyme = Annotated[float, _reads("IU/L", 1, 20000)]
Percent = Annotated[float, _reads("percent", 0, 100)]
Burden = Annotated[float, _reads("mutation/megabase", 0, 2000)]
Milligram = Annotated[float, _reads("mg", 0, 10000, "ug")]
Day = Annotated[float, _reads("day", -3650, 3650)]
Interval = Annotated[float, _reads("day", 0.01, 365)]
Volume = Annotated[float, _reads("cm^3", 1e-6, 20000, "mm^3")]
Gray = Annotated[float, _reads("Gy", 0.1, 50)]
OrganDose = Annotated[float, _reads("Gy", 0, 150)]
IntegralDose = Annotated[float, _reads("Gy*cm^3", 0, 1e7)]
Ratio = Annotated[float, _reads("1", 0, 1000)]
Share = Annotated[float, _reads("1", 0, 1)]
Index = Annotated[float, _reads("kg/m^2", 8, 100)]
Area = Annotated[float, _reads("cm^2", 20, 500, "mm^2")]
Combined = Annotated[float, _reads("1", 0, 100)]
GENE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,30}")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Labs(_Section):
    """Baseline laboratory values, each with its unit."""

    alc: Lymphocytes | None = Field(None, description="absolute lymphocyte count before RT", examples=["1.6 1e9/L"])
    alc_lln: Lymphocytes | None = Field(
        None, description="lower limit of normal of the lymphocyte count in that laboratory", examples=["1 1e9/L"]
    )
    anc: CellCount | None = Field(None, description="absolute neutrophil count", examples=["4.8 1e9/L"])
    nlr: Ratio | None = Field(
        None, description="neutrophil-lymphocyte ratio, where the counts are not known", examples=[3.0]
    )
    wbc: CellCount | None = Field(None, description="white blood cells", examples=["7.4 1e9/L"])
    monocytes: CellCount | None = Field(None, description="monocytes", examples=["0.6 1e9/L"])
    platelets: Platelets | None = Field(None, description="platelets", examples=["280 1e9/L"])
    hemoglobin: Hemoglobin | None = Field(None, description="haemoglobin", examples=["12.9 g/dL"])
    albumin: Albumin | None = Field(None, description="serum albumin; g/L is converted", examples=["3.9 g/dL"])
    ldh: Enzyme | None = Field(None, description="lactate dehydrogenase", examples=["230 IU/L"])
    ldh_uln: Enzyme | None = Field(
        None, description="upper limit of normal of LDH in that laboratory", examples=["250 IU/L"]
    )


class Biomarkers(_Section):
    """Tumour biomarkers."""

    pd_l1_tps: Percent | None = Field(
        None, description="PD-L1 tumour proportion score, 0 to 100", examples=["50 percent"]
    )
    tmb: Burden | None = Field(None, description="tumour mutational burden", examples=["10 mutation/megabase"])
    btmb: Burden | None = Field(
        None, description="mutational burden in blood, FoundationOne assay", examples=["12 mutation/megabase"]
    )
    pd_l1_cps: Combined | None = Field(None, description="PD-L1 combined positive score, 0 to 100", examples=[20.0])


class Microbiome(_Section):
    """Results of a stool analysis."""

    toposcore: Share | None = Field(None, description="TOPOSCORE as reported, 0 to 1", examples=[0.6])
    akkermansia: Percent | None = Field(
        None, description="relative abundance of Akkermansia muciniphila", examples=["1.2 percent"]
    )


class Expression(_Section):
    """Tumour gene expression of the genes a score needs; one sample."""

    unit: Literal["TPM", "FPKM", "counts", "NanoString", "log2(TPM+1)", "log2(FPKM+1)"] = Field(
        description="what the values are", examples=["TPM"]
    )
    genes: dict[str, float] = Field(description="value by HGNC symbol; never centred or scaled over patients")

    @model_validator(mode="after")
    def _plain_values(self) -> Self:
        wrong = [gene for gene in self.genes if not GENE.fullmatch(gene)]
        if wrong:
            raise ValueError(f"{wrong[0][:40]!r} is not a gene symbol")
        low = min(self.genes.values(), default=0.0)
        if not all(math.isfinite(value) for value in self.genes.values()) or low < 0:
            raise UnitError(
                doing="reading expression",
                found=f"a value of {low:g}",
                expected=f"{self.unit}, which is never negative",
                try_="values that were not centred, scaled or turned into z-scores",
            )
        return self


class History(_Section):
    """Prior therapy and risk factors; leave out what is not known."""

    prior_systemic_therapy: bool | None = Field(
        None, description="chemotherapy or targeted therapy before ICI", examples=[True]
    )
    smoking: Literal["never", "former", "current"] | None = Field(
        None, description="never, former or current", examples=["former"]
    )
    pulmonary_comorbidity: bool | None = Field(
        None, description="COPD, fibrosis or other lung disease", examples=[False]
    )
    sequential_chemotherapy: bool | None = Field(None, description="chemotherapy before RT", examples=[False])
    concurrent_chemotherapy: bool | None = Field(None, description="chemotherapy during RT", examples=[False])
    anticoagulant: bool | None = Field(None, description="on an anticoagulant", examples=[False])
    tumour_location: Literal["upper", "middle", "lower"] | None = Field(
        None, description="lung lobe level of the primary", examples=["upper"]
    )
    rt_setting: Literal["definitive", "postoperative"] | None = Field(
        None, description="radiotherapy alone or with drugs, or after surgery", examples=["definitive"]
    )
    tumour_side: Literal["left", "right"] | None = Field(
        None, description="side of the primary, for paired organs", examples=["left"]
    )
    tumour_site: Literal["larynx", "pharynx", "oral_cavity"] | None = Field(
        None, description="head and neck: site of the primary", examples=["pharynx"]
    )
    xerostomia_baseline: Literal["none", "mild", "moderate_severe"] | None = Field(
        None, description="head and neck: dry mouth before RT", examples=["none"]
    )
    xerostomia_baseline_score: Annotated[int, Field(ge=0, le=3)] | None = Field(
        None, description="head and neck: the same as a score", examples=[0]
    )
    dysphagia_baseline: Literal["grade_0_1", "grade_2", "grade_3plus"] | None = Field(
        None, description="head and neck: swallowing before RT", examples=["grade_0_1"]
    )


class DrugSchedule(_Section):
    """One drug given at a fixed interval."""

    name: str = Field(min_length=1, description="generic name, lower case", examples=["pembrolizumab"])
    dose: Milligram = Field(description="amount of each dose", examples=["200 mg"])
    first_day: Day = Field(description="day of the first dose; day 0 is the first fraction", examples=["0 day"])
    interval: Interval = Field(description="time between doses", examples=["21 day"])
    doses: Annotated[int, Field(ge=1, le=200)] = Field(description="number of doses", examples=[4])


class Lesion(_Section):
    """One tumour lesion."""

    name: str = Field(min_length=1, description="your label", examples=["primary"])
    site: str = Field(min_length=1, description="organ", examples=["lung"])
    volume: Volume = Field(description="lesion volume", examples=["20 cm^3"])
    irradiated: bool = Field(description="inside the high-dose volume", examples=[True])


class Radiotherapy(_Section):
    """What DICOM does not say about the course. The dose itself comes from the case."""

    alpha_beta: Gray | None = Field(
        None, description="α/β of the tumour; left out, the sourced value of the disease is used", examples=["10 Gy"]
    )
    weekdays: bool = Field(True, description="fractions Monday to Friday", examples=[True])
    interval: Interval = Field(1.0, description="time between fractions when weekdays = false", examples=["1 day"])
    fractions: Annotated[int, Field(ge=1, le=60)] | None = Field(
        None, description="number of fractions, for scores without a case", examples=[30]
    )
    dose_per_fraction: Gray | None = Field(
        None, description="dose per fraction, for scores without a case", examples=["2 Gy"]
    )
    mean_lung_dose: OrganDose | None = Field(
        None, description="mean dose to both lungs, for scores without a case", examples=["15 Gy"]
    )
    mean_heart_dose: OrganDose | None = Field(
        None, description="mean dose to the heart, for scores without a case", examples=["10 Gy"]
    )
    integral_dose: IntegralDose | None = Field(
        None, description="mean body dose times irradiated volume, without a case", examples=["150000 Gy*cm^3"]
    )
    beam_on_time: Annotated[float, BeforeValidator(lambda v: quantity(v, "second", name="beam_on_time"))] | None = (
        Field(
            None,
            gt=0,
            le=7200,
            description="beam-on time per fraction, when RTPLAN does not give it",
            examples=["120 second"],
        )
    )


class Options(_Section):
    """Choices that change what is computed; each is repeated in the report."""

    edric_one_lung: bool = Field(
        False, description="allow EDRIC with one contoured lung, taking the other as unirradiated", examples=[False]
    )
    loris_other_cancer: bool = Field(
        False,
        description="allow LORIS outside its cancer types (falls back on its no-cancer-type form)",
        examples=[False],
    )


class Patient(_Section):
    """One patient, without any direct identifier."""

    schema_version: Literal[1] = Field(1, alias="schema", description="version of this file's form", examples=[1])
    pseudonym: str = Field(
        "patient",
        pattern=r"^[A-Za-z0-9_-]{1,40}$",
        description="your label; never a name or hospital number",
        examples=["case-1"],
    )
    disease: Disease = Field(description="one of: " + ", ".join(get_args(Disease)), examples=["NSCLC"])
    age: Years | None = Field(None, description="age", examples=["66 year"])
    sex: Literal["female", "male"] | None = Field(
        None, description="female or male (reference anatomy)", examples=["female"]
    )
    weight: Kilogram | None = Field(None, description="body weight", examples=["68 kg"])
    height: Centimetre | None = Field(None, description="height", examples=["165 cm"])
    bmi: Index | None = Field(
        None, description="body-mass index, where weight or height is not known", examples=["25 kg/m^2"]
    )
    l3_muscle_area: Area | None = Field(
        None, description="skeletal muscle area on the CT slice at L3", examples=["140 cm^2"]
    )
    labs: Labs = Labs()
    biomarkers: Biomarkers = Biomarkers()
    microbiome: Microbiome = Microbiome()
    expression: Expression | None = None
    history: History = History()
    radiotherapy: Radiotherapy = Radiotherapy()
    options: Options = Options()
    structures: dict[str, str] = Field(
        default_factory=dict, description="your structure name = TG-263 name, where the automatic mapping is wrong"
    )
    drugs: tuple[DrugSchedule, ...] = ()
    lesions: tuple[Lesion, ...] = ()

    @model_validator(mode="after")
    def _lab_sums(self) -> Self:
        parts = [count for count in (self.labs.anc, self.labs.alc) if count is not None]
        if self.labs.wbc is not None and sum(parts) > self.labs.wbc * 1.05:
            raise UnitError(
                doing="reading labs",
                found=f"neutrophils + lymphocytes {sum(parts):g} above the white cell count {self.labs.wbc:g} 1e9/L",
                expected="parts no larger than the whole",
                try_="checking the units of anc, alc and wbc",
            )
        return self

    @model_validator(mode="after")
    def _one_truth(self) -> Self:
        labs, size = self.labs, (self.weight, self.height)
        counts = labs.anc / labs.alc if labs.anc is not None and labs.alc else None
        measured = size[0] / (size[1] / 100) ** 2 if size[0] is not None and size[1] is not None else None
        for name, written, computed in (("labs.nlr", labs.nlr, counts), ("bmi", self.bmi, measured)):
            if written is not None and computed is not None and abs(written - computed) > 0.1 * max(computed, 0.1):
                raise UnitError(
                    doing=f"reading {name}",
                    found=f"{written:g}, while the values it is made of give {computed:.3g}",
                    expected="the same number",
                    try_=f"leaving {name} out, or checking the units of what it is made of",
                )
        return self


def read_patient(text: str, *, name: str = "patient.toml") -> Patient:
    """The patient written in TOML `text`.

    Raises
    ------
    InputError
        Not TOML, an unknown key (with the close match), a missing key or a bad value, with
        the path inside the document.
    """
    doing = f"reading {name}"
    try:
        return Patient.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as exc:
        raise InputError(doing=doing, found=str(exc), expected="a TOML document", try_="correcting that line") from exc
    except ValidationError as exc:
        raise _explain(exc, doing) from exc


def _explain(exc: ValidationError, doing: str) -> InputError:
    problem = exc.errors()[0]
    path = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = _keys_at(problem["loc"][:-1])
        return unknown_name(f"{doing}: {path}", str(problem["loc"][-1]), known)
    if problem["type"] == "literal_error" and isinstance(problem["input"], str):
        known = re.findall(r"'([^']*)'", problem["msg"])
        return unknown_name(f"{doing}: {path}", problem["input"], known)
    wanted = problem["msg"]
    return InputError(
        doing=f"{doing}: {path or 'the document'}",
        found=f"{problem['input']!r}" if problem["type"] != "missing" else "nothing",
        expected=wanted[0].lower() + wanted[1:],
        try_="`abscopal assess --example-patient` for every field with its unit",
    )


def _keys_at(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Patient
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            model = _section_type(model.model_fields[part].annotation) or model
    return [field.alias or name for name, field in model.model_fields.items()]


def _section_type(annotation: Any) -> type[BaseModel] | None:
    candidates = [annotation, *get_args(annotation)]
    found = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
    return found[0] if found else None


def example_toml() -> str:
    """A complete example of `patient.toml` with every field documented."""
    tables: dict[str, type[BaseModel]] = {
        "labs": Labs, "biomarkers": Biomarkers, "microbiome": Microbiome, "history": History,
        "radiotherapy": Radiotherapy, "options": Options,
    }  # fmt: skip
    lines = [
        "# Every field of patient.toml. Leave out what you do not know: a score that needs it says so.",
        "# Quantities are written with their unit, and other units of the same kind are converted.",
        *_field_lines(Patient),
    ]
    for name, model in tables.items():
        lines += ["", f"[{name}]", *_field_lines(model)]
    lines += ["", "[structures]", '# "Lt Lung" = "Lung_L"   # ' + str(Patient.model_fields["structures"].description)]
    lines += ["", "# [expression]", '# unit = "TPM"', "# genes = { CD8A = 12.5, STAT1 = 80.2 }   # HGNC symbols"]
    lists: dict[str, type[BaseModel]] = {"drugs": DrugSchedule, "lesions": Lesion}
    for name, model in lists.items():
        lines += ["", f"[[{name}]]", *_field_lines(model)]
    return "\n".join(lines) + "\n"


def _field_lines(model: type[BaseModel]) -> list[str]:
    return [
        f"{field.alias or name} = {_toml(field.examples[0])}   # {field.description}"
        for name, field in model.model_fields.items()
        if field.examples
    ]


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def field_units() -> Mapping[str, str]:
    """Unit in which each quantity is held, by its path without list numbers, such as `labs.alc`.

    The examples are written in that unit; a test holds them to it.
    """
    parts: dict[str, type[BaseModel]] = {
        "": Patient, "labs.": Labs, "biomarkers.": Biomarkers, "microbiome.": Microbiome,
        "history.": History, "radiotherapy.": Radiotherapy,
        "drugs.": DrugSchedule, "lesions.": Lesion,
    }  # fmt: skip
    quantity_text = re.compile(r"[-+.\d]+ (\S+)")
    return {
        f"{prefix}{name}": found[1]
        for prefix, model in parts.items()
        for name, field in model.model_fields.items()
        if field.examples and (found := quantity_text.fullmatch(str(field.examples[0])))
    }


def covariates(patient: Patient) -> Mapping[str, float | str | bool]:
    """Flat mapping of everything known about the patient, for models that ask by name."""
    known: dict[str, float | str | bool] = {}
    for section in (patient.labs, patient.biomarkers, patient.microbiome, patient.history):
        known.update({k: v for k, v in section.model_dump().items() if v is not None})
    for name in ("disease", "age", "sex", "weight", "height"):
        value = getattr(patient, name)
        if value is not None:
            known[name] = value
    return known

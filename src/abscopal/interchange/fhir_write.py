"""A regimen and its risks as a FHIR R4 bundle of CodeX Radiation Therapy and mCODE resources, without identifiers."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from abscopal.assessment.types import Assessment
from abscopal.domain.errors import InputError
from abscopal.domain.manifest import RESEARCH_USE
from abscopal.domain.patient import DrugSchedule
from abscopal.domain.regimen import DrugDose, Regimen
from abscopal.domain.risk import Risk
from abscopal.interchange import fhir_names as names
from abscopal.interchange.extra import fhir
from abscopal.pharmacology.schedules import expand_schedules

DAY_0 = date(2000, 1, 3)
"""A Monday that stands for day 0: bundles hold no date of a patient unless one is given."""
FARTHEST = 36_500.0
"""Days from day 0 at most."""
_SCHEDULED = {"dose": "mg", "first_day": "day", "interval": "day"}
_Resource = dict[str, Any]


def write_fhir(
    regimen: Regimen,
    *,
    risks: Sequence[Risk] = (),
    delivered: bool = False,
    start: date = DAY_0,
    volume: str = "PTV",
) -> str:
    """A regimen as a bundle (JSON), as prescribed or as delivered, checked by the FHIR R4B classes of `fhir.resources`.

    Prescribed: a course prescription and one phase prescription for each run of equal fractions, with their times; a
    medication request for each dose of a drug. Delivered: a course summary, treated phases and a treated fraction for
    each fraction; a medication administration for each dose. The name of the regimen is not written.

    Parameters
    ----------
    regimen : Regimen
    risks : sequence of Risk
        Each becomes a RiskAssessment: the method is the model, the interval a second prediction of the same outcome.
    delivered : bool
    start : date
        The date that day 0 of the regimen is written as.
    volume : str
        Name of the target.

    Returns
    -------
    str
        The same regimen gives the same text.

    Raises
    ------
    InputError
        A regimen without fractions and drugs, or with days a century away.
    UnsupportedError
        Without the extra `interchange`.
    """
    days = [*regimen.fraction_days, *(dose.day for dose in regimen.drug_doses)]
    if not days or max(map(abs, days)) > FARTHEST:
        raise InputError(
            doing="writing a regimen as FHIR",
            found="neither fractions nor drugs" if not days else f"day {max(days, key=abs):g}",
            expected=f"a fraction or dose, all within {FARTHEST:g} days of day 0",
            try_="another regimen",
        )
    made = _Bundle(regimen, delivered, start, volume)
    made.patient()
    if regimen.fraction_days:
        made.course()
    for dose in regimen.drug_doses:
        made.drug(dose)
    for risk in risks:
        made.risk(risk)
    bundle = fhir().get_fhir_model_class("Bundle")
    return str(bundle.model_validate(made.whole()).model_dump_json(indent=1)) + "\n"


def assessed_regimen(assessment: Assessment) -> Regimen:
    """The regimen that an assessment was made for.

    Raises
    ------
    InputError
        An assessment without the course of its patient.
    """
    try:
        therapy = assessment.patient["radiotherapy"]
        schedules = [
            DrugSchedule.model_validate(
                row
                | {
                    key: f"{row[key]!r} {unit}"
                    for key, unit in (("dose", "mg"), ("first_day", "day"), ("interval", "day"))
                }
            )
            for row in assessment.patient["drugs"]
        ]
        weekdays, interval = bool(therapy["weekdays"]), float(therapy["interval"])
    except (KeyError, TypeError, ValueError) as exc:
        raise InputError(
            doing="reading the regimen of an assessment", found=f"no usable course ({type(exc).__name__})",
            expected="the patient as `abscopal assess` writes it", try_="the assessment.json of this version",
        ) from exc  # fmt: skip
    plan = assessment.plan
    return Regimen.equal_fractions(
        plan.dose_per_fraction_gy, plan.n_fractions, weekdays=weekdays, interval=interval,
        drug_doses=expand_schedules(schedules),
    )  # fmt: skip


class _Bundle:
    """Resources in order, each with an identifier made of what it stands for and the regimen."""

    def __init__(self, regimen: Regimen, delivered: bool, start: date, volume: str) -> None:
        self.regimen, self.delivered, self.target = regimen, delivered, volume
        self.start = datetime(start.year, start.month, start.day, tzinfo=UTC)
        self.seed = f"{regimen.model_dump_json(exclude={'name'})} {delivered} {start} {volume}"
        self.entries: list[_Resource] = []

    def whole(self) -> _Resource:
        meta = {"security": [names.ANONYMISED]}
        return {"resourceType": "Bundle", "meta": meta, "type": "collection", "entry": self.entries}

    def patient(self) -> None:
        masked = [{"extension": [{"url": names.ABSENT, "valueCode": "masked"}]}]
        self.add("patient", "Patient", names.PATIENT, name=masked, gender="unknown", identifier=[
            {"use": "official", "system": "urn:ietf:rfc:3986", "value": self.urn("patient")}
        ])  # fmt: skip

    def course(self) -> None:
        regimen = self.regimen
        self.add(
            "volume", "BodyStructure", names.VOLUME, identifier=self.identifiers("volume", self.target),
            morphology=names.TARGET, patient=self.refer("patient"),
        )  # fmt: skip
        total = _cgy(*regimen.fraction_doses)
        if self.delivered:
            uniform = {"url": names.UNIFORM, "valueBoolean": len(set(regimen.fraction_doses)) == 1}
            dose = self.delivered_dose(total, len(regimen.fraction_days))
            dose["extension"].append(uniform)
            sessions = {"url": names.SESSIONS, "valueUnsignedInt": len(regimen.fraction_days)}
            self.procedure(
                "course", names.COURSE_SUMMARY, names.COURSE, regimen.fraction_days, extension=[sessions, dose],
                reasonCode=[names.CANCER],
            )  # fmt: skip
        else:
            self.request(
                "course", names.COURSE_PRESCRIPTION, names.COURSE,
                extension=[self.prescribed_dose(totalDose=total, fractions=len(regimen.fraction_days))],
                occurrencePeriod={
                    "start": self.time(regimen.fraction_days[0]), "end": self.time(regimen.fraction_days[-1])
                },
            )  # fmt: skip
        fractions = zip(regimen.fraction_days, regimen.fraction_doses, strict=True)
        before = 0
        for number, (dose_each, group) in enumerate(groupby(fractions, key=lambda one: one[1]), start=1):
            days = [day for day, _ in group]
            self.phase(f"phase {number}", dose_each, days, before)
            before += len(days)

    def phase(self, name: str, dose: float, days: Sequence[float], before: int) -> None:
        total = _cgy(dose) * len(days)
        if not self.delivered:
            prescribed = self.prescribed_dose(fractionDose=_cgy(dose), totalDose=total)
            count = {"url": names.FRACTIONS_PRESCRIBED, "valuePositiveInt": len(days)}
            self.request(
                name, names.PHASE_PRESCRIPTION, names.PHASE, extension=[count, prescribed],
                occurrenceTiming={"event": [self.time(day) for day in days]}, basedOn=[self.refer("course")],
            )  # fmt: skip
            return
        count = {"url": names.FRACTIONS_DELIVERED, "valueUnsignedInt": len(days)}
        self.procedure(
            name, names.TREATED_PHASE, names.PHASE, days,
            extension=[count, self.delivered_dose(total)], partOf=[self.refer("course")],
        )  # fmt: skip
        for k, day in enumerate(days, start=1):
            numbered = [
                {"url": names.FRACTION_IN_PLAN, "valuePositiveInt": before + k},
                {"url": names.FRACTION_IN_PHASE, "valuePositiveInt": k},
            ]
            self.procedure(
                f"fraction {before + k}", names.TREATED_FRACTION, names.FRACTION, [day],
                extension=[*numbered, self.delivered_dose(_cgy(dose))], partOf=[self.refer(name)],
            )  # fmt: skip

    def drug(self, dose: DrugDose) -> None:
        name = f"drug {len(self.entries)}"
        amount = {"value": _plain(Decimal(repr(dose.mg))), "unit": "mg", "system": names.UCUM, "code": "mg"}
        common = {
            "medicationCodeableConcept": {"text": dose.drug}, "subject": self.refer("patient"),
            "reasonCode": [names.CANCER],
        }  # fmt: skip
        if self.delivered:
            self.add(
                name, "MedicationAdministration", names.MEDICATION_ADMINISTRATION, status="completed",
                effectiveDateTime=self.time(dose.day), dosage={"dose": amount}, **common,
            )  # fmt: skip
            return
        instruction = {"timing": {"event": [self.time(dose.day)]}, "doseAndRate": [{"doseQuantity": amount}]}
        self.add(
            name, "MedicationRequest", names.MEDICATION_REQUEST, status="draft", intent="plan",
            dosageInstruction=[instruction], **common,
        )  # fmt: skip

    def risk(self, risk: Risk) -> None:
        what = " ".join(part for part in (risk.endpoint, f"({risk.organ})", risk.grade) if part)
        predictions: list[_Resource] = [
            {
                "outcome": {"text": what},
                "probabilityDecimal": _plain(Decimal(f"{risk.probability:.6g}")),
                "rationale": f"as a fraction of 1; numbers {risk.status}: {risk.source}",
            }
        ]
        if risk.interval is not None:
            low, high = map(_percent, risk.interval)
            said = (
                f"{100 * risk.interval_level:g} % interval of the probability above; {risk.basis or 'basis not stated'}"
            )
            predictions.append(
                {"outcome": {"text": what}, "probabilityRange": {"low": low, "high": high}, "rationale": said}
            )
        notes = [RESEARCH_USE, *risk.warnings, *risk.notes]
        course = [self.refer("course")] if self.regimen.fraction_days else []
        self.add(
            f"risk {len(self.entries)}", "RiskAssessment", (), status="preliminary", subject=self.refer("patient"),
            method={"text": risk.model}, prediction=predictions, note=[{"text": text} for text in notes],
            **({"basis": course} if course else {}),
        )  # fmt: skip

    # parts

    def add(self, key: str, kind: str, profiles: Sequence[str], **content: Any) -> None:
        here = self.uuid(key)
        meta = {"meta": {"profile": list(profiles)}} if profiles else {}
        resource = {"resourceType": kind, "id": str(here), **meta, **content}
        self.entries.append({"fullUrl": here.urn, "resource": resource})

    def request(self, name: str, profiles: Sequence[str], code: _Resource, **content: Any) -> None:
        self.add(
            name, "ServiceRequest", profiles, identifier=self.identifiers(name, name), status="draft",
            intent="original-order", category=[names.CATEGORY], code=code, subject=self.refer("patient"),
            note=[{"text": RESEARCH_USE}], **content,
        )  # fmt: skip

    def procedure(
        self, name: str, profiles: Sequence[str], code: _Resource, days: Sequence[float], **content: Any
    ) -> None:
        self.add(
            name, "Procedure", profiles, identifier=self.identifiers(name, name), status="completed",
            category=names.CATEGORY, code=code, subject=self.refer("patient"),
            performedPeriod={"start": self.time(days[0]), "end": self.time(days[-1])}, **content,
        )  # fmt: skip

    def delivered_dose(self, total: Decimal, fractions: int | None = None) -> _Resource:
        parts: list[_Resource] = [
            {"url": "volume", "valueReference": self.refer("volume") | {"display": self.target}},
            {"url": "totalDoseDelivered", "valueQuantity": _quantity(total)},
        ]
        if fractions is not None:
            parts.append({"url": "fractionsDelivered", "valueUnsignedInt": fractions})
        return {"url": names.DOSE_DELIVERED, "extension": parts}

    def prescribed_dose(self, *, fractions: int | None = None, **doses: Decimal) -> _Resource:
        parts: list[_Resource] = [
            {"url": "volume", "valueReference": self.refer("volume") | {"display": self.target}},
            *({"url": url, "valueQuantity": _quantity(dose)} for url, dose in doses.items()),
        ]
        if fractions is not None:
            parts.append({"url": "fractions", "valuePositiveInt": fractions})
        return {"url": names.DOSE_PRESCRIBED, "extension": parts}

    def identifiers(self, name: str, shown: str) -> list[_Resource]:
        uid = f"urn:oid:2.25.{self.uuid(name).int}"
        return [
            {"use": "usual", "system": "urn:abscopal:name", "value": shown},
            {"use": "official", "system": names.DICOM_UID, "value": uid},
        ]

    def uuid(self, name: str) -> UUID:
        return uuid5(NAMESPACE_URL, f"{self.seed} {name}")

    def urn(self, name: str) -> str:
        return self.uuid(name).urn

    def refer(self, name: str) -> dict[str, str]:
        return {"reference": self.urn(name)}

    def time(self, day: float) -> str:
        """An instant to the microsecond."""
        return (self.start + timedelta(days=day)).isoformat().replace("+00:00", "Z")


def _plain(number: Decimal) -> Decimal:
    """Without an exponent or zeros at its end, as FHIR writes decimals."""
    return Decimal(f"{number.normalize():f}")


def _cgy(*doses: float) -> Decimal:
    """The sum of doses, exact as they are written. [cGy]."""
    return sum((Decimal(repr(float(dose))) for dose in doses), Decimal(0)) * 100


def _quantity(dose: Decimal) -> _Resource:
    return {"value": _plain(dose), "unit": "cGy", "system": names.UCUM, "code": "cGy"}


def _percent(part: float) -> _Resource:
    return {"value": _plain(Decimal(f"{100 * part:.6g}")), "unit": "%", "system": names.UCUM, "code": "%"}

"""A treated or prescribed course of CodeX Radiation Therapy and mCODE resources as our regimen.

Only doses, numbers, times, and names of volumes and drugs are taken. Nothing says who or when: day 0 is the first
fraction.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from abscopal.domain.regimen import DrugDose, Regimen
from abscopal.interchange import fhir_names as names
from abscopal.interchange.fhir_file import read_bundle, wrong

MOST_FRACTIONS = 1000
_READ = ("ServiceRequest", "Procedure", "BodyStructure", "MedicationRequest", "MedicationAdministration")
_VOID = ("entered-in-error", "not-done", "revoked", "cancelled")
_PER_CGY = {"cGy": Decimal(1), "Gy": Decimal(100)}


@dataclass(frozen=True)
class VolumeDose:
    """What one volume received, or was prescribed, in the whole course.

    Attributes
    ----------
    dose : float
        [Gy]
    fractions : int, optional
    """

    name: str
    dose: float
    fractions: int | None


@dataclass(frozen=True)
class FhirCourse:
    """A course of a bundle.

    Attributes
    ----------
    regimen : Regimen
        Day 0 is the first fraction, or the first dose of a drug where there is none.
    delivered : bool
        Whether the resources say what was given, and not what was asked for.
    status : str
        As the course says.
    volume : str
        The target that the doses are those of.
    volumes : tuple of VolumeDose
    origin : str
        Which resources the fractions come from.
    notes : tuple of str
        What was assumed.
    unused : mapping
        Number of resources of each type that were not looked at.
    """

    regimen: Regimen
    delivered: bool
    status: str
    volume: str
    volumes: tuple[VolumeDose, ...]
    origin: str
    notes: tuple[str, ...]
    unused: dict[str, int]


def read_fhir(source: str | Path, *, volume: str = "") -> FhirCourse:
    """The course of a bundle.

    Fractions are taken from the treated fractions, else from the treated phases, else from the course summary, else
    from the phase prescriptions with times, else from the course prescription. Where only a period is given its
    fractions are put on weekdays if that many fit exactly, else spread evenly, and the notes say so.

    Parameters
    ----------
    source : str or Path
        The text of a bundle, or the path of a file.
    volume : str
        Target whose doses are wanted; the one with the largest total unless given.

    Raises
    ------
    InputError
        As `read_bundle`; several courses or nothing given; doses without a unit of absorbed dose; fractions whose
        number, dose or time is not there.
    UnsupportedError
        As `read_bundle`.
    """
    return _Course(read_bundle(source)).read(volume)


@dataclass(frozen=True)
class _Fractions:
    """Equal fractions to one volume, with the days they were given on."""

    days: tuple[float, ...]
    dose: float


@dataclass
class _Course:
    bundle: Any
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.by_type: dict[str, list[tuple[str, Any]]] = {kind: [] for kind in _READ}
        self.unused: Counter[str] = Counter()
        self.by_reference: dict[str, Any] = {}
        for k, entry in enumerate(self.bundle.entry or []):
            if (resource := entry.resource) is None:
                continue
            kind, path = resource.get_resource_type(), f"entry[{k}].resource"
            for reference in (entry.fullUrl, f"{kind}/{resource.id}"):
                self.by_reference[str(reference)] = resource
            if kind in self.by_type:
                self.by_type[kind].append((path, resource))
            else:
                self.unused[kind] += 1

    def read(self, volume: str) -> FhirCourse:
        path, course, delivered = self._course()
        totals = self._doses(path, course, delivered)
        target = self._target(totals, volume)
        origin, fractions = self._fractions(path, course, delivered, target, totals)
        given = sorted(((day, part.dose) for part in fractions for day in part.days), key=lambda one: one[0])
        drugs = self._drugs(delivered or course is None)
        zero = given[0][0] if given else min((drug.day for drug in drugs), default=0.0)
        if not given and not drugs:
            raise wrong("neither a course of radiotherapy nor a drug", "one course, or doses of drugs")
        regimen = Regimen(
            fraction_days=tuple(_day(day - zero) for day, _ in given),
            fraction_doses=tuple(dose for _, dose in given),
            drug_doses=tuple(drug.model_copy(update={"day": _day(drug.day - zero)}) for drug in drugs),
        )
        return FhirCourse(
            regimen, delivered, "" if course is None else str(course.status), target,
            tuple(VolumeDose(name, dose, count) for name, (dose, count) in totals.items()), origin,
            tuple(self.notes), dict(self.unused),
        )  # fmt: skip

    # the course

    def _course(self) -> tuple[str, Any, bool]:
        """The one course: delivered if there is one, else prescribed, else none."""
        for kind, delivered in (("Procedure", True), ("ServiceRequest", False)):
            found = self._coded(kind, names.COURSE_CODE)
            if not delivered:
                orders = [one for one in found if one[1].intent == "original-order"]
                found = orders or found
            if len(found) > 1:
                raise wrong(
                    f"{len(found)} courses of radiotherapy, at {', '.join(path for path, _ in found[:5])}", "one course"
                )
            if found:
                return *found[0], delivered
        return "", None, False

    def _coded(self, kind: str, code: str) -> list[tuple[str, Any]]:
        return [
            (path, one)
            for path, one in self.by_type[kind]
            if str(one.status) not in _VOID
            and any(str(coding.code) == code for coding in (one.code.coding if one.code and one.code.coding else []))
        ]

    def _doses(self, path: str, one: Any, delivered: bool) -> dict[str, tuple[float, int | None]]:
        """Total dose and number of fractions of each volume of a resource."""
        url = names.DOSE_DELIVERED if delivered else names.DOSE_PRESCRIBED
        total, count = ("totalDoseDelivered", "fractionsDelivered") if delivered else ("totalDose", "fractions")
        found: dict[str, tuple[float, int | None]] = {}
        for k, extension in enumerate((one.extension if one is not None else None) or []):
            if str(extension.url) != url:
                continue
            parts = {str(part.url): part for part in extension.extension or []}
            here = f"{path}.extension[{k}]"
            if "volume" not in parts or parts["volume"].valueReference is None:
                raise wrong(f"a dose without its volume at {here}", "a reference to a radiotherapy volume")
            if total not in parts:
                continue
            fractions = parts.get(count)
            number = None if fractions is None else (fractions.valueUnsignedInt or fractions.valuePositiveInt)
            name = self._volume_name(parts["volume"].valueReference)
            found[name] = _gray(parts[total].valueQuantity, here), None if number is None else int(number)
        return found

    def _volume_name(self, reference: Any) -> str:
        body = self.by_reference.get(str(reference.reference))
        shown = [str(i.value) for i in (getattr(body, "identifier", None) or []) if i.use == "usual" and i.value]
        return str(
            reference.display
            or (shown[0] if shown else "")
            or getattr(body, "description", None)
            or reference.reference
        )

    def _target(self, totals: dict[str, tuple[float, int | None]], volume: str) -> str:
        if volume and volume not in totals:
            raise wrong(f"no dose to the volume {volume!r}", " or ".join(map(repr, totals)) or "a course with volumes")
        if not totals:
            return ""
        chosen = volume or max(totals, key=lambda name: totals[name][0])
        if not volume and len(totals) > 1:
            self.notes.append(f"of {len(totals)} volumes the one with the largest total dose is taken: {chosen}")
        return chosen

    # fractions

    def _fractions(
        self, path: str, course: Any, delivered: bool, target: str, totals: dict[str, tuple[float, int | None]]
    ) -> tuple[str, list[_Fractions]]:
        if course is None or not target:
            return "none", []
        ways: tuple[tuple[str, Callable[[str], list[_Fractions]]], ...]
        if delivered:
            ways = (("treated fractions", self._treated_fractions), ("treated phases", self._treated_phases))
        else:
            ways = (("phase prescriptions", self._prescribed_phases),)
        dose, count = totals[target]
        for origin, way in ways:
            found = way(target)
            if found and self._complete(found, dose, origin):
                return origin, found
        if not count:
            raise wrong(f"no number of fractions at {path}, and no phases with its dose", "fractions or phases")
        if delivered and any(
            str(part.url) == names.UNIFORM and part.valueBoolean is False
            for extension in course.extension or []
            for part in extension.extension or []
        ):
            raise wrong(f"fractionation that is not uniform at {path}, without its phases", "the treated phases too")
        period = course.performedPeriod if delivered else course.occurrencePeriod
        days = self._spread(period, count, path)
        return "course summary" if delivered else "course prescription", [_Fractions(days, dose / count)]

    def _complete(self, found: list[_Fractions], dose: float, origin: str) -> bool:
        """Whether parts add up to the dose of the course; else they are left aside, with a note."""
        total = sum(part.dose * len(part.days) for part in found)
        if sum(len(part.days) for part in found) > MOST_FRACTIONS:
            raise wrong("too many fractions", f"{MOST_FRACTIONS} at most")
        if abs(total - dose) <= 1e-6 * max(dose, 1.0):
            return True
        self.notes.append(f"the {origin} add up to {total:g} Gy of {dose:g} Gy and were left aside")
        return False

    def _treated_fractions(self, target: str) -> list[_Fractions]:
        found = []
        for path, one in self._coded("Procedure", names.FRACTION_CODE):
            doses = self._doses(path, one, True)
            if target in doses:
                found.append(_Fractions((self._days(one.performedPeriod, path)[0],), doses[target][0]))
        return found

    def _treated_phases(self, target: str) -> list[_Fractions]:
        found = []
        for path, one in self._coded("Procedure", names.PHASE_CODE):
            doses, count = self._doses(path, one, True), _counted(one, names.FRACTIONS_DELIVERED, path)
            if target in doses and count:
                found.append(_Fractions(self._spread(one.performedPeriod, count, path), doses[target][0] / count))
        return found

    def _prescribed_phases(self, target: str) -> list[_Fractions]:
        found = []
        for path, one in self._coded("ServiceRequest", names.PHASE_CODE):
            doses, count = self._doses(path, one, False), _counted(one, names.FRACTIONS_PRESCRIBED, path)
            if target not in doses or not count:
                continue
            events = one.occurrenceTiming.event if one.occurrenceTiming else None
            if events and len(events) == count:
                days = tuple(self._number(event, f"{path}.occurrenceTiming") for event in events)
            else:
                days = self._spread(one.occurrencePeriod, count, path)
            found.append(_Fractions(days, self._each(path, one, target) or doses[target][0] / count))
        return found

    def _each(self, path: str, one: Any, target: str) -> float | None:
        """Dose of each fraction that a phase prescription gives by itself, which no division rounds."""
        for extension in one.extension or []:
            parts = {str(part.url): part for part in extension.extension or []}
            if {"volume", "fractionDose"} <= set(parts) and self._volume_name(parts["volume"].valueReference) == target:
                return _gray(parts["fractionDose"].valueQuantity, path)
        return None

    # times

    def _spread(self, period: Any, count: int, path: str) -> tuple[float, ...]:
        """Days of fractions of which only the first and last are known, if that."""
        if count > MOST_FRACTIONS:
            raise wrong(f"{count} fractions at {path}", f"{MOST_FRACTIONS} at most")
        start, end = self._days(period, path)
        weekdays = _weekdays(self._moment(period.start, path), count)
        if count == 1:
            return (start,)
        if end is None or np.floor(end) - np.floor(start) == weekdays[-1]:
            if end is None or weekdays[-1] != count - 1:
                self.notes.append(f"{count} fractions of {path} put on weekdays from its start: assumed")
            return tuple(start + day for day in weekdays)
        self.notes.append(f"{count} fractions of {path} spread evenly over its period: assumed")
        return tuple(map(float, np.linspace(start, end, count)))

    def _days(self, period: Any, path: str) -> tuple[float, float | None]:
        if period is None or period.start is None:
            raise wrong(f"no start at {path}", "a period with its first day")
        start = self._number(period.start, path)
        end = None if period.end is None else self._number(period.end, path)
        if end is not None and end < start:
            raise wrong(f"an end before the start at {path}", "a period that runs forward")
        return start, end

    @cached_property
    def _first(self) -> datetime:
        """Days are counted from here until day 0 is known; times without a zone are in UTC."""
        return datetime(2000, 1, 1, tzinfo=UTC)

    def _number(self, moment: Any, path: str) -> float:
        return (self._moment(moment, path) - self._first) / timedelta(days=1)

    def _moment(self, moment: Any, path: str) -> datetime:
        if isinstance(moment, datetime):
            return moment if moment.tzinfo else moment.replace(tzinfo=self._first.tzinfo)
        if isinstance(moment, date):
            return datetime(moment.year, moment.month, moment.day, tzinfo=self._first.tzinfo)
        raise wrong(f"a time without its day at {path}", "times to the day or better")

    # drugs

    def _drugs(self, delivered: bool) -> list[DrugDose]:
        given = [self._drug(path, one, one.dosage, one.dosage.dose if one.dosage else None,
                            [one.effectiveDateTime or (one.effectivePeriod and one.effectivePeriod.start)])
                 for path, one in self.by_type["MedicationAdministration"] if str(one.status) not in _VOID]  # fmt: skip
        if delivered and given:
            return [dose for doses in given for dose in doses]
        asked = []
        for path, one in self.by_type["MedicationRequest"]:
            for how in one.dosageInstruction or [] if str(one.status) not in _VOID else []:
                amounts = [rate.doseQuantity for rate in how.doseAndRate or [] if rate.doseQuantity]
                events = how.timing.event if how.timing and how.timing.event else []
                asked.append(self._drug(path, one, how, amounts[0] if amounts else None, events))
        if asked and delivered:
            self.notes.append("doses of drugs are those requested: no administration is recorded")
        return [dose for doses in asked or given for dose in doses]

    def _drug(self, path: str, one: Any, how: Any, amount: Any, times: Sequence[Any]) -> list[DrugDose]:
        concept = one.medicationCodeableConcept
        named = concept and (concept.text or next((c.display for c in concept.coding or [] if c.display), None))
        if not named or how is None or amount is None or not times or times[0] is None:
            raise wrong(f"a drug without name, amount or time at {path}", "a dose in mg and when it is given")
        if str(amount.code or amount.unit) != "mg":
            raise wrong(f"the unit {str(amount.code or amount.unit)[:20]!r} at {path}", "mg")
        return [
            DrugDose(drug=str(named), mg=_finite(amount.value, path), day=self._number(time, path)) for time in times
        ]


def _weekdays(start: datetime, count: int) -> list[int]:
    """Days after the first of fractions from Monday to Friday."""
    offsets: list[int] = []
    day = 0
    while len(offsets) < count:
        if (start.weekday() + day) % 7 < 5 or day == 0:
            offsets.append(day)
        day += 1
    return offsets


def _counted(one: Any, url: str, path: str) -> int | None:
    for extension in one.extension or []:
        if str(extension.url) == url:
            whole = extension.valueUnsignedInt
            number = extension.valuePositiveInt if whole is None else whole
            if number is None:
                raise wrong(f"no number of fractions at {path}", "a number")
            return int(number)
    return None


def _gray(quantity: Any, path: str) -> float:
    unit = "" if quantity is None else str(quantity.code or quantity.unit)
    if unit not in _PER_CGY:
        raise wrong(f"a dose in {unit[:20]!r} at {path}", "a dose in cGy or Gy")
    return _finite(None if quantity.value is None else quantity.value * _PER_CGY[unit] / 100, path)


def _finite(value: Decimal | None, path: str) -> float:
    number = float("nan") if value is None else float(value)
    if not 0 <= number < 1e6:
        raise wrong(f"an amount that is missing, negative or beyond reason at {path}", "a finite amount, not negative")
    return number


def _day(day: float) -> float:
    """Days to 1e-9: times are written to the microsecond."""
    return round(day, 9) + 0.0

"""Facts of an RT plan: fractions, prescription, beams and how long the beam is on."""

from dataclasses import dataclass

from pydicom.dataset import Dataset

from abscopal.dose.dicom.elements import items, number, parsing, text


@dataclass(frozen=True)
class Beam:
    """One treatment beam of one fraction.

    Attributes
    ----------
    name, radiation_type : str
        BeamName and RadiationType (PHOTON, ELECTRON, PROTON, ...).
    energy_mv : float, optional
        Nominal energy of the first control point: MV of photons, MeV of particles.
    gantry_start, gantry_stop : float, optional
        [degree]
    meterset : float, optional
        Monitor units (or minutes) of one fraction.
    n_control_points : int
    dose_rate : float, optional
        DoseRateSet of the first control point. [MU/min]
    beam_on_s : float, optional
        Time the beam is on in one fraction. [s]
    delivery : tuple of (float, float)
        Seconds since the beam came on and share of its meterset given by then, at each control
        point; empty where a meterset, its weights or a dose rate is missing.
    beam_dose_gy : float, optional
        BeamDose of one fraction at the beam's own dose point. [Gy]
    """

    name: str
    radiation_type: str
    energy_mv: float | None
    gantry_start: float | None
    gantry_stop: float | None
    meterset: float | None
    n_control_points: int
    dose_rate: float | None
    beam_on_s: float | None = None
    delivery: tuple[tuple[float, float], ...] = ()
    beam_dose_gy: float | None = None


@dataclass(frozen=True)
class PlanFacts:
    """What a regimen needs from a plan.

    Attributes
    ----------
    label : str
    n_fractions : int, optional
        Planned fractions, over all fraction groups.
    prescription_gy : float, optional
        Total prescribed dose. [Gy]
    beams : tuple of Beam
    beam_on_s : float, optional
        Beam-on time of one fraction; None when a dose rate or meterset is missing. [s]
    notes : tuple of str
        Where the prescription comes from and what was assumed.
    """

    label: str
    n_fractions: int | None
    prescription_gy: float | None
    beams: tuple[Beam, ...] = ()
    beam_on_s: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def dose_per_fraction(self) -> float | None:
        """Prescribed dose divided by fractions, in Gy; None when either is unknown."""
        if self.prescription_gy is None or not self.n_fractions:
            return None
        return self.prescription_gy / self.n_fractions


def read_plan(dataset: Dataset) -> PlanFacts:
    """Facts of an RT Plan or RT Ion Plan.

    Raises
    ------
    DicomError
        The file is damaged.

    Notes
    -----
    The prescription is the highest TargetPrescriptionDose; without one, the sum of BeamDose times the
    planned fractions. Beam-on time integrates each control point's meterset over its dose rate; gaps
    between beams are not in it.
    """
    with parsing("the RTPLAN"):
        groups = items(dataset, "FractionGroupSequence")
        counts = [int(n) for group in groups if (n := number(group, "NumberOfFractionsPlanned")) and n >= 1]
        prescription, notes = _prescription(dataset, groups)
        if len(groups) > 1:
            notes.append(f"{len(groups)} fraction groups; their fractions are added")
        beams = tuple(_beams(dataset, _per_beam(groups, "BeamMeterset"), _per_beam(groups, "BeamDose")))
        times = [beam.beam_on_s for beam in beams]
        known = [time for time in times if time is not None]
        return PlanFacts(
            label=text(dataset, "RTPlanLabel"),
            n_fractions=sum(counts) if counts and len(counts) == len(groups) else None,
            prescription_gy=prescription,
            beams=beams,
            beam_on_s=sum(known) if known and len(known) == len(times) and len(groups) == 1 else None,
            notes=tuple(notes),
        )


def referenced_beams(dataset: Dataset) -> set[int]:
    """Numbers of the treatment beams in a plan."""
    return {int(n) for beam in _treatment_beams(dataset) if (n := number(beam, "BeamNumber")) is not None}


def fraction_groups(dataset: Dataset) -> set[int]:
    """Numbers of the fraction groups in a plan."""
    numbers = (number(group, "FractionGroupNumber") for group in items(dataset, "FractionGroupSequence"))
    return {int(n) for n in numbers if n is not None}


def _prescription(dataset: Dataset, groups: list[Dataset]) -> tuple[float | None, list[str]]:
    references = items(dataset, "DoseReferenceSequence")
    targets = [item for item in references if text(item, "DoseReferenceType") == "TARGET"]
    doses = [dose for item in targets if (dose := number(item, "TargetPrescriptionDose")) and dose > 0]
    if doses:
        levels = sorted(set(doses), reverse=True)
        note = "prescription: TargetPrescriptionDose"
        if len(levels) > 1:
            note += f", the highest of {', '.join(f'{level:g}' for level in levels)} Gy"
        return levels[0], [note]
    total = 0.0
    for group in groups:
        fractions = number(group, "NumberOfFractionsPlanned") or 0.0
        beam_doses = [number(beam, "BeamDose") or 0.0 for beam in items(group, "ReferencedBeamSequence")]
        total += fractions * sum(beam_doses)
    if total > 0:
        return total, ["prescription: sum of BeamDose over beams and fractions, at each beam's own dose point"]
    return None, ["no prescription in the plan"]


def _per_beam(groups: list[Dataset], keyword: str) -> dict[int, float]:
    """A figure of the ReferencedBeamSequence by beam number."""
    found: dict[int, float] = {}
    for group in groups:
        for beam in items(group, "ReferencedBeamSequence"):
            reference, value = number(beam, "ReferencedBeamNumber"), number(beam, keyword)
            if reference is not None and value is not None:
                found[int(reference)] = value
    return found


def _treatment_beams(dataset: Dataset) -> list[Dataset]:
    beams = items(dataset, "BeamSequence") + items(dataset, "IonBeamSequence")
    return [beam for beam in beams if text(beam, "TreatmentDeliveryType") in {"", "TREATMENT", "CONTINUATION"}]


def _beams(dataset: Dataset, metersets: dict[int, float], doses: dict[int, float]) -> list[Beam]:
    beams = [(beam, int(number(beam, "BeamNumber") or 0)) for beam in _treatment_beams(dataset)]
    return [_beam(beam, metersets.get(key), doses.get(key)) for beam, key in beams]


def _beam(beam: Dataset, meterset: float | None, beam_dose: float | None) -> Beam:
    points = items(beam, "ControlPointSequence") + items(beam, "IonControlPointSequence")
    gantry = [angle for point in points if (angle := number(point, "GantryAngle")) is not None]
    first = points[0] if points else Dataset()
    return Beam(
        name=text(beam, "BeamName"),
        radiation_type=text(beam, "RadiationType"),
        energy_mv=number(first, "NominalBeamEnergy"),
        gantry_start=gantry[0] if gantry else None,
        gantry_stop=gantry[-1] if gantry else None,
        meterset=meterset,
        n_control_points=len(points),
        dose_rate=number(first, "DoseRateSet"),
        beam_on_s=seconds[-1][0] if (seconds := _delivery(beam, points, meterset)) else None,
        delivery=seconds,
        beam_dose_gy=beam_dose,
    )


def _delivery(beam: Dataset, points: list[Dataset], meterset: float | None) -> tuple[tuple[float, float], ...]:
    """Seconds and meterset share at each control point: the dose rate of one holds until the next."""
    if not meterset or meterset < 0.0:
        return ()
    if text(beam, "PrimaryDosimeterUnit") == "MINUTE":
        return ((0.0, 0.0), (60.0 * meterset, 1.0))
    final = number(beam, "FinalCumulativeMetersetWeight")
    seconds, rate, before = 0.0, None, 0.0
    course = [(0.0, 0.0)]
    for point in points:
        weight = number(point, "CumulativeMetersetWeight")
        here = before if weight is None else weight
        if here > before:
            if not rate or not final:
                return ()
            seconds += 60.0 * (here - before) / final * meterset / rate
            course.append((seconds, here / final))
        before = here
        rate = number(point, "DoseRateSet") or rate
    if seconds == 0.0 and rate:  # static beam whose control points carry no weights
        course.append((60.0 * meterset / rate, 1.0))
    return tuple(course) if course[-1][0] > 0.0 else ()

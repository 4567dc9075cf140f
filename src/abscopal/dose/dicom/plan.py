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
        beams = tuple(_beams(dataset, _metersets(groups)))
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


def _metersets(groups: list[Dataset]) -> dict[int, float]:
    found: dict[int, float] = {}
    for group in groups:
        for beam in items(group, "ReferencedBeamSequence"):
            reference, meterset = number(beam, "ReferencedBeamNumber"), number(beam, "BeamMeterset")
            if reference is not None and meterset is not None:
                found[int(reference)] = meterset
    return found


def _treatment_beams(dataset: Dataset) -> list[Dataset]:
    beams = items(dataset, "BeamSequence") + items(dataset, "IonBeamSequence")
    return [beam for beam in beams if text(beam, "TreatmentDeliveryType") in {"", "TREATMENT", "CONTINUATION"}]


def _beams(dataset: Dataset, metersets: dict[int, float]) -> list[Beam]:
    return [_beam(beam, metersets.get(int(number(beam, "BeamNumber") or 0))) for beam in _treatment_beams(dataset)]


def _beam(beam: Dataset, meterset: float | None) -> Beam:
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
        beam_on_s=_beam_on(beam, points, meterset),
    )


def _beam_on(beam: Dataset, points: list[Dataset], meterset: float | None) -> float | None:
    """Seconds of one fraction: the dose rate of a control point holds until the next one."""
    if meterset is None:
        return None
    if text(beam, "PrimaryDosimeterUnit") == "MINUTE":
        return 60.0 * meterset
    final = number(beam, "FinalCumulativeMetersetWeight")
    weights = [number(point, "CumulativeMetersetWeight") for point in points]
    minutes, rate, before = 0.0, None, 0.0
    for point, weight in zip(points, weights, strict=True):
        here = before if weight is None else weight
        if here > before:
            if not rate or not final:
                return None
            minutes += (here - before) / final * meterset / rate
        before = here
        rate = number(point, "DoseRateSet") or rate
    if minutes == 0.0 and rate:  # static beam whose control points carry no weights
        minutes = meterset / rate
    return 60.0 * minutes if minutes else None

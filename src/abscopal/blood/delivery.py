"""When the dose of one fraction is given: fields, their control points, and the gaps between them.

Each stretch of time gives a share of the fraction's dose. Every organ gets the same share of
its dose from a field: the field's share of meterset or, where the plan states a dose for
every beam, its share of beam dose. The plan's dose file holds no dose per beam, so this is an
assumption, and every result says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from abscopal.blood.exposure import Segment
from abscopal.domain.errors import InputError
from abscopal.dose.dicom.plan import Beam, PlanFacts
from abscopal.knowledge.load import load

Order = Literal["plan", "gantry"]
SHEET = "blood/circulation"
ROUNDING_S = 1e-9


@dataclass(frozen=True)
class Stretch:
    """Time at one dose rate.

    Attributes
    ----------
    duration : float
        [s]
    share : float
        Share of the fraction's dose given in it; 0 for a gap. [1]
    field : str
        Name of the field; "" for a gap.
    """

    duration: float
    share: float
    field: str = ""


@dataclass(frozen=True)
class Timing:
    """Delivery of one fraction.

    Attributes
    ----------
    stretches : tuple of Stretch
        In order; their shares sum to 1.
    notes : tuple of str
        What was assumed.
    basis : str
        Where the times come from.
    """

    stretches: tuple[Stretch, ...]
    notes: tuple[str, ...] = ()
    basis: str = ""

    @property
    def beam_on(self) -> float:
        """Time with the beam on, in seconds."""
        return sum(stretch.duration for stretch in self.stretches if stretch.share > 0.0)

    @property
    def duration(self) -> float:
        """Time from the first field's start to the last field's end, in seconds."""
        return sum(stretch.duration for stretch in self.stretches)

    def segments(self, doses: Mapping[str, float]) -> tuple[Segment, ...]:
        """The fraction's doses by compartment [Gy] as dose rates over time."""
        return tuple(
            Segment(
                stretch.duration,
                {name: dose * stretch.share / stretch.duration for name, dose in doses.items()}
                if stretch.share > 0.0
                else {},
            )
            for stretch in self.stretches
            if stretch.duration > 0.0
        )

    def scaled(self, factor: float) -> "Timing":
        """The same delivery with all beam-on times multiplied by `factor`; gaps stay."""
        _require(factor > 0.0, f"times multiplied by {factor:g}", "a positive factor", "1")
        stretches = tuple(
            replace(one, duration=one.duration * (factor if one.share > 0.0 else 1.0)) for one in self.stretches
        )
        return replace(self, stretches=stretches, basis=f"{self.basis}, beam-on times multiplied by {factor:g}")

    def gated(self, period_s: float, duty: float) -> "Timing":
        """The same meterset given only during a part of each breathing period.

        Parameters
        ----------
        period_s : float
            [s]
        duty : float
            Share of each period with the beam on. [1]
        """
        _require(
            period_s > 0.0 and 0.0 < duty <= 1.0,
            f"a period of {period_s:g} s and a duty cycle of {duty:g}",
            "a positive period and a duty cycle above 0 and up to 1",
            "4 s and 0.3",
        )
        if duty == 1.0:
            return self
        pieces = [piece for one in self.stretches for piece in _gate(one, period_s * duty, period_s * (1.0 - duty))]
        return replace(self, stretches=tuple(pieces), basis=f"{self.basis}, gated with duty cycle {duty:g}")


def constant_timing(beam_on_s: float | None = None) -> Timing:
    """One field at a constant rate.

    Parameters
    ----------
    beam_on_s : float, optional
        The assumed value of the knowledge sheet when None, with a note. [s]
    """
    seconds = load(SHEET)["beam_on_time"] if beam_on_s is None else beam_on_s
    _require(0.0 < seconds < float("inf"), f"a beam-on time of {seconds:g} s", "a positive time", "120")
    notes = () if beam_on_s is not None else (f"no beam-on time is known; {seconds:g} s at a constant rate is assumed",)
    return Timing((Stretch(seconds, 1.0, "constant"),), notes, "constant dose rate")


def timing_from_plan(
    plan: PlanFacts | None,
    *,
    gap_s: float | None = None,
    fraction_time_s: float | None = None,
    order: Order = "plan",
) -> Timing:
    """Delivery of one fraction as the RTPLAN describes it.

    Parameters
    ----------
    plan : PlanFacts or None
    gap_s : float, optional
        Pause between fields; the assumed value of the knowledge sheet when None. [s]
    fraction_time_s : float, optional
        Time from first beam on to last beam off, where it was recorded; gives the gaps. [s]
    order : {"plan", "gantry"}
        Fields as listed in the plan, or by start angle of the gantry.

    Returns
    -------
    Timing
        Where a beam lacks its meterset or dose rate, the assumed constant timing, with a
        note that names the beams.

    Raises
    ------
    InputError
        The beams last longer than `fraction_time_s`, or a gap is negative.
    """
    if plan is None or not plan.beams:
        return _fallback("there is no RTPLAN" if plan is None else "the RTPLAN has no treatment beam")
    beams = tuple(beam for beam in plan.beams if beam.meterset != 0.0)
    untimed = [beam.name or f"beam {k + 1}" for k, beam in enumerate(beams) if not beam.delivery]
    if untimed or not beams:
        return _fallback(f"the RTPLAN gives no meterset or dose rate for {', '.join(untimed) or 'any beam'}")
    if order == "gantry":
        beams = tuple(sorted(beams, key=lambda beam: beam.gantry_start if beam.gantry_start is not None else 360.0))
    shares, share_note = _shares(beams)
    gap, gap_notes = _gap(beams, gap_s, fraction_time_s)
    stretches: list[Stretch] = []
    for beam, share in zip(beams, shares, strict=True):
        if stretches and gap > 0.0:
            stretches.append(Stretch(gap, 0.0))
        stretches += _stretches(beam, share)
    return Timing(tuple(stretches), (share_note, *gap_notes), f"RTPLAN, {len(beams)} fields")


def _shares(beams: tuple[Beam, ...]) -> tuple[list[float], str]:
    doses = [beam.beam_dose_gy for beam in beams]
    known = [dose for dose in doses if dose is not None]
    if len(known) == len(doses) and min(known) >= 0.0 and sum(known) > 0.0:
        return [dose / sum(known) for dose in known], (
            "each field gives every organ the field's share of BeamDose: the dose file holds no dose per beam"
        )
    metersets = [beam.meterset or 0.0 for beam in beams]
    return [meterset / sum(metersets) for meterset in metersets], (
        "each field gives every organ the field's share of meterset: the dose file holds no dose per beam"
    )


def _gap(beams: tuple[Beam, ...], gap_s: float | None, fraction_time_s: float | None) -> tuple[float, tuple[str, ...]]:
    beam_on = sum(beam.delivery[-1][0] for beam in beams)
    pauses = len(beams) - 1
    if fraction_time_s is not None:
        _require(
            fraction_time_s >= beam_on - ROUNDING_S,
            f"beams that last {beam_on:.4g} s in a fraction of {fraction_time_s:g} s",
            "a fraction at least as long as its beams",
            "the time from first beam on to last beam off, gaps included",
        )
        return (max(0.0, fraction_time_s - beam_on) / pauses if pauses else 0.0), ()
    if gap_s is not None:
        _require(0.0 <= gap_s < float("inf"), f"a gap of {gap_s:g} s", "a gap of zero or more", "0")
        return gap_s, ()
    gap = load(SHEET)["field_gap"]
    return gap, (f"gaps of {gap:g} s between fields are assumed",) if pauses else ()


def _stretches(beam: Beam, share: float) -> list[Stretch]:
    """A field cut at its control points; neighbours of one rate are joined."""
    pieces: list[Stretch] = []
    for (t0, w0), (t1, w1) in zip(beam.delivery, beam.delivery[1:], strict=False):
        piece = Stretch(t1 - t0, share * (w1 - w0), beam.name or "field")
        last = pieces[-1] if pieces else None
        if (
            last
            and abs(last.share * piece.duration - piece.share * last.duration) <= 1e-9 * share * beam.delivery[-1][0]
        ):
            pieces[-1] = replace(last, duration=last.duration + piece.duration, share=last.share + piece.share)
        else:
            pieces.append(piece)
    whole = beam.delivery[-1][1]
    return [replace(piece, share=piece.share / whole) for piece in pieces]


def _gate(stretch: Stretch, on: float, off: float) -> list[Stretch]:
    if stretch.share <= 0.0:
        return [stretch]
    pieces, left = [], stretch.duration
    while left > ROUNDING_S:
        part = min(on, left)
        pieces += [replace(stretch, duration=part, share=stretch.share * part / stretch.duration), Stretch(off, 0.0)]
        left -= part
    return pieces[:-1]


def _fallback(why: str) -> Timing:
    timing = constant_timing(None)
    return replace(timing, notes=(f"{why}, so its timing is not known", *timing.notes))


def _require(holds: bool, found: str, expected: str, try_: str) -> None:
    if not holds:
        raise InputError(doing="timing a fraction", found=found, expected=expected, try_=try_)

"""Delivery over time from what an RTPLAN says, and what is declared when it does not."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abscopal.blood.circulation import load_network
from abscopal.blood.delivery import constant_timing, timing_from_plan
from abscopal.blood.exposure import blood_dose_of_segments, mean_blood_dose
from abscopal.domain.errors import InputError
from abscopal.dose.dicom.plan import Beam, PlanFacts

MALE = load_network("male")


def beam(name: str, meterset: float | None, seconds: float, gantry: float = 0.0, **more: object) -> Beam:
    delivery = ((0.0, 0.0), (seconds, 1.0)) if meterset else ()
    return replace(
        Beam(name, "PHOTON", 6.0, gantry, gantry, meterset, 2, 600.0, seconds if meterset else None, delivery),
        **more,  # type: ignore[arg-type]
    )


def plan(*beams: Beam) -> PlanFacts:
    return PlanFacts("plan", 30, 60.0, beams)


THREE = plan(beam("A", 100.0, 10.0, 200.0), beam("B", 300.0, 30.0, 90.0), beam("C", 200.0, 20.0, 0.0))


def test_fields_share_the_dose_by_meterset_with_gaps_between() -> None:
    timing = timing_from_plan(THREE, gap_s=15.0)
    assert [stretch.field for stretch in timing.stretches] == ["A", "", "B", "", "C"]
    assert [stretch.share for stretch in timing.stretches] == pytest.approx([1 / 6, 0, 0.5, 0, 1 / 3])
    assert (timing.beam_on, timing.duration) == pytest.approx((60.0, 90.0))
    assert "share of meterset" in timing.notes[0]


def test_gap_is_assumed_and_said_unless_recorded() -> None:
    assert any("gaps of 30 s" in note and "assumed" in note for note in timing_from_plan(THREE).notes)
    recorded = timing_from_plan(THREE, fraction_time_s=100.0)
    assert recorded.duration == pytest.approx(100.0)
    assert not any("assumed" in note for note in recorded.notes)


def test_beam_doses_win_over_meterset_where_every_beam_has_one() -> None:
    with_doses = plan(
        *(replace(one, beam_dose_gy=dose) for one, dose in zip(THREE.beams, (1.0, 1.0, 2.0), strict=True))
    )
    shares = [one.share for one in timing_from_plan(with_doses, gap_s=0.0).stretches]
    assert shares == pytest.approx([0.25, 0.25, 0.5])


def test_gantry_order() -> None:
    assert [s.field for s in timing_from_plan(THREE, gap_s=0.0, order="gantry").stretches] == ["C", "B", "A"]


def test_control_points_of_an_arc_change_the_dose_rate() -> None:
    arc = beam("arc", 100.0, 60.0, delivery=((0.0, 0.0), (20.0, 0.2), (40.0, 0.4), (60.0, 1.0)))
    stretches = timing_from_plan(plan(arc)).stretches
    assert [(one.duration, one.share) for one in stretches] == [
        (pytest.approx(40.0), pytest.approx(0.4)),
        (pytest.approx(20.0), pytest.approx(0.6)),
    ]


@pytest.mark.parametrize(
    ("facts", "named"),
    [
        (None, "there is no RTPLAN"),
        (plan(), "no treatment beam"),
        (plan(beam("A", 100.0, 10.0), beam("B", None, 0.0)), "no meterset or dose rate for B"),
    ],
)
def test_a_plan_without_times_is_said_to_be_assumed(facts: PlanFacts | None, named: str) -> None:
    timing = timing_from_plan(facts)
    assert named in timing.notes[0]
    assert "120 s at a constant rate is assumed" in timing.notes[1]
    assert timing.beam_on == 120.0


def test_beams_longer_than_the_fraction_are_refused() -> None:
    with pytest.raises(InputError, match="beams that last 60 s in a fraction of 50 s"):
        timing_from_plan(THREE, fraction_time_s=50.0)


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("nan"), float("inf")])
def test_times_must_be_positive(wrong: float) -> None:
    with pytest.raises(InputError, match="timing a fraction"):
        constant_timing(wrong)


@given(st.floats(1.0, 20.0), st.floats(0.1, 1.0), st.floats(0.1, 5.0), st.floats(0.0, 100.0))
def test_any_timing_gives_the_same_mean(period: float, duty: float, factor: float, gap: float) -> None:
    doses = {"lung": 0.5, "liver": 0.1}
    timing = timing_from_plan(THREE, gap_s=gap).scaled(factor).gated(period, duty)
    assert sum(one.share for one in timing.stretches) == pytest.approx(1.0)
    assert timing.beam_on == pytest.approx(60.0 * factor)
    delivered = sum(one.duration * one.dose_rates.get("lung", 0.0) for one in timing.segments(doses))
    assert delivered == pytest.approx(0.5)


def test_gating_touches_more_blood_than_the_same_beam_without() -> None:
    doses = {"liver": 2.0}
    free, gated = (timing.segments(doses) for timing in (constant_timing(60.0), constant_timing(60.0).gated(4.0, 0.3)))
    one, other = blood_dose_of_segments(MALE, free), blood_dose_of_segments(MALE, gated)
    assert other.v_any > one.v_any
    assert other.mean == pytest.approx(one.mean, rel=1e-11) == pytest.approx(mean_blood_dose(MALE, doses))

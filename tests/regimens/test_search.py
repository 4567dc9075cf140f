import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abscopal.domain.regimen import DrugDose, Regimen
from abscopal.radiobiology.isoeffect import bed
from abscopal.regimens.search import Alternative, Cost, isoeffective_alternatives


def free(_regimen: Regimen, _ratio: float) -> Cost:
    return Cost(None, None)


def search(course: Regimen, numbers: list[int]) -> tuple[Alternative, ...]:
    return isoeffective_alternatives(course, alpha_beta=10, late_alpha_beta=3, cost=free, fraction_numbers=numbers)


@settings(max_examples=8, deadline=None)
@given(st.floats(1.5, 12), st.integers(1, 20), st.lists(st.integers(1, 30), max_size=3, unique=True))
def test_every_alternative_has_the_tumour_bed_of_the_course(dose: float, n: int, numbers: list[int]) -> None:
    course = Regimen.equal_fractions(dose, n)
    rows = search(course, numbers)
    wanted = bed(dose, n, 10)
    assert [row.is_current for row in rows].count(True) == 1
    for row in rows:
        assert row.tumour_bed == pytest.approx(wanted, rel=1e-9)
        assert row.late_bed == pytest.approx(bed(row.dose_per_fraction, row.regimen.n_fractions, 3), rel=1e-9)
        assert row.dose_per_fraction >= 1 or row.is_current


def test_ranked_by_gain_and_fewer_fractions_cost_more_late_effect() -> None:
    course = Regimen.equal_fractions(2, 30, weekdays=True, drug_doses=[DrugDose(drug="anti-CTLA-4", mg=0.2, day=2)])
    rows = search(course, [3, 8, 30])
    assert [row.gain for row in rows] == sorted((row.gain for row in rows), reverse=True)
    late = {row.regimen.n_fractions: row.late_bed for row in rows}
    assert late[3] > late[8] > late[30]
    short = next(row for row in rows if row.regimen.n_fractions == 3)
    assert any("LQ-L" in note for note in short.notes)
    assert short.dose_ratio < 1


def test_the_cost_is_asked_once_per_regimen_with_its_dose_ratio() -> None:
    asked: list[tuple[int, float]] = []

    def cost(regimen: Regimen, ratio: float) -> Cost:
        asked.append((regimen.n_fractions, ratio))
        return Cost(1.0, 2.0)

    course = Regimen.equal_fractions(8, 3)
    rows = isoeffective_alternatives(course, alpha_beta=10, late_alpha_beta=3, cost=cost, fraction_numbers=[1])
    assert sorted(n for n, _ in asked) == [1, 3]
    assert dict(asked)[3] == 1
    assert all(row.cost == Cost(1.0, 2.0) for row in rows)

"""Reference table of the dose-immune window model, set B (mechanistic-models dossier, section 4.10).

Values are given to about three digits, day-20 values just before the day-20 drug dose. The tolerance is
half a unit of the last printed digit, read from the text of each value.
"""

from decimal import Decimal

import pytest

from abscopal.domain.regimen import DrugDose, Regimen
from abscopal.domain.trajectory import Trajectory
from abscopal.immune.model import diw_model
from abscopal.knowledge.load import load
from abscopal.simulation.solve import simulate

COLUMNS = ("V0+M0", "V1+M1", "S_0", "E_0", "E_1", "P_1", "D", "C", "L")
TABLE = """
none        | 20 | 1257  | 688.8 | 0        | 0.0113 | 0.0111 | 0.152 | 0.0279 | 0.0915 | 1
none        | 34 | 2643  | 2305  | 0        | 0.0395 | 0.0395 | 0.156 | 0.0731 | 0.294  | 1
CTLA4       | 34 | 2496  | 2161  | 0        | 0.144  | 0.144  | 0.172 | 0.0933 | 1.05   | 1
8x3         | 20 | 29.31 | 647.6 | 0.168    | 0.292  | 0.332  | 0.193 | 0.808  | 3.27   | 0.887
8x3         | 34 | 6.693 | 1613  | 0.000154 | 0.0682 | 0.225  | 0.189 | 0.109  | 1.02   | 0.944
8x3+CTLA4   | 20 | 29.24 | 580.3 | 0.168    | 0.790  | 0.898  | 0.254 | 0.744  | 9.12   | 0.887
8x3+CTLA4   | 34 | 3.165 | 673.4 | 0.000154 | 0.147  | 0.600  | 0.246 | 0.108  | 2.85   | 0.944
20x1+CTLA4  | 20 | 27.37 | 649.6 | 0.00264  | 0.165  | 0.243  | 0.183 | 0.141  | 2.11   | 0.961
20x1+CTLA4  | 34 | 3.437 | 1686  | 2.4e-6   | 0.0432 | 0.235  | 0.189 | 0.0880 | 1.32   | 0.981
6x5+CTLA4   | 34 | 1.372 | 711.0 | 0.000462 | 0.122  | 0.615  | 0.248 | 0.115  | 2.94   | 0.909
"""
ROWS = [[cell.strip() for cell in line.split("|")] for line in TABLE.strip().splitlines()]


def _course(arm: str) -> Regimen:
    """`DxN` is N daily fractions of D Gy from day 12; CTLA4 is given on days 14, 17 and 20."""
    radiation = next((part.split("x") for part in arm.split("+") if "x" in part), None)
    dose, n = (float(radiation[0]), int(radiation[1])) if radiation else (1.0, 0)
    amount = load("immune/diw")["mouse_dose"]
    drugs = [DrugDose(drug="anti-CTLA-4", mg=amount, day=day) for day in (14, 17, 20)] if "CTLA4" in arm else []
    return Regimen.equal_fractions(dose, n, start=12, drug_doses=drugs)


def _value(course: Trajectory, column: str) -> float:
    names = column.replace("0", "_0").replace("1", "_1").split("+") if "+" in column else [column]
    return float(sum(course[name][0] for name in names))


@pytest.mark.parametrize("row", ROWS, ids=[f"{row[0]} day {row[1]}" for row in ROWS])
def test_reference_row_to_its_printed_digits(row: list[str]) -> None:
    arm, day, *printed = row
    course = simulate(diw_model(), _course(arm), [float(day)], horizon=34, side="before")
    assert course.status == "ok"
    for column, text in zip(COLUMNS, printed, strict=True):
        exact = text in {"0", "1"}  # nothing irradiated: the signal is zero and the lymphocytes are whole
        tolerance = 1e-9 if exact else 0.5 * 10.0 ** int(Decimal(text).as_tuple().exponent)
        assert _value(course, column) == pytest.approx(float(text), abs=tolerance, rel=0), column

"""V1: LQ/BED/EQD2 arithmetic of the mechanistic dossier, exact."""

import pytest

from abscopal.radiobiology.isoeffect import bed, eqd2

# n, d [Gy], BED10 [Gy], EQD2(10) [Gy]
ROWS = [
    (30, 2.0, 72.0, 60.0),
    (3, 8.0, 43.2, 36.0),
    (5, 6.0, 48.0, 40.0),
    (1, 20.0, 60.0, 50.0),
    (3, 18.0, 151.2, 126.0),
]


@pytest.mark.parametrize(("n", "d", "bed10", "eqd2_10"), ROWS)
def test_v1_arithmetic_is_exact(n: int, d: float, bed10: float, eqd2_10: float) -> None:
    assert bed(d, n, 10.0) == bed10
    assert eqd2(d, n, 10.0) == eqd2_10

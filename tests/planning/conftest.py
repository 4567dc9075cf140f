"""The made-up matrix that most planning tests stand on."""

import pytest

from abscopal.planning.influence import InfluenceMatrix
from tests.planning.made_up import made_up_matrix


@pytest.fixture(scope="session")
def matrix() -> InfluenceMatrix:
    """Five beams on a crude thorax, 50 Gy in 25 fractions."""
    return made_up_matrix()

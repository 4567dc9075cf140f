import copy
import multiprocessing.reduction as crossing

import pytest

from abscopal.domain.errors import AbscopalError, DicomError, InputError


@pytest.mark.parametrize("kind", [AbscopalError, InputError, DicomError])
def test_an_error_survives_a_process_boundary(kind: type[AbscopalError]) -> None:
    error = kind(doing="a", found="b", expected="c", try_="d")
    again = copy.copy(error)
    assert type(again) is kind
    assert again.parts() == error.parts()
    assert str(again) == "while a: found b; expected c. Try: d."
    assert crossing.ForkingPickler.dumps(error)

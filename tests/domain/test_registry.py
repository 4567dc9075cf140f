import pytest

from abscopal.domain.errors import AbscopalError
from abscopal.domain.registry import entries, find, register


def test_found_by_name_and_by_need() -> None:
    @register("test-kind", "one", needs=("DVH:Heart",), reference="somewhere")
    def one() -> int:
        return 1

    assert find("test-kind", "one").target() == 1
    assert [entry.needs for entry in entries("test-kind")] == [("DVH:Heart",)]
    with pytest.raises(AbscopalError, match="'one'"):
        find("test-kind", "onee")
    with pytest.raises(AbscopalError, match="already in use"):
        register("test-kind", "one")(object())


def test_an_empty_fact_is_refused() -> None:
    with pytest.raises(AbscopalError, match="reference"):
        register("test-kind", "two", reference=" ")(object())

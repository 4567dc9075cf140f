"""`abscopal --what-if KEY=VALUE …`: one run with other numbers than the sourced ones."""

from collections.abc import Sequence

from abscopal.domain.errors import InputError
from abscopal.knowledge.load import change


def change_numbers(changes: Sequence[str]) -> None:
    """Change the numbers named as `sheet:key=value` for this process.

    Raises
    ------
    InputError
        Not of that form, an unknown key, or a value outside the number's range.
    """
    for text in changes:
        key, _, value = text.rpartition("=")
        try:
            number = float(value)
        except ValueError as exc:
            raise InputError(
                doing="reading --what-if",
                found=text,
                expected="sheet:key=number",
                try_="--what-if immune/diw:alpha=0.3",
            ) from exc
        change(key, number)

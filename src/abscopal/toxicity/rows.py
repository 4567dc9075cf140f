"""Tables as rows of plain values."""

from collections.abc import Hashable
from typing import Any

import pandas as pd


def rows_of(table: pd.DataFrame) -> list[dict[Hashable, Any]]:
    """The rows of a table, an empty cell as an empty text whatever the column's type."""
    return [{key: "" if pd.isna(cell) else cell for key, cell in row.items()} for row in table.to_dict("records")]


def number_or_none(cell: float | str) -> float | None:
    """A cell as a number, None where it is empty."""
    return None if cell == "" else float(cell)

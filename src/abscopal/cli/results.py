"""The folder that `--out` of a command fills: JSON, figures and tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Table = tuple[Sequence[str], Sequence[Sequence[Any]]]


def write_results(out: Path, answer: Any, figures: Mapping[str, str], tables: Mapping[str, Table]) -> None:
    """Write `answer.json`, each figure as SVG and each table as CSV, one whole file after another."""
    import csv
    import io
    import json

    from abscopal.cli.assess import check_out
    from abscopal.drawing import standalone
    from abscopal.report.html import write_whole

    check_out(out)
    write_whole(out / "answer.json", json.dumps(answer, indent=1, allow_nan=False, ensure_ascii=False) + "\n")
    for name, svg in figures.items():
        write_whole(out / f"{name}.svg", standalone(svg))
    for name, (head, rows) in tables.items():
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)
        write_whole(out / f"{name}.csv", text.getvalue())

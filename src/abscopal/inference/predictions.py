"""Predictions of rows whose outcome is sealed: written once, frozen by a checksum."""

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from abscopal.domain.version import __version__
from abscopal.inference.observations import of_split
from abscopal.inference.posterior import hashes
from abscopal.inference.scores import RowScore, site

COLUMNS = (
    "row", "study", "endpoint", "arm", "variant", "what", "predicted", "low90", "high90", "probability",
    "probability_of",
)  # fmt: skip
_MEANING = {
    "volume": "ratio to untreated",
    "presence": "reference over arm",
    "sign": "reference over arm",
    "rank": "score",
}
_EVENT = {
    "presence": "an effect",
    "sign": "the arm doing better than its reference",
    "rank": "coming first in its group",
}


def write_predictions(scores: Mapping[str, Sequence[RowScore]], folder: Path) -> Path:
    """Write `preclinical.csv`, its checksum and the hashes of what made it.

    Parameters
    ----------
    scores : mapping of variant to scores
        Of the sealed rows.
    folder : Path

    Returns
    -------
    Path
        Of the table.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "preclinical.csv"
    with table.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for variant, rows in scores.items():
            writer.writerows(_line(variant, score) for score in rows)
    digest = hashlib.sha256(table.read_bytes()).hexdigest()
    (folder / "preclinical.sha256").write_text(f"{digest}  {table.name}\n", encoding="utf-8")
    facts = {"version": __version__, "sha256": digest, "hashes": {label: dict(hashes(label)) for label in scores}}
    (folder / "preclinical.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return table


def is_frozen(folder: Path) -> bool:
    """Whether the table still has the checksum it was frozen with, and speaks of the rows that are sealed."""
    digest = (folder / "preclinical.sha256").read_text(encoding="utf-8").split()[0]
    table = folder / "preclinical.csv"
    with table.open(encoding="utf-8", newline="") as stream:
        rows = {int(line["row"]) for line in csv.DictReader(stream)}
    sealed = {one.row for one in of_split("sealed")}
    return hashlib.sha256(table.read_bytes()).hexdigest() == digest and rows == sealed


def _line(variant: str, score: RowScore) -> tuple[object, ...]:
    one = score.one
    return (
        one.row, f"{one.study} {one.year}", one.endpoint, one.arms[0][0], variant, f"{site(one)}: {_MEANING[one.kind]}",
        f"{score.median:.4g}", f"{score.low:.4g}", f"{score.high:.4g}",
        "" if score.probability is None else f"{score.probability:.3f}", _EVENT.get(one.kind, ""),
    )  # fmt: skip

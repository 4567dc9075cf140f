"""Designs of the trials of the table, as the virtual trial is told them. No outcome enters here."""

from typing import Any

import pandas as pd

from abscopal.domain.registry import unknown_name
from abscopal.knowledge.load import load
from abscopal.trials.design import TrialDesign, parse_design
from abscopal.trials.design_parts import SHEET
from abscopal.trials.evidence import load_trials

DEFAULT_SIZE = 400
"""Patients of a trial whose arm sizes are not in the table; only used to size trial noise."""


def known_trials() -> list[str]:
    """Names of the trials whose course is on file."""
    return list(load(SHEET).table("courses")["trial"])


def design_of(trial: str, endpoint: str = "PFS") -> TrialDesign:
    """The design of one trial of the table.

    Parameters
    ----------
    trial : str
        As in the trial table.
    endpoint : str

    Raises
    ------
    InputError
        A trial without a course on file, with the close match.
    """
    courses = load(SHEET).table("courses").set_index("trial")
    if trial not in courses.index:
        raise unknown_name("looking up the design of a trial", trial, list(courses.index))
    row: dict[str, Any] = {str(key): value for key, value in courses.loc[trial].to_dict().items()}
    experimental = {
        "name": "experimental",
        "radiation": _radiation(row),
        "chemo": row["chemo_exp"],
        "ici": _blocks(row, row["anchor"], row["offset_days"], row["doses"], row["interval_days"]),
    }
    if row["second_doses"] > 0:  # the second block always follows RT
        experimental["ici"] += _blocks(
            row, "RTend", row["second_offset_days"], row["second_doses"], row["interval_days"]
        )
    control = {"name": "control", "radiation": _control_radiation(row), "chemo": row["chemo_ctrl"], "ici": []}
    if row["control_doses"] > 0:
        control["ici"] = _blocks(
            row, row["control_anchor"], row["control_offset_days"], row["control_doses"], row["control_interval_days"]
        )
    sizes = arm_sizes(trial)
    return parse_design(
        {
            "title": trial,
            "population": {"preset": row["preset"], "n": max(20, sum(sizes)), "diagnosis_day": -365.0},
            "arms": [control | {"allocation": sizes[1]}, experimental | {"allocation": sizes[0]}],
            "randomisation": {
                "at": row["selection"],
                "gap_days": row["offset_days"] if row["selection"] == "RTend" else 0.0,
            },
            "analysis": {"endpoint": endpoint},
        },
        trial,
    )


def arm_sizes(trial: str) -> tuple[int, int]:
    """Experimental and control patients of a trial; an even split of the default where unknown. [patients]."""
    table = load_trials()
    row = table.loc[table["trial"] == trial].iloc[0]
    sizes = tuple(
        DEFAULT_SIZE // 2 if pd.isna(row[side]) else int(row[side]) for side in ("n_experimental", "n_control")
    )
    return sizes[0], sizes[1]


def _radiation(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "dose_per_fraction": row["dose_per_fraction"], "fractions": int(row["fractions"]), "target": row["target"]
    }  # fmt: skip


def _control_radiation(row: dict[str, Any]) -> dict[str, Any] | None:
    if row["control_rt"] == "none":
        return None
    if row["control_rt"] == "same":
        return _radiation(row)
    dose, _, fractions = str(row["control_rt"]).partition("x")
    return _radiation(row) | {"dose_per_fraction": float(dose), "fractions": int(fractions)}


def _blocks(row: dict[str, Any], anchor: str, offset: float, doses: float, interval: float) -> list[dict[str, Any]]:
    return [
        {"ici_class": row["ici_class"], "anchor": anchor, "offset_days": offset, "doses": int(doses),
         "interval_days": interval}
    ]  # fmt: skip

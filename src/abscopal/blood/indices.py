"""Dose to lymphoid organs and to the body as a whole, each with what it was associated with."""

from collections.abc import Mapping
from dataclasses import dataclass

from abscopal.blood.pools import SHEET
from abscopal.dose.dvh import DVH
from abscopal.knowledge.load import load

BODY = "External"
ORGANS = {
    "spleen": ("Spleen",),
    "marrow": ("BoneMarrow", "BoneMarrow_Pelvic"),
    "thymus": ("Thymus",),
    "heart": ("Heart",),
}
NODE_PREFIXES = ("LN_", "Nodes", "Node")


@dataclass(frozen=True)
class ImmuneIndex:
    """One index of a plan.

    Attributes
    ----------
    name, label : str
    value : float or None
        None when not computable.
    unit : str
    not_computable : str
        `""`, or what is missing.
    associations : tuple of str
        Published associations with their setting and status: never effects.
    notes : tuple of str
    """

    name: str
    label: str
    value: float | None
    unit: str
    not_computable: str = ""
    associations: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def immune_indices(dvhs: Mapping[str, DVH]) -> tuple[ImmuneIndex, ...]:
    """Mean doses of lymphoid organs, integral dose and low-dose bath of a plan.

    Parameters
    ----------
    dvhs : mapping
        TG-263 name to the DVH of the course, physical dose.

    Returns
    -------
    tuple of ImmuneIndex
        Every index, computable or not.
    """
    return (*(_organ(name, dvhs) for name in ORGANS), _nodes(dvhs), *_body(dvhs))


def _organ(name: str, dvhs: Mapping[str, DVH]) -> ImmuneIndex:
    found = next((structure for structure in ORGANS[name] if structure in dvhs), None)
    label = f"Mean dose, {name}"
    if found is None:
        return ImmuneIndex(name, label, None, "Gy", f"not computable: needs {ORGANS[name][0]}", _associations(name))
    notes = () if found == ORGANS[name][0] else (f"{found} only: a part of the organ",)
    return ImmuneIndex(name, label, dvhs[found].mean, "Gy", "", _associations(name), notes)


def _nodes(dvhs: Mapping[str, DVH]) -> ImmuneIndex:
    found = sorted(name for name in dvhs if name.startswith(NODE_PREFIXES))
    label = "Mean dose, contoured nodes"
    if not found:
        return ImmuneIndex(
            "nodes", label, None, "Gy", "not computable: needs a node structure (LN_…)", _associations("nodes")
        )
    volume = sum(dvhs[name].volume_cm3 for name in found)
    mean = sum(dvhs[name].integral_dose for name in found) / volume
    notes = (f"volume-weighted over {', '.join(found)}; other nodes of the body are not contoured",)
    return ImmuneIndex("nodes", label, mean, "Gy", "", _associations("nodes"), notes)


def _body(dvhs: Mapping[str, DVH]) -> tuple[ImmuneIndex, ImmuneIndex]:
    low = load(SHEET)["low_dose"]
    rows = (
        ("body_integral", "Integral dose of the body", "Gy L"),
        ("body_low_dose", f"Body receiving {low:g} Gy or more", "L"),
    )
    body = dvhs.get(BODY)
    if body is None:
        needs = "not computable: needs External (body contour)"
        one, other = (ImmuneIndex(name, label, None, unit, needs, _associations(name)) for name, label, unit in rows)
        return one, other
    values = (body.integral_dose / 1000.0, body.volume_at_dose(low) * body.volume_cm3 / 1000.0)
    one, other = (
        ImmuneIndex(name, label, value, unit, "", _associations(name), ("within the scan only",))
        for (name, label, unit), value in zip(rows, values, strict=True)
    )
    return one, other


def _associations(index: str) -> tuple[str, ...]:
    table = load(SHEET).table("associations")
    rows = table[table["index"] == index].to_dict(orient="records")
    return tuple(f"{row['setting']}: {row['statement']} ({row['status']}, observational)" for row in rows)

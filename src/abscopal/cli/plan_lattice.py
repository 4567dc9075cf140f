"""`abscopal plan lattice CASE`: where the vertices of a lattice would go, and valleys between them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abscopal.cli.console import JsonOption, plain, print_json, print_table, progress_bars, screen

if TYPE_CHECKING:
    from abscopal.dose.dicom.intake import Anatomy
    from abscopal.dose.structures import Structure
    from abscopal.planning.lattice import Placement


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("lattice")(lattice)


def lattice(
    case: Annotated[Path, typer.Argument(help="Folder or zip with CT and RTSTRUCT.")],
    tumour: Annotated[str, typer.Option(help="Structure the vertices go into.")] = "GTV",
    organ: Annotated[
        list[str] | None,
        typer.Option(help="Organ to keep away from; repeat. By default all but lung, liver, brain, kidney."),
    ] = None,
    diameter: Annotated[float | None, typer.Option(min=1, max=100, help="Of a sphere [mm].")] = None,
    spacing: Annotated[float | None, typer.Option(min=1, max=200, help="Between centres [mm].")] = None,
    edge: Annotated[
        float | None, typer.Option(min=0, max=100, help="Least distance to the tumour's edge [mm].")
    ] = None,
    away: Annotated[float | None, typer.Option(min=0, max=100, help="Least distance to an organ [mm].")] = None,
    cubic: Annotated[bool, typer.Option("--cubic", help="A cubic lattice in place of the close-packed one.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the orientations tried.")] = 0,
    patient: Annotated[Path | None, typer.Option(help="patient.toml, for its names of structures.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for an RTSTRUCT with vertices and valleys, and its CT.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Place spheres of high dose in a tumour; no vertex at all is an answer, with the reason."""
    from abscopal.cli.assess import read_text
    from abscopal.domain.patient import read_patient
    from abscopal.domain.registry import unknown_name
    from abscopal.dose.dicom.intake import read_anatomy
    from abscopal.planning.lattice import Rules, place_vertices

    with progress_bars():
        names = {} if patient is None else read_patient(read_text(patient), name=patient.name).structures
        read = read_anatomy(case, names=names)
    for name in (tumour, *(organ or ())):
        if name not in read.structures:
            raise unknown_name("looking for a structure of the case", name, sorted(read.structures))
    target = read.structures[tumour]
    organs = [read.structures[name] for name in organ] if organ else _organs(read)
    rules = Rules(diameter, spacing, edge, away, pattern="cubic" if cubic else "close packed")
    placed = place_vertices(target, organs, rules, seed=seed)
    answer = {"tumour": tumour, "organs": [one.label for one in organs], **plain(placed)}
    if out is not None:
        answer["files"] = _write(out, read, target, placed)
    if as_json:
        print_json(answer)
        return
    _show(answer, placed, out)


def _organs(read: "Anatomy") -> "list[Structure]":
    """Everything drawn that is neither a target, the body, nor one of the large organs that tumours lie in."""
    inside = ("EXTERNAL", "GTV", "CTV", "PTV")
    hosts = ("Lung", "Liver", "Brain", "Kidney")
    return [one for one in read.structures.values() if one.role not in inside and not one.label.startswith(hosts)]


def _write(out: Path, read: "Anatomy", target: "Structure", placed: "Placement") -> list[str]:
    from abscopal.dose.dicom.write import StudyRecord, write_case
    from abscopal.planning.export import numbered, planned_identity
    from abscopal.planning.lattice import valley_structure, vertex_structures

    planes = sorted({round(float(contour[0, 2]), 3) for contour in target.contours})
    made = [*vertex_structures(placed, planes)]
    if made:
        made.append(valley_structure(target, placed))
    drawn = list(read.structures.values())
    record = StudyRecord(
        ct=read.ct,
        structures=numbered(drawn, made),
        identity=planned_identity(),
        seed=f"abscopal lattice {placed.centres.tolist()} {placed.radius}",
        patient_position=read.patient_position or "HFS",
        drawn=frozenset(one.number for one in drawn),
    )
    with progress_bars():
        return [path.name for path in write_case(out, record)]


def _show(answer: dict[str, Any], placed: "Placement", out: Path | None) -> None:
    console = screen()
    rows = [(f"Vertex_{k + 1}", *(f"{value:.1f}" for value in centre)) for k, centre in enumerate(placed.centres)]
    if rows:
        print_table("Centres, LPS", ("", "x [mm]", "y [mm]", "z [mm]"), rows)
        reached = "no organ near" if placed.organ_margin is None else f"{placed.organ_margin:.1f} mm to the next organ"
        console.print(
            f"{len(rows)} spheres of {2 * placed.radius:g} mm, {placed.spacing:g} mm apart: {placed.edge_margin:.1f} "
            f"mm to the edge of {answer['tumour']}, {reached}, {100 * placed.volume_share:.1f} % of its volume",
            markup=False,
        )
    for note in placed.notes:
        console.print(f"note     {note}", markup=False)
    if out is not None:
        console.print(f"written  {out}", markup=False, soft_wrap=True)

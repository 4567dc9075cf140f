"""Options that several `abscopal plan` commands take."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from abscopal.planning.beams import BeamSetup

SpareOption = Annotated[
    list[str] | None,
    typer.Option(help="lymphocytes, edric, blood, nodes, spleen, marrow, thymus, kill; repeat."),
]
TargetOption = Annotated[str | None, typer.Option(help="Structure that gets the prescription; PTVs by default.")]
GantryOption = Annotated[list[float] | None, typer.Option(help="Gantry angle [degree]; repeat. Nine by default.")]
ProtonsOption = Annotated[bool, typer.Option("--protons", help="Protons in place of photons.")]
BixelOption = Annotated[float, typer.Option(min=1, max=50, help="Bixel width or spot spacing [mm].")]
GridOption = Annotated[float, typer.Option(min=1, max=20, help="Voxel size of the dose grid [mm].")]


def beam_setup(gantry: list[float] | None, protons: bool, bixel: float, grid: float) -> "BeamSetup":
    """The beams that the options ask for."""
    from abscopal.planning.beams import BeamSetup, usual_angles

    return BeamSetup(
        gantry=tuple(gantry) if gantry else usual_angles(), modality="protons" if protons else "photons",
        bixel_mm=bixel, grid_mm=grid,
    )  # fmt: skip

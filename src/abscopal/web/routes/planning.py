"""Between the Pareto plans of a planning job: sliders in, figures, histograms and planes out."""

import io
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from abscopal.dose.planes import PLANES, Cutter
from abscopal.planning.navigate import Navigator
from abscopal.planning.navigation_file import load_navigation
from abscopal.web.picture import png
from abscopal.web.routes.shared import ServerOf, SessionOf, missing
from abscopal.web.shelf import PICTURE_STEP

router = APIRouter(prefix="/planning", tags=["planning"])
NAVIGATION = "navigation.npz"
WASH = 0.55  # opacity of the dose over the CT
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Sliders(BaseModel):
    """Where the sliders stand, and the one that was moved."""

    model_config = ConfigDict(extra="forbid")

    mix: Annotated[list[Share], Field(max_length=50)]
    figure: str = ""
    value: Annotated[float, Field(allow_inf_nan=False)] = 0.0


@router.get("/{job_id}")
def plans(job_id: str, server: ServerOf, session: SessionOf) -> dict[str, Any]:
    """The plans of a job, and the range of every figure that mixes linearly."""
    made = _navigator(server, session, job_id)
    return {
        "plans": list(made.plans),
        "targets": list(made.targets),
        "n_fractions": made.n_fractions,
        "prescription_gy": made.prescription_gy,
        "kind": made.kind,
        "notes": list(made.notes),
        "figures": [
            {"name": name, "unit": made.units[name], "values": values.tolist()} for name, values in made.linear.items()
        ],
    }


@router.post("/{job_id}")
def mix(job_id: str, sliders: Sliders, server: ServerOf, session: SessionOf) -> dict[str, Any]:
    """The plan of a mix, or of the mix that brings one figure to a value while the others worsen least."""
    made = _navigator(server, session, job_id)
    shares = made.steer(sliders.figure, sliders.value, sliders.mix) if sliders.figure else made.mix_of(sliders.mix)
    found = made.at(shares)
    return {
        "mix": np.asarray(found.mix).tolist(),
        "metrics": [vars(one) for one in found.metrics],
        "curves": [
            {"name": one.name, "dose_gy": one.dose.tolist(), "volume": np.round(one.volume, 5).tolist()}
            for one in found.curves
        ],
    }


@router.get("/{job_id}/plane")
def plane(job_id: str, mix: str, server: ServerOf, session: SessionOf) -> Response:
    """The axial plane through the middle of the dose, as PNG; over the CT while the case is open."""
    job = server.jobs.get(session.owner, job_id)
    made = _navigator(server, session, job_id)
    found = made.at([float(part) if _plain(part) else -1.0 for part in mix.split(",")])
    held = server.shelf.case(session.owner, job.case_id) if job and job.case_id else None
    cutter = held.cutter if held else Cutter(found.dose, PICTURE_STEP)
    stream = io.BytesIO()
    cut = cutter.cut(PLANES[0], _height(made), found.dose)
    png(cut, float(made.axis[-1]), WASH).save(stream, "PNG")
    return Response(stream.getvalue(), media_type="image/png")


def _height(made: Navigator) -> float:
    """Where along the body the middle of the first target lies, in mm."""
    region = next(one for one in made.regions if one.name == made.targets[0])
    k, j, i = np.array(np.unravel_index(made.voxels[region.voxels], made.shape)).mean(axis=1)
    return float((made.affine @ np.array([i, j, k, 1.0]))[2])


def _plain(text: str) -> bool:
    return len(text) < 30 and text.replace(".", "", 1).replace("e-", "", 1).isdigit()


def _navigator(server: ServerOf, session: SessionOf, job_id: str) -> Navigator:
    job = server.jobs.get(session.owner, job_id)
    path = server.jobs.folder(job) / NAVIGATION if job else None
    if path is None or not path.is_file():
        raise missing("set of plans to navigate between")
    return _loaded(path, path.stat().st_mtime)


@lru_cache(maxsize=4)
def _loaded(path: Path, _written: float) -> Navigator:
    return load_navigation(path)

"""The forms, the tables they take, and running them."""

import csv
import io
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict

from abscopal import __version__
from abscopal.domain.errors import InputError
from abscopal.domain.manifest import RESEARCH_USE
from abscopal.domain.patient import example_toml
from abscopal.domain.regimen import Regimen
from abscopal.stratification.columns import known_fields, recognise
from abscopal.trials.examples import example_design
from abscopal.web.forms import fields_of, shown, words
from abscopal.web.routes.shared import ServerOf, SessionOf
from abscopal.web.shelf import FILE_BYTES
from abscopal.web.views import VIEWS, view_of
from abscopal.window.experiment import reference_drugs

router = APIRouter(tags=["views"])


class Filled(BaseModel):
    """A filled form."""

    model_config = ConfigDict(extra="forbid")

    values: dict[str, str | float | bool | list[str] | None]


@router.get("/about")
def about() -> dict[str, Any]:
    """Version, what this is, examples of the texts that forms take, and the fields a table's columns can mean."""
    course = Regimen.equal_fractions(8.0, 3, drug_doses=reference_drugs()).to_toml()
    examples = {"patient": example_toml(), "design": example_design("consolidation"), "regimens": course}
    return {"version": __version__, "research_use": RESEARCH_USE, "examples": examples, "fields": known_fields()}


@router.get("/views")
def views(server: ServerOf) -> list[dict[str, Any]]:
    """Every form."""
    return [
        {
            "name": view.name,
            "group": view.group,
            "title": view.title,
            "about": view.about,
            "fields": [field.public() for field in fields_of(view, server.root).values()],
        }
        for view in VIEWS.values()
    ]


@router.post("/views/{name}/command")
def command(name: str, filled: Filled, server: ServerOf, session: SessionOf) -> dict[str, str]:
    """The command line that a filled form stands for, or what it still lacks."""
    try:
        return {"command": shown([*_changed(session.what_if), *words(view_of(name), server.root, filled.values)])}
    except InputError as problem:
        return {"lacks": problem.found, "expected": problem.expected}


@router.post("/views/{name}/run", status_code=202)
def run(name: str, filled: Filled, server: ServerOf, session: SessionOf) -> dict[str, Any]:
    """Queue the command of a filled form."""
    argv = [*_changed(session.what_if), *words(view_of(name), server.root, filled.values)]
    case_id = next((word.removeprefix("@case/") for word in argv if word.startswith("@case/")), "")
    job = server.jobs.submit(session.owner, name, argv, case_id)
    return job.public() | {"command": shown(job.argv)}


@router.post("/files", status_code=201)
async def take_file(request: Request, suffix: str, server: ServerOf, session: SessionOf) -> dict[str, Any]:
    """Keep a table or text for a form: the request's body is its content."""
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > FILE_BYTES:
            break
    file_id = server.shelf.put_file(session.owner, bytes(content), suffix)
    return {"file": f"@file/{file_id}", "columns": _columns(bytes(content)) if suffix == ".csv" else []}


def _columns(content: bytes) -> list[dict[str, str]]:
    """Column names of a CSV file, and the field and unit that each is read as; empty where it is not used."""
    try:
        text = content[:100_000].decode("utf-8-sig", errors="strict")
        names = next(csv.reader(io.StringIO(text)), [])[:500]
    except (UnicodeDecodeError, csv.Error) as problem:
        raise InputError(
            doing="reading a table",
            found=f"{type(problem).__name__}",
            expected="a CSV file in UTF-8 whose first line names the columns",
            try_="saving the table as CSV UTF-8",
        ) from problem
    return [_meaning(name) for name in names]


def _meaning(name: str) -> dict[str, str]:
    found = recognise(name)
    return {"name": name, "field": found.field if found else "", "unit": found.unit if found else ""}


def _changed(what_if: dict[str, float]) -> list[str]:
    return [f"--what-if={key}={value!r}" for key, value in sorted(what_if.items())]

"""Every sourced number, and changed copies of them for what-if runs."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from abscopal.knowledge.load import catalogue, checked_change
from abscopal.knowledge.schema import STATUS_MEANING, Number
from abscopal.web.routes.shared import SessionOf

router = APIRouter(prefix="/knowledge", tags=["knowledge"])


class Change(BaseModel):
    """A number to change, or to put back with `null`."""

    model_config = ConfigDict(extra="forbid")

    key: str
    value: float | None


@router.get("")
def numbers(session: SessionOf, search: str = "", status: str = "", start: int = 0, count: int = 100) -> dict[str, Any]:
    """Entries whose key or meaning holds a text, a page at a time."""
    text = search.casefold()
    wanted = [
        one
        for one in catalogue()
        if (text in one.key.casefold() or text in one.entry.meaning.casefold()) and status in ("", one.entry.status)
    ]
    page = wanted[max(0, start) : max(0, start) + max(0, min(count, 500))]
    rows = [
        {
            "key": one.key,
            **one.entry.model_dump(mode="json", exclude={"source"}),
            "source": one.source.model_dump(mode="json"),
            "scalar": isinstance(one.entry, Number) and not isinstance(one.entry.value, tuple),
            "changed": session.what_if.get(one.key),
        }
        for one in page
    ]
    return {"total": len(wanted), "rows": rows, "statuses": STATUS_MEANING, "what_if": session.what_if}


@router.put("/what-if")
def change(wanted: Change, session: SessionOf) -> dict[str, float]:
    """Change a copy of a number for this session's runs; its own entry stays as it is."""
    if wanted.value is None:
        session.what_if.pop(wanted.key, None)
    else:
        session.what_if[wanted.key] = checked_change(wanted.key, wanted.value)
    return session.what_if

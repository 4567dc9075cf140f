"""Models found by name and by what they need; third parties join through entry points."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib.metadata import entry_points
from typing import Any, TypeVar

from abscopal.domain.errors import InputError, ModelError

T = TypeVar("T")
ENTRY_POINT_GROUP = "abscopal.models"


@dataclass(frozen=True)
class Entry:
    """One registered model: the object, what it needs, and facts about it."""

    kind: str
    name: str
    target: Any
    needs: tuple[str, ...]
    facts: Mapping[str, str] = field(default_factory=dict)


_entries: dict[tuple[str, str], Entry] = {}


def register(kind: str, name: str, *, needs: tuple[str, ...] = (), **facts: str) -> Callable[[T], T]:
    """Class or function decorator that makes a model findable under `(kind, name)`.

    Raises
    ------
    ModelError
        When the name is taken by another object or a fact is empty.
    """
    empty = [key for key, text in facts.items() if not text.strip()]

    def keep(target: T) -> T:
        taken = _entries.get((kind, name))
        if empty or (taken is not None and taken.target is not target):
            raise ModelError(
                doing=f"registering the {kind} '{name}'",
                found=f"empty {', '.join(empty)}" if empty else "a name already in use",
                expected="a unique name and no empty fact",
                try_="fill in the fact or choose another name",
            )
        _entries[kind, name] = Entry(kind, name, target, needs, dict(facts))
        return target

    return keep


def entries(kind: str) -> list[Entry]:
    """Every registered model of a kind, by name."""
    _load_plugins()
    return [entry for (entry_kind, _), entry in sorted(_entries.items()) if entry_kind == kind]


def find(kind: str, name: str) -> Entry:
    """The model registered as `name`; an unknown name answers with the close matches."""
    names = [entry.name for entry in entries(kind)]
    if name not in names:
        raise unknown_name(f"looking up the {kind} '{name}'", name, names)
    return _entries[kind, name]


def unknown_name(doing: str, name: str, known: list[str]) -> InputError:
    """The error for a name nobody knows, with the nearest known ones."""
    folded = {option.casefold(): option for option in known}
    near = [folded[match] for match in get_close_matches(name.casefold(), folded, n=1, cutoff=0.5)]
    return InputError(
        doing=doing,
        found=f"the unknown name '{name}'",
        expected="one of " + ", ".join(known[:12]) + (", …" if len(known) > 12 else ""),
        try_=f"'{near[0]}'" if near else "listing the known names",
    )


@cache
def _load_plugins() -> None:
    for point in entry_points(group=ENTRY_POINT_GROUP):
        point.load()

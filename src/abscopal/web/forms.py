"""Forms made from the commands themselves, so that a page can never ask what a command does not take."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from math import isfinite
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from typer.models import ArgumentInfo

from abscopal.domain.errors import InputError

KINDS: dict[Any, str] = {bool: "flag", int: "integer", float: "number", str: "text", Path: "file"}
PLACES = {"case": "case", "first": "case", "second": "case", "plans": "job"}
"""Parameters that take an uploaded case, or the folder that an earlier job filled."""
SHELL_ONLY = {
    "out", "as_json", "frame_mismatch", "example", "schema", "latex", "cluster", "workers", "volumes", "flows",
    "chunk_size", "resume", "calibration", "cards",
    "weights", "into_study", "example_words",
}  # fmt: skip
"""Output, formats that only print, folders of earlier runs, and what reaches beyond this process."""
Words = list[str]


@dataclass(frozen=True)
class View:
    """One page that runs one command.

    Attributes
    ----------
    group : str
        Name of the tab it stands under.
    title, about : str
    command : tuple of str
        Words after `abscopal`.
    writes : str
        File name that `--out` of the command takes; "" where it takes a folder.
    """

    group: str
    title: str
    about: str
    command: tuple[str, ...]
    writes: str = ""

    @property
    def name(self) -> str:
        """The command in one word."""
        return "-".join(self.command)


@dataclass(frozen=True)
class Field:
    """One parameter of a command as a page asks for it."""

    name: str
    flags: tuple[str, ...]
    kind: str
    help: str
    default: Any
    required: bool
    many: bool
    minimum: float | None
    maximum: float | None
    choices: tuple[str, ...]

    @property
    def positional(self) -> bool:
        """Whether it is an argument rather than an option."""
        return not self.flags

    def public(self) -> dict[str, Any]:
        """What the browser draws."""
        shown = {key: getattr(self, key) for key in ("name", "kind", "help", "required", "many", "minimum", "maximum")}
        plain = isinstance(self.default, str | int | float | bool)
        label = (self.flags[0] if self.flags else self.name).strip("-").replace("-", " ").replace("_", " ")
        return {**shown, "label": label, "choices": self.choices, "default": self.default if plain else None}


def callback_of(view: View, app: typer.Typer) -> Callable[..., Any]:
    """The function behind a view's command.

    Raises
    ------
    LookupError
        The program has no such command; a defect of the view.
    """
    *groups, last = view.command
    for word in groups:
        app = next(g.typer_instance for g in app.registered_groups if g.name == word and g.typer_instance)
    for info in app.registered_commands:
        name = info.name or (info.callback.__name__.replace("_", "-") if info.callback else "")
        if name == last and info.callback is not None:
            return info.callback
    for group in app.registered_groups:  # a group that runs something by itself
        own = group.typer_instance.registered_callback if group.name == last and group.typer_instance else None
        if own is not None and own.callback is not None:
            return own.callback
    raise LookupError(f"there is no command {' '.join(view.command)}")


def fields_of(view: View, app: typer.Typer) -> dict[str, Field]:
    """The fields of a view's form: every parameter of the command but those that only a shell needs.

    A path becomes an uploaded case or file, so no page can name a path of this machine.
    """
    parameters = inspect.signature(callback_of(view, app)).parameters
    return {
        name: _field(one)
        for name, one in parameters.items()
        if name not in SHELL_ONLY and one.annotation is not typer.Context
    }


def words(view: View, app: typer.Typer, values: Mapping[str, Any]) -> Words:
    """The command line of a filled form.

    Parameters
    ----------
    values : mapping of str to str, number, bool or list
        By field name; files, cases and jobs as `@file/ID`, `@case/ID` and `@job/ID`.

    Raises
    ------
    InputError
        A field the view does not have, or a value that its command would refuse.
    """
    fields = fields_of(view, app)
    strange = sorted(set(values) - set(fields))
    if strange:
        raise _refused(view, f"a field '{strange[0]}'", "fields of this form")
    options: Words = []
    positional: Words = []
    for name, field in fields.items():
        value = values.get(name)
        if value is None or value in ("", []):
            if field.required:
                raise _refused(view, f"no {field.name.replace('_', ' ')}", "a value for it")
            continue
        (positional if field.positional else options).extend(_words(view, field, value))
    known = inspect.signature(callback_of(view, app)).parameters
    options += [f"--out=@out/{view.writes}".rstrip("/")] if "out" in known else []
    options += ["--json"] if "as_json" in known else []
    return [*view.command, *options, *positional]


def shown(argv: Sequence[str]) -> str:
    """The command line as a person would type it, with words in place of ids."""
    text = []
    for word in argv:
        option, mark, value = word.rpartition("=") if word.startswith("--") else ("", "", word)
        if value.startswith("@case/"):
            value = "CASE"
        elif value.startswith("@file/"):
            value = f"FILE{Path(value).suffix}"
        elif value.startswith("@job/"):
            value = "PLANS"
        elif value.startswith("@out"):
            value = f"OUT{value.removeprefix('@out')}"
        text.append(f"{option}{mark}{value!r}" if set(value) & set(" ;&|'\"") else f"{option}{mark}{value}")
    return " ".join(["abscopal", *text])


def _field(parameter: inspect.Parameter) -> Field:
    base, info = get_args(parameter.annotation) if get_origin(parameter.annotation) is Annotated else (str, None)
    (annotation, *_) = _without_none(base)
    kind, many, choices = _kind(parameter.name, annotation)
    # Where an option is declared inside Annotated, its first name stands where a default would.
    first = getattr(info, "default", None)
    declared = [one for one in (first, *(getattr(info, "param_decls", None) or ())) if isinstance(one, str)]
    flags = [one for one in declared if one.startswith("--")] or [f"--{parameter.name.replace('_', '-')}"]
    default = None if parameter.default is inspect.Parameter.empty else parameter.default
    return Field(
        name=parameter.name,
        flags=() if isinstance(info, ArgumentInfo) else tuple(f for flag in flags for f in flag.split("/")),
        kind=kind,
        help=getattr(info, "help", "") or "",
        default=default.value if isinstance(default, Enum) else default,
        required=parameter.default is inspect.Parameter.empty,
        many=many,
        minimum=getattr(info, "min", None),
        maximum=getattr(info, "max", None),
        choices=choices,
    )


def _without_none(annotation: Any) -> list[Any]:
    if get_origin(annotation) in (Union, UnionType):
        return [one for one in get_args(annotation) if one is not NoneType]
    return [annotation]


def _kind(name: str, annotation: Any) -> tuple[str, bool, tuple[str, ...]]:
    if get_origin(annotation) is list:
        kind, _, choices = _kind(name, get_args(annotation)[0])
        return kind, True, choices
    if get_origin(annotation) is Literal:
        return "choice", False, tuple(str(one) for one in get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return "choice", False, tuple(str(one.value) for one in annotation)
    kind = KINDS.get(annotation, "text")
    return (PLACES.get(name, kind) if kind in {"file", "text"} else kind), False, ()


def _words(view: View, field: Field, value: Any) -> Words:
    values = value if isinstance(value, list) else [value]
    texts = [_text(view, field, one) for one in values]
    if field.positional:
        return texts
    if field.kind == "flag":
        return [] if value == field.default else list(field.flags[:1] if value is True else field.flags[1:2])
    return [f"{field.flags[0]}={text}" for text in texts]


def _text(view: View, field: Field, value: Any) -> str:
    """One value as a word, if the field may have it."""
    label = field.name.replace("_", " ")
    if field.kind in {"case", "file", "job"} and not str(value).startswith(f"@{field.kind}/"):
        raise _refused(view, f"a {label} that is not this session's", f"a {field.kind} of this session")
    if field.kind == "choice" and value not in field.choices:
        raise _refused(view, f"{label} {value!r:.40}", "one of " + ", ".join(field.choices))
    if field.kind in {"integer", "number"}:
        return _number(view, field, value, label)
    if field.positional and str(value).startswith("-"):
        raise _refused(view, f"{label} that starts with a dash", "a plain value")
    return str(value)


def _number(view: View, field: Field, value: Any, label: str) -> str:
    low, high = field.minimum, field.maximum
    span = f"{'any' if low is None else format(low, 'g')} to {'any' if high is None else format(high, 'g')}"
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise _refused(view, f"{label} {value!r:.40}", f"a number, {span}") from None
    whole = field.kind != "integer" or number.is_integer()
    if not isfinite(number) or not whole or (low is not None and number < low) or (high is not None and number > high):
        raise _refused(view, f"{label} {number:g}", f"{'a whole' if field.kind == 'integer' else 'a'} number, {span}")
    return str(int(number)) if field.kind == "integer" else repr(number)


def _refused(view: View, found: str, expected: str) -> InputError:
    return InputError(
        doing=f"reading the form '{view.title}'", found=found, expected=expected, try_="correcting that field"
    )

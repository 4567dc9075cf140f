"""Forms made from the commands themselves, so that a page can never ask what a command does not take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperArgument, TyperGroup

from abscopal.domain.errors import InputError

HIDDEN = {"help", "as_json", "out", "example", "schema", "install_completion"}
PLAIN = {"integer": "integer", "float": "number", "boolean": "flag", "path": "file"}
Words = list[str]


@dataclass(frozen=True)
class View:
    """One page that runs one command.

    Attributes
    ----------
    name, title, about : str
    command : tuple of str
        Words after `abscopal`.
    fields : tuple of str
        Parameters that the page offers, in order; a path parameter becomes a case or a file.
    writes : str
        What `--out` of the command names: "folder", a file name, or "" where it has none.
    """

    name: str
    title: str
    about: str
    command: tuple[str, ...]
    fields: tuple[str, ...]
    writes: str = "folder"


def command_of(view: View, root: TyperGroup) -> Any:
    """The command behind a view, below the root command."""
    found: Any = root
    for word in view.command:
        if not isinstance(found, TyperGroup) or word not in found.commands:
            raise LookupError(f"there is no command {' '.join(view.command)}")
        found = found.commands[word]
    return found


def form(view: View, root: TyperGroup) -> list[dict[str, Any]]:
    """The fields of a view's form, as the browser draws them."""
    known = {parameter.name: parameter for parameter in command_of(view, root).params}
    return [_field(known[name]) for name in view.fields]


def words(view: View, root: TyperGroup, values: Mapping[str, Any]) -> Words:
    """The command line of a filled form, checked by the command's own parser.

    Parameters
    ----------
    values : mapping of str to str, number, bool or list
        By field name; files and cases as `@file/ID` and `@case/ID`.

    Raises
    ------
    InputError
        A field the view does not have, or a value the command refuses.
    """
    command = command_of(view, root)
    known = {parameter.name: parameter for parameter in command.params}
    strange = sorted(set(values) - set(view.fields))
    if strange:
        raise _refused(view, f"a field '{strange[0]}'", "fields of this form")
    options: Words = []
    positional: Words = []
    for name in view.fields:
        target = positional if isinstance(known[name], TyperArgument) else options
        target += _words(view, known[name], values.get(name))
    if view.writes:
        options.append("--out=@out" if view.writes == "folder" else f"--out=@out/{view.writes}")
    if any(parameter.name == "as_json" for parameter in command.params):
        options.append("--json")
    _check(view, command, [*options, *positional])
    return [*view.command, *options, *positional]


def shown(argv: Sequence[str]) -> str:
    """The command line as a person would type it, with words in place of ids."""
    text = []
    for word in argv:
        option, mark, value = word.rpartition("=") if word.startswith("--") else ("", "", word)
        for prefix, name in (("@case/", "CASE"), ("@out", "OUT")):
            if value.startswith(prefix):
                value = name + (value.removeprefix(prefix) if prefix == "@out" else "")
        if value.startswith("@file/"):
            value = f"FILE{Path(value).suffix}"
        text.append(f"{option}{mark}{value}" if not set(value) & set(" ;&|'\"") else f"{option}{mark}{value!r}")
    return " ".join(["abscopal", *text])


def _field(parameter: Any) -> dict[str, Any]:
    kind, limits = _kind(parameter)
    default = parameter.default() if callable(parameter.default) else parameter.default
    return {
        "name": parameter.name,
        "label": str(parameter.name).replace("_", " "),
        "help": getattr(parameter, "help", None) or "",
        "kind": kind,
        "many": bool(getattr(parameter, "multiple", False)),
        "required": bool(parameter.required),
        "default": getattr(default, "value", default) if isinstance(default, str | int | float | bool) else None,
        **limits,
    }


def _kind(parameter: Any) -> tuple[str, dict[str, Any]]:
    kind: Any = parameter.type
    if hasattr(kind, "choices"):
        return "choice", {"choices": [str(getattr(choice, "value", choice)) for choice in kind.choices]}
    name = PLAIN.get(kind.name.removesuffix(" range"), "text")
    if name == "file":
        return ("case" if parameter.name == "case" else "file"), {}
    limits = {"minimum": kind.min, "maximum": kind.max} if hasattr(kind, "min") else {}
    return name, limits


def _words(view: View, parameter: Any, value: Any) -> Words:
    if value is None or value in ("", []):
        return []
    values = value if isinstance(value, list) else [value]
    kind, _ = _kind(parameter)
    if kind in {"case", "file"} and not all(str(one).startswith(f"@{kind}/") for one in values):
        raise _refused(view, f"a {parameter.name} that was not uploaded", f"an uploaded {kind}")
    if isinstance(parameter, TyperArgument):
        return [str(one) for one in values]
    flag = max(parameter.opts, key=len)
    if kind == "flag":
        names = [flag] if value else list(parameter.secondary_opts[:1])
        return [*names]
    return [f"{flag}={one}" for one in values]


def _check(view: View, command: Any, argv: Words) -> None:
    try:
        command.make_context(view.name, list(argv), resilient_parsing=False).close()
    except typer.BadParameter as problem:
        raise _refused(view, problem.format_message(), "values the command takes") from problem


def _refused(view: View, found: str, expected: str) -> InputError:
    return InputError(
        doing=f"reading the form '{view.title}'", found=found, expected=expected, try_="correcting that field"
    )

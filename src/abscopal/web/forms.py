"""Forms made from the commands themselves, so that a page can never ask what a command does not take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import click
import typer.main

from abscopal.domain.errors import InputError

HIDDEN = {"help", "as_json", "out", "example", "schema", "install_completion"}
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


@cache
def command_of(view: View) -> click.Command:
    """The command behind a view."""
    from abscopal.cli.main import app

    found: click.Command = typer.main.get_command(app)
    for word in view.command:
        if not isinstance(found, click.Group) or word not in found.commands:
            raise LookupError(f"abscopal has no command {' '.join(view.command)}")
        found = found.commands[word]
    return found


def form(view: View) -> list[dict[str, Any]]:
    """The fields of a view's form, as the browser draws them."""
    known = {parameter.name: parameter for parameter in command_of(view).params}
    return [_field(known[name]) for name in view.fields]


def words(view: View, values: Mapping[str, Any]) -> Words:
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
    command = command_of(view)
    known = {parameter.name: parameter for parameter in command.params}
    strange = sorted(set(values) - set(view.fields))
    if strange:
        raise _refused(view, f"a field '{strange[0]}'", "fields of this form")
    options: Words = []
    positional: Words = []
    for name in view.fields:
        target = positional if isinstance(known[name], click.Argument) else options
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


def _field(parameter: click.Parameter) -> dict[str, Any]:
    kind, limits = _kind(parameter)
    default = parameter.get_default(click.Context(click.Command("form")))
    return {
        "name": parameter.name,
        "label": str(parameter.name).replace("_", " "),
        "help": getattr(parameter, "help", None) or "",
        "kind": kind,
        "many": bool(parameter.multiple) if isinstance(parameter, click.Option) else False,
        "required": bool(parameter.required),
        "default": default if isinstance(default, str | int | float | bool) else None,
        **limits,
    }


def _kind(parameter: click.Parameter) -> tuple[str, dict[str, Any]]:
    kind = parameter.type
    if isinstance(kind, click.Choice):
        return "choice", {"choices": [str(choice) for choice in kind.choices]}
    if isinstance(kind, click.IntRange | click.FloatRange):
        name = "integer" if isinstance(kind, click.IntRange) else "number"
        return name, {"minimum": kind.min, "maximum": kind.max}
    plain: dict[str, str] = {"integer": "integer", "float": "number", "boolean": "flag"}
    if kind.name in plain:
        return plain[kind.name], {}
    if isinstance(kind, click.Path) or kind.name == "path":
        return ("case" if parameter.name == "case" else "file"), {}
    return "text", {}


def _words(view: View, parameter: click.Parameter, value: Any) -> Words:
    if value is None or value in ("", []):
        return []
    values = value if isinstance(value, list) else [value]
    kind, _ = _kind(parameter)
    if kind in {"case", "file"} and not all(str(one).startswith(f"@{kind}/") for one in values):
        raise _refused(view, f"a {parameter.name} that was not uploaded", f"an uploaded {kind}")
    if isinstance(parameter, click.Argument):
        return [str(one) for one in values]
    flag = max(parameter.opts, key=len)
    if kind == "flag":
        names = [flag] if value else list(parameter.secondary_opts[:1])
        return [*names]
    return [f"{flag}={one}" for one in values]


def _check(view: View, command: click.Command, argv: Words) -> None:
    try:
        command.make_context(view.name, list(argv), resilient_parsing=False).close()
    except click.UsageError as problem:
        raise _refused(view, problem.format_message(), "values the command takes") from problem
    except (click.exceptions.Exit, click.Abort) as stop:
        raise _refused(view, "an option that only prints", "a run") from stop


def _refused(view: View, found: str, expected: str) -> InputError:
    return InputError(
        doing=f"reading the form '{view.title}'", found=found, expected=expected, try_="correcting that field"
    )

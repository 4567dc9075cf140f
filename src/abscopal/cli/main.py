"""The `abscopal` command: parsing, exit codes and error messages.

Exit codes: 0 done, 1 the run failed, 2 the input was wrong. Errors go to stderr as the
four parts of their message; a traceback only with `--debug`. Commands import what they
need when they run, so that `--version` and `--help` stay fast.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from abscopal import __version__
from abscopal.cli import (
    assess,
    blood,
    demo,
    inference,
    interchange,
    knowledge,
    learned,
    plan,
    plan_lattice,
    predict,
    published,
    regimens,
    sample,
    serve,
    simulate,
    stratify,
    toxicity,
    trial_predictions,
    trials,
    virtual_trials,
    window,
)
from abscopal.cli.console import errors
from abscopal.domain.errors import AbscopalError

app = typer.Typer(
    name="abscopal",
    help="Workbench for radiotherapy combined with immunotherapy. Research use only.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
for module in (assess, blood, demo, published, regimens, sample, serve, simulate, window):
    module.add_to(app)
app.add_typer(inference.app, name="inference")
app.add_typer(interchange.app, name="interchange")
app.add_typer(knowledge.app, name="knowledge")
plan_lattice.add_to(plan.app)
predict.add_to(plan.app)
app.add_typer(plan.app, name="plan")
app.add_typer(stratify.app, name="stratify")
app.add_typer(toxicity.app, name="toxicity")
learned.add_to(toxicity.app, stratify.app)
virtual_trials.add_to(trials.app)
trial_predictions.add_to(trials.app)
app.add_typer(trials.app, name="trials")


def _version(value: bool) -> None:
    if value:
        typer.echo(f"abscopal {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    what_if: Annotated[
        list[str] | None,
        typer.Option("--what-if", help="Use another value of a sourced number in this run: `immune/diw:alpha=0.3`."),
    ] = None,
    _debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Workbench for radiotherapy combined with immunotherapy. Research use only."""
    if what_if:
        from abscopal.cli.what_if import change_numbers

        change_numbers(what_if)


def main(arguments: list[str] | None = None) -> None:
    """Entry point: run the command and turn deliberate errors into messages and exit codes."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        app(words)
    except AbscopalError as error:
        if "--debug" in words:
            raise
        _say(error, as_json="--json" in words)
        sys.exit(error.exit_code)
    except OSError as error:
        if "--debug" in words:
            raise
        _say(_as_ours(error), as_json="--json" in words)
        sys.exit(AbscopalError.exit_code)


def _as_ours(error: OSError) -> AbscopalError:
    """A refusal of the operating system, such as a full disk, in the form of every other message."""
    # The name without its folder: a path says more about the machine and its user than the message needs.
    name = Path(str(error.filename)).name if error.filename else "no file named"
    return AbscopalError(
        doing="reading or writing a file",
        found=f"{error.strerror or type(error).__name__}: {name}",
        expected="a file or folder this user may read and write, and room on the disk",
        try_="another folder for --out",
    )


def _say(error: AbscopalError, *, as_json: bool) -> None:
    if as_json:
        sys.stderr.write(json.dumps(error.parts()) + "\n")
        return
    console = errors()
    console.print(f"[bold red]Stopped[/] while {error.doing}", highlight=False, soft_wrap=True)
    for label, text in (("found", error.found), ("expected", error.expected), ("try", error.try_)):
        console.print(f"  {label:9}", text, markup=False, highlight=False, soft_wrap=True)

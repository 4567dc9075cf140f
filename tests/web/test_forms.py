"""Forms are the commands, and cannot be made to say anything else."""

import pytest
import typer.main
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from abscopal.cli.main import app as root
from abscopal.domain.errors import InputError
from abscopal.web.forms import fields_of, shown, words
from abscopal.web.views import VIEWS, view_of

ASSESS, WINDOW = view_of("assess"), view_of("window")


@pytest.mark.parametrize("name", VIEWS)
def test_every_view_has_a_command_with_help_for_every_field(name):
    fields = fields_of(VIEWS[name], root)
    assert all(field.help for field in fields.values())
    assert CliRunner().invoke(root, [*VIEWS[name].command, "--help"]).exit_code == 0


def test_a_filled_form_is_a_command_line():
    argv = words(WINDOW, root, {"fractions": 5, "ici": "anti-PD-1", "off": ["trex1", "treg"], "weekdays": True})
    assert argv[:1] == ["window"]
    assert {"--fractions=5", "--ici=anti-PD-1", "--off=trex1", "--off=treg", "--weekdays", "--json"} <= set(argv)


def test_a_flag_turned_off_is_said():
    assert "--no-ablations" in words(WINDOW, root, {"ablations": False})


def test_paths_are_ids():
    argv = words(ASSESS, root, {"case": "@case/abc", "patient": "@file/def.toml"})
    assert argv[-1] == "@case/abc"
    assert shown(argv) == "abscopal assess --patient=FILE.toml --out=OUT --json CASE"


@pytest.mark.parametrize("value", ["/etc/passwd", "../x", "--out=elsewhere", "@file/x.csv"])
def test_no_form_can_name_a_path(value):
    with pytest.raises(InputError):
        words(ASSESS, root, {"case": value})


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"fractions": 0}, "1 to 60"),
        ({"fractions": 2.5}, "whole"),
        ({"fractions": "many"}, "number"),
        ({"parameters": "mine"}, "set-b"),
        ({"out": "elsewhere"}, "fields of this form"),
        ({"interval": float("nan")}, "number"),
    ],
)
def test_what_the_command_would_refuse_is_refused_here(values, told):
    with pytest.raises(InputError) as refused:
        words(WINDOW, root, values)
    assert told in refused.value.expected


@given(st.text(max_size=30))
def test_a_text_stays_one_word(text):
    argv = words(WINDOW, root, {"ici": text})
    assert [word for word in argv if word.startswith("--ici")] == ([f"--ici={text}"] if text else [])
    assert set(argv) - {f"--ici={text}"} == {"window", "--out=@out", "--json"}


def test_the_program_parses_what_a_form_makes():
    command = typer.main.get_command(root)
    argv = words(WINDOW, root, {"fractions": 4, "ablations": False})
    context = command.make_context("abscopal", [*argv[:-1]], resilient_parsing=True)
    assert context is not None

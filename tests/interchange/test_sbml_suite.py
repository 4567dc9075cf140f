"""Reading SBML: own cases with closed forms, in the layout of the public suite."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from abscopal.cli.main import app
from abscopal.domain.errors import InputError
from abscopal.simulation.control import Control
from abscopal.simulation.many import simulate_many
from abscopal.simulation.reference import Tolerance
from abscopal.simulation.solve import simulate
from tests.interchange import cases

pytest.importorskip("libsbml", reason="SBML comes with the extra 'interchange'")

from abscopal.interchange.sbml_read import read_sbml
from abscopal.interchange.sbml_suite import by_tag, run_case, run_suite
from abscopal.interchange.timed import timed


@pytest.mark.parametrize("name", list(cases.CASES))
def test_case(tmp_path, name):
    cases.write(tmp_path, name, *cases.CASES[name])
    result = run_case(tmp_path / name)
    assert (result.verdict, result.reason) == ("pass", "")
    assert result.worst <= 1


@pytest.mark.parametrize("name", list(cases.UNSUPPORTED))
def test_what_is_not_read_is_refused_by_name(tmp_path, name):
    tags, text, found = cases.UNSUPPORTED[name]
    cases.write(tmp_path, name, tags, text, {"x": np.zeros(9)}, "", "")
    result = run_case(tmp_path / name)
    assert result.verdict == "unsupported"
    assert any(word in result.reason for word in found.split("|"))
    assert "on line" in result.reason


def test_command_counts_by_tag_and_says_what_failed(tmp_path):
    for name in ("00001", "00005"):
        cases.write(tmp_path, name, *cases.CASES[name])
    name, (tags, text, _) = next(iter(cases.UNSUPPORTED.items()))
    cases.write(tmp_path, name, tags, text, {"x": np.zeros(9)}, "", "")
    done = CliRunner().invoke(app, ["interchange", "sbml-suite", str(tmp_path), "--json"])
    told = json.loads(done.stdout)
    assert done.exit_code == 0
    assert told["total"] == {"pass": 2, "fail": 0, "unsupported": 1, "error": 0}
    assert told["tags"]["RateRule"]["pass"] == 1
    wrong = tmp_path / "00005" / "00005-results.csv"
    wrong.write_text(wrong.read_text().replace("0.5,0.5", "0.5,0.6"))
    shown = CliRunner().invoke(app, ["interchange", "sbml-suite", str(tmp_path)])
    assert shown.exit_code == 1
    assert "x = 0.5 at 0.5, expected 0.6" in " ".join(shown.stdout.split())


def test_an_older_file_and_columns_that_name_the_model(tmp_path):
    cases.write(tmp_path, "00022", *cases.CASES["00022"])
    here = tmp_path / "00022"
    (here / "00022-sbml-l3v2.xml").rename(here / "00022-sbml-l2v4.xml")
    table = here / "00022-results.csv"
    table.write_text(table.read_text().replace("time,A,B", "time,case00022`A,case00022`B"))
    assert [(r.case, r.verdict) for r in run_suite(tmp_path)] == [("00022", "pass")]


def test_a_case_that_cannot_be_compared_is_an_error_not_a_pass(tmp_path):
    cases.write(tmp_path, "00001", *cases.CASES["00001"])
    (tmp_path / "00001" / "00001-results.csv").write_text("time,A\n0,nothing\n")
    assert run_case(tmp_path / "00001").verdict == "error"
    assert by_tag(run_suite(tmp_path))["Reaction"]["error"] == 1
    with pytest.raises(InputError, match="cases of the SBML Test Suite"):
        run_suite(tmp_path / "00002")


@pytest.mark.parametrize("name", list(cases.CASES))
def test_kernels_solve_the_cases_whose_events_are_at_known_times(name):
    _, text, columns, _, _ = cases.CASES[name]
    made = read_sbml(text)
    ready = timed(made.model)
    if ready is None:
        assert made.model.needs_history
        return
    model, events = ready
    control = Control(relative=1e-9, absolute=1e-12)
    found = simulate_many(model, events, cases.T, side="after", control=control)
    assert found.status.item() == (0 if model.states else 5)
    state = next(iter(columns))
    if state in found and state not in made.species:
        np.testing.assert_allclose(found[state].values[0], columns[state], rtol=1e-6, atol=1e-7)
    else:
        wanted = simulate(made.model, [], cases.T, side="after", tolerance=Tolerance(1e-9, 1e-12))
        for one in model.states:
            np.testing.assert_allclose(found[one.name].values[0], wanted[one.name], rtol=1e-6, atol=1e-9)

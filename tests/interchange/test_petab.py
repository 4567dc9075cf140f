"""PEtab: written without a complaint of its library, read back, fitted by pyPESTO with our gradient."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from abscopal.cli.main import app
from abscopal.domain.errors import InputError, UnsupportedError
from abscopal.domain.regimen import Regimen
from abscopal.simulation.events import Event
from abscopal.simulation.reference import Tolerance
from abscopal.simulation.solve import simulate
from tests.simulation.models import decay, forced_predator

pytest.importorskip("libsbml", reason="PEtab comes with the extra 'interchange'")
petab = pytest.importorskip("petab.v1", reason="PEtab comes with the extra 'interchange'")

from abscopal.interchange.petab_objective import pypesto_problem  # noqa: E402
from abscopal.interchange.petab_read import read_petab  # noqa: E402
from abscopal.interchange.petab_write import Estimated, Observable, write_petab  # noqa: E402

TIGHT = Tolerance(relative=1e-11, absolute=1e-13)
TRUE = {"k": 0.7, "alpha": 0.2}
DAYS = np.array([0.5, 1.5, 2.5, 4.0])
ARMS = {
    "untreated": [Event(0.25, "bolus", {"mg": 4.0})],
    "one_fraction": [Event(0.25, "bolus", {"mg": 4.0}), Event(1.0, "kill", {"d": 2.0})],
    "two_fractions": [Event(1.0, "kill", {"d": 2.0}), Event(2.0, "kill", {"d": 3.0})],
}
OBSERVABLES = {"amount": Observable("A", 0.05), "log_half": Observable("half", "sigma", scale="log")}
ESTIMATED = {
    "k": Estimated(1e-2, 1e1),
    "alpha": Estimated(1e-2, 1e1, "log", prior=(math.log(0.2), 0.5)),
    "sigma": Estimated(1e-3, 1.0, "lin"),
}


def measured(noise=0.0):
    rng, rows = np.random.default_rng(0), []
    for arm, course in ARMS.items():
        found = simulate(decay(), course, DAYS, parameters=TRUE, side="after")
        for day, amount in zip(DAYS, found["A"], strict=True):
            rows.append((arm, "amount", day, amount + noise * rng.standard_normal()))
            rows.append((arm, "log_half", day, amount / 2 * math.exp(noise * rng.standard_normal())))
    return pd.DataFrame(rows, columns=["arm", "observable", "day", "value"])


@pytest.fixture
def problem(tmp_path):
    return read_petab(write_petab(tmp_path / "p", decay(), ARMS, measured(0.05), OBSERVABLES, ESTIMATED))


def by_hand(k, alpha, sigma):
    """The negative log posterior, written out."""
    total = 0.0
    data = measured(0.05)
    for arm, course in ARMS.items():
        found = simulate(decay(), course, DAYS, parameters={"k": k, "alpha": alpha}, side="after")
        for day, y in zip(DAYS, found["A"], strict=True):
            rows = data[(data.arm == arm) & (data.day == day)].set_index("observable").value
            total += 0.5 * ((y - rows["amount"]) / 0.05) ** 2 + math.log(0.05 * math.sqrt(2 * math.pi))
            m = rows["log_half"]
            total += 0.5 * (math.log(y / 2 / m) / sigma) ** 2 + math.log(sigma * m * math.sqrt(2 * math.pi))
    x = math.log(alpha)
    return total + 0.5 * ((x - math.log(0.2)) / 0.5) ** 2 + math.log(0.5 * math.sqrt(2 * math.pi))


def startpoints(n_starts, **_):
    return np.random.default_rng(3).uniform([-0.5, -2.5, 0.02], [0.5, -0.5, 0.5], (n_starts, 3))


@pytest.mark.parametrize("values", [(0.7, 0.2, 0.05), (0.4, 0.5, 0.2)])
def test_the_objective_is_the_posterior_written_out_and_its_slope_is_its_own(problem, values):
    k, alpha, sigma = values
    theta = np.array([math.log10(k), math.log(alpha), sigma])
    assert problem.names == ["k", "alpha", "sigma"]
    value, slope = problem.objective(theta)
    assert value == pytest.approx(by_hand(*values), rel=1e-5)
    for i in range(3):
        step = np.zeros(3)
        step[i] = 1e-5
        central = (problem.objective(theta + step)[0] - problem.objective(theta - step)[0]) / 2e-5
        assert slope[i] == pytest.approx(central, rel=1e-4, abs=1e-4)


def test_likelihood_is_that_of_the_petab_library(problem, tmp_path):
    """Without the prior: petab's own calculation on simulated values."""
    from petab.v1.calculate import calculate_llh

    theirs = petab.Problem.from_yaml(tmp_path / "p" / "problem.yaml")
    simulated = theirs.measurement_df.rename(columns={"measurement": "simulation"}).copy()
    for i, row in simulated.iterrows():
        found = simulate(
            decay(),
            ARMS[row.simulationConditionId],
            [row.time],
            parameters=TRUE,
            side="after",
            horizon=5,
            tolerance=TIGHT,
        )
        simulated.loc[i, "simulation"] = found["A" if row.observableId == "amount" else "half"][0]
    parameters = theirs.parameter_df.copy()
    parameters.loc["sigma", "nominalValue"] = 0.05
    log_likelihood = calculate_llh(theirs.measurement_df, simulated, theirs.observable_df, parameters)
    ours, _ = problem.objective([math.log10(0.7), math.log(0.2), 0.05])
    prior = math.log(0.5 * math.sqrt(2 * math.pi))
    assert ours - prior == pytest.approx(-log_likelihood, rel=1e-6)


def test_pypesto_finds_the_parameters(problem):
    pytest.importorskip("pypesto", reason="pyPESTO comes with the extra 'inference'")
    from pypesto import optimize

    made = pypesto_problem(problem)
    made.startpoint_method = startpoints
    found = optimize.minimize(made, optimizer=optimize.ScipyOptimizer(), n_starts=2, progress_bar=False)
    best = found.optimize_result[0]
    assert 10 ** best.x[0] == pytest.approx(0.7, rel=0.1)
    assert math.exp(best.x[1]) == pytest.approx(0.2, rel=0.3)
    assert best.x[2] == pytest.approx(0.05, rel=0.6)


def test_arms_of_regimens(tmp_path):
    arms = {
        "control": Regimen(),
        "treated": Regimen.equal_fractions(2, 2, start=1),
        "late": [Event(9, "kill", {"d": 1})],
    }
    data = pd.DataFrame([("treated", "amount", 3.0, 0.1)], columns=["arm", "observable", "day", "value"])
    path = write_petab(tmp_path, decay(), arms, data, {"amount": Observable("A", 0.1)}, {"k": Estimated(0.1, 1)})
    found = read_petab(path)
    assert list(found.conditions) == ["control", "treated", "late"]
    assert set(found.conditions["control"].values()) == {0.0}
    expected = math.exp(-0.5 * 3 - 0.3 * 4)
    value, _ = found.objective([math.log10(0.5)])
    assert value == pytest.approx(0.5 * ((expected - 0.1) / 0.1) ** 2 + math.log(0.1 * math.sqrt(2 * math.pi)))


@pytest.mark.parametrize(
    ("table", "old", "new", "found"),
    [
        ("measurements.tsv", "amount\tuntreated", "nobody\tuntreated", "line 2 of measurements.tsv.*'nobody'"),
        ("measurements.tsv", "two_fractions", "nobody", "line 18 of measurements.tsv.*simulationConditionId 'nobody'"),
        ("parameters.tsv", "alpha", "alpa", "petab|alpa"),
        ("conditions.tsv", "event_1_mg", "nobody", "petab|nobody"),
        ("observables.tsv", "\tA\t", "\tnobody\t", "petab|nobody"),
        ("problem.yaml", "model.xml", "../model.xml", "not in its folder"),
        ("problem.yaml", "model.xml", "http://example.org/model.xml", "not in its folder"),
        ("problem.yaml", "parameters.tsv", "/etc/passwd", "not in its folder"),
        ("problem.yaml", "parameters.tsv", "none.tsv", "no such file"),
        ("problem.yaml", "problems", "broblems", "no list of the files"),
        ("measurements.tsv", "\t0.5\n", "\tsoon\n", "line 2 of the measurements.*soon|petab"),
        ("parameters.tsv", "nominalValue", "nominalvalue", "parameters|petab"),
        ("observables.tsv", "normal", "laplace", "laplace"),
        ("observables.tsv", "0.05", "0.05 * A", "noise formula"),
        ("parameters.tsv", "parameterScaleNormal", "laplace", "prior of the kind"),
        ("model.xml", "<sbml", "<!DOCTYPE x><sbml", "DOCTYPE|petab"),
    ],
)
def test_tables_that_do_not_fit_are_refused(tmp_path, table, old, new, found):
    path = write_petab(tmp_path, decay(), ARMS, measured(), OBSERVABLES, ESTIMATED)
    file = tmp_path / table
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises((InputError, UnsupportedError), match="(?i)" + found):
        read_petab(path)


def test_what_cannot_be_written_is_refused(tmp_path):
    data = measured()
    for wrong, words in (
        ({"arms": {"untreated": []}}, "one_fraction"),
        ({"observables": {"amount": Observable("B", 0.1)}}, "log_half|'B'"),
        ({"estimated": {"kk": Estimated(0.1, 1)}}, "kk"),
        ({"measurements": data.drop(columns="day")}, "day"),
    ):
        given = {"arms": ARMS, "measurements": data, "observables": OBSERVABLES, "estimated": ESTIMATED} | wrong
        with pytest.raises(InputError, match=words):
            write_petab(tmp_path, decay(), **given)
    arms = {"one": [Event(1.0, "flow", {"flow_rate": 1.0})], "none": []}
    one = pd.DataFrame([("one", "amount", 3.0, 0.1)], columns=["arm", "observable", "day", "value"])
    with pytest.raises(InputError, match="even without its arguments"):
        write_petab(tmp_path, decay(), arms, one, {"amount": Observable("A", 0.1)}, {"k": Estimated(0.1, 1)})
    assert forced_predator().impulses == ()


def run(*words):
    return CliRunner().invoke(app, ["interchange", *map(str, words)])


def test_commands_write_own_data_check_it_and_fit_it(tmp_path):
    pytest.importorskip("pypesto", reason="pyPESTO comes with the extra 'inference'")
    (tmp_path / "rt.toml").write_text("fraction_days = [7, 8]\nfraction_doses = [8, 8]\n")
    (tmp_path / "none.toml").write_text("")
    table = tmp_path / "data.csv"
    table.write_text("arm,observable,day,value\nrt,volume,12,30\nrt,volume,16,20\nnone,volume,12,250\n")
    given = ["--arm", f"rt={tmp_path / 'rt.toml'}", "--arm", f"none={tmp_path / 'none.toml'}", "--data", table,
             "--observe", "volume=V_0:0.2:log", "--estimate", "aT:0.01:1"]  # fmt: skip
    made = run("petab-export", tmp_path / "p", *given)
    assert made.exit_code == 0, made.output
    told = json.loads(run("petab-check", tmp_path / "p" / "problem.yaml", "--json").stdout)
    assert (told["conditions"], told["measurements"], told["parameters"]) == (["rt", "none"], 3, ["aT"])
    out = tmp_path / "fit.csv"
    fit = json.loads(run("petab-run", tmp_path / "p" / "problem.yaml", "--starts", 2, "--out", out, "--json").stdout)
    assert fit["objective"] <= told["objective_at_nominal"]
    assert out.read_text().startswith("parameter,value\naT,")
    for wrong in (
        ["--observe", "volume=V_0:0:log"],
        ["--observe", "V_0"],
        ["--estimate", "aT:1:0.1"],
        ["--estimate", "aT"],
    ):
        assert isinstance(run("petab-export", tmp_path / "q", *given[:-4], *wrong).exception, InputError)


def test_command_writes_the_numeric_rows_of_the_calibration(tmp_path):
    shown = run("petab-export", tmp_path)
    assert shown.exit_code == 0, shown.output
    lines = (tmp_path / "measurements.tsv").read_text(encoding="utf-8").splitlines()
    assert len(lines) > 20
    assert any("value_dX" in line for line in lines)


def test_bad_files_are_answered_with_the_line(tmp_path):
    path = write_petab(tmp_path, decay(), ARMS, measured(), OBSERVABLES, ESTIMATED)
    file = tmp_path / "measurements.tsv"
    file.write_text(file.read_text().replace("amount\tone", "amuont\tone", 1))
    wrong = run("petab-check", path).exception
    assert isinstance(wrong, InputError)
    assert "line 10 of measurements.tsv" in wrong.doing
    assert "'amuont'" in wrong.found

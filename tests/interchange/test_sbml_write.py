"""Writing SBML: consistent with its units, and read back to the same course."""

import numpy as np
import pytest

from abscopal.domain.errors import InputError, UnsupportedError
from abscopal.domain.regimen import DrugDose, Regimen
from abscopal.equations.builder import ModelBuilder
from abscopal.equations.pieces import TIME
from abscopal.equations.symbolic import hill, piecewise
from abscopal.immune.model import diw_model
from abscopal.immune.published.catalogue import published
from abscopal.simulation.control import Control
from abscopal.simulation.events import Event
from abscopal.simulation.many import simulate_many
from abscopal.simulation.reference import Tolerance
from abscopal.simulation.solve import simulate
from tests.simulation.models import decay, forced_predator, hires, infused, reversible_chain, robertson

libsbml = pytest.importorskip("libsbml", reason="SBML comes with the extra 'interchange'")

from abscopal.interchange.sbml_read import read_sbml  # noqa: E402
from abscopal.interchange.sbml_write import write_sbml  # noqa: E402
from abscopal.interchange.timed import timed  # noqa: E402

TIGHT = Tolerance(relative=1e-10, absolute=1e-12)
GIVEN = [Event(0.0, "bolus", {"mg": 2.0}), Event(1.0, "kill", {"d": 2.0}), Event(1.0, "bolus", {"mg": 3.0})]
COURSES = {
    "decay": (decay(), GIVEN),
    "infused": (infused(), []),
    "HIRES": (hires(), []),
    "chain": (reversible_chain(4), []),
    "season": (forced_predator(), []),
    "Robertson": (robertson(), []),
}  # fmt: skip


def complaints(text):
    """Everything libSBML says of a document, units and good practice included."""
    document = libsbml.readSBMLFromString(text)
    document.checkConsistency()
    return [document.getError(k).getMessage() for k in range(document.getNumErrors())]


@pytest.mark.parametrize("name", list(COURSES))
def test_written_and_read_back_is_the_same_course(name):
    model, course = COURSES[name]
    days = np.array([0.5, 1.0, 2.0, 5.0])
    text = write_sbml(model, course, initial={"A": 1.5} if name == "decay" else None)
    assert complaints(text) == []
    back = read_sbml(text)
    found = simulate(back.model, [], days, side="after", tolerance=TIGHT)
    wanted = simulate(
        model, course, days, side="after", tolerance=TIGHT, initial={"A": 1.5} if name == "decay" else None
    )
    for state in (*model.states, *model.quantities):
        np.testing.assert_allclose(found[state.name], wanted[state.name], rtol=1e-6, atol=1e-12, err_msg=state.name)


def test_kosinsky_with_a_regimen_by_the_kernel_to_a_millionth():
    antibody = tuple(DrugDose(drug="anti-PD-L1", mg=1.0, day=day) for day in (7.0, 9.0, 11.0))
    model, course = published("kosinsky2018").course(Regimen.equal_fractions(2, 5, start=7, drug_doses=antibody))
    text = write_sbml(model, course)
    assert complaints(text) == []
    made = timed(read_sbml(text).model)
    assert made is not None
    days, control = [6.5, 7.0, 11.5, 20.0, 57.0], Control(relative=1e-10, absolute=1e-12)
    found = simulate_many(*made, days, outputs="states", side="after", control=control)
    wanted = simulate_many(model, course, days, outputs="states", side="after", control=control)
    for state in model.states:
        np.testing.assert_allclose(found[state.name], wanted[state.name], rtol=1e-6, atol=1e-9, err_msg=state.name)


@pytest.mark.parametrize("name", ["kosinsky2018", "brueningk2021", "friedrich2022", "diw"])
def test_published_ordinary_models_are_written_without_complaint(name):
    model, course = published(name).course(Regimen.equal_fractions(2, 3, start=7))
    assert complaints(write_sbml(model, course)) == []


def test_dose_immune_model_with_fractions_and_doses_by_the_kernel():
    model = diw_model()
    regimen = Regimen.equal_fractions(8, 3, start=7, drug_doses=(DrugDose(drug="anti-PD-1", mg=0.2, day=8),))
    text = write_sbml(model, regimen)
    assert complaints(text) == []
    assert "identifiers.org/doi:" in text
    made = timed(read_sbml(text).model)
    assert made is not None
    bare, events = made
    assert [event.day for event in events] == [7, 8, 8, 9]
    days, control = [6.5, 7.0, 10.0, 60.0], Control(relative=1e-9)
    found = simulate_many(bare, events, days, outputs="states", control=control)
    wanted = simulate_many(model, regimen, days, outputs="states", control=control)
    for state in model.states:
        np.testing.assert_allclose(found[state.name], wanted[state.name], rtol=1e-6, atol=1e-9, err_msg=state.name)


def test_conditions_and_steps_of_a_clock_go_along():
    m = ModelBuilder("tank")
    r, full = m.parameter("r", "L/day", "inflow", value=2.0), m.parameter("full", "L", "limit", value=5.0)
    A = m.state("A", "L", "content", initial=0.0)
    n = m.state("n", "1", "steps", initial=0.0)
    m.rate("A", "inflow", r * piecewise((full / 2 < A, 1), otherwise=2), discontinuous=True)
    m.impulse("empty", "emptied", [])
    m.update("empty", "A", 0 * A)
    m.when("empty", full <= A)
    m.clock("tick", "step", every=1.0)
    m.update("tick", "n", n + 1)
    m.quantity("open", "1", "saturated", hill(A, full, m.parameter("steep", "1", "steepness", value=3.0)))
    text = write_sbml(m.build(), [], horizon=4.0)
    assert complaints(text) == []
    days = [0.7, 1.6, 3.3]
    found, wanted = (simulate(model, [], days) for model in (read_sbml(text).model, m.build()))
    for name in ("A", "n", "open"):
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-6, atol=1e-8)
    assert timed(read_sbml(text).model) is None


def test_what_sbml_cannot_hold_is_refused():
    m = ModelBuilder("past")
    y = m.state("y", "1", "state", initial=1.0)
    m.quantity("q", "1", "past", m.delayed("was", "1", "past", y, 1.0))
    with pytest.raises(UnsupportedError, match="delay was"):
        write_sbml(m.build())
    m = ModelBuilder("erf")
    import sympy as sp

    one = m.parameter("one", "1/day", "unit", value=1.0)
    m.quantity("q", "1", "bell", sp.erf(one * TIME))
    with pytest.raises(UnsupportedError, match="erf"):
        write_sbml(m.build())
    with pytest.raises(InputError, match="before the start"):
        write_sbml(decay(), [Event(-1.0, "bolus", {"mg": 1.0})])

"""A model for people: LaTeX that converts, names as in a paper, and the table."""

import pytest

from abscopal.equations.builder import ModelBuilder
from abscopal.equations.render import equations, name_in_latex
from abscopal.immune.model import diw_model

latex2mathml = pytest.importorskip("latex2mathml.converter", reason="latex2mathml comes with the docs")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("V", "V"),
        ("V_0", "V_{0}"),
        ("alpha", r"\alpha"),
        ("Gamma_1", r"\Gamma_{1}"),
        ("kill_0", r"\mathrm{kill}_{0}"),
        ("f_E_1", "f_{E,1}"),
        ("d_node", r"d_{\mathrm{node}}"),
        ("kX", r"\mathrm{kX}"),
    ],
)
def test_names_are_set_as_in_a_paper(name: str, shown: str) -> None:
    assert name_in_latex(name) == shown


def test_every_state_quantity_and_update_of_the_dose_immune_model_has_an_equation_that_converts() -> None:
    model = diw_model()
    found = equations(model)
    by_kind = {kind: [e.name for e in found if e.kind == kind] for kind in ("quantity", "rate", "update")}
    assert sorted(by_kind["quantity"]) == sorted(quantity.name for quantity in model.quantities)
    assert by_kind["rate"] == [state.name for state in model.states]
    assert len(by_kind["update"]) == len(model.updates)
    for equation in found:
        assert latex2mathml.convert(f"{equation.left} {equation.relation} {equation.right}").startswith("<math")
    assert model.latex().count("\\\\\n") == len(found) - 1


def test_switched_off_mechanisms_are_not_printed() -> None:
    full, off = diw_model(lesions=1), diw_model(lesions=1, switches={"trex1": False})
    assert r"\mathrm{kX}" in full.latex()
    assert r"\mathrm{kX}" not in off.latex()
    assert "X_0" not in set(off.table()["symbol"])


def test_values_of_the_past_are_printed_with_their_lag():
    m = ModelBuilder("lagged")
    y = m.state("y", "1", "state", initial=1.0)
    k, tau = m.parameter("k", "1/day", "rate", value=1.0), m.parameter("tau", "day", "lag", value=2.0)
    m.rate("y", "loss", -k * m.delayed("was", "1", "past", y, tau))
    model = m.build()
    assert r"\mathrm{was} &= y \;|\; t - \tau" in model.latex()
    row = model.table().set_index("symbol").loc["was"]
    assert (row["kind"], row["value"]) == ("delay", "tau")


def test_table_gives_values_as_numbers_and_initial_values_in_parameters() -> None:
    table = diw_model(lesions=1).table().set_index("symbol")
    assert table.loc["R_0", "value"] == "1"
    assert table.loc["V_0", "value"] == "V0_0"
    assert table.loc["alpha", ["value", "unit", "key"]].tolist() == ["0.2", "1/Gy", "immune/diw:alpha"]

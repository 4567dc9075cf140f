"""Files that are refused, with the element and the line, and never half read."""
# ruff: noqa: E501 - the documents are written as data

import sys

import pytest

from abscopal.domain.errors import InputError, UnsupportedError
from tests.interchange.cases import (
    AB,
    DELAY,
    L3,
    RATE_OF,
    K,
    ap,
    compartment,
    document,
    event,
    leaf,
    math,
    parameter,
    reaction,
    rule,
    species,
)

pytest.importorskip("libsbml", reason="SBML comes with the extra 'interchange'")

from abscopal.interchange import xml_text
from abscopal.interchange.sbml_read import read_sbml

BOMB = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
COMP = L3.replace(
    ' level="3"',
    ' xmlns:comp="http://www.sbml.org/sbml/level3/version1/comp/version1" comp:required="true" level="3"',
)
UNKNOWN = L3.replace(' level="3"', ' xmlns:new="http://example.org/new" new:required="true" level="3"')
COMPARED = f"<piecewise><piece>{leaf(1.0)}{ap('gt', 'y', 0.0)}</piece><otherwise>{leaf(2.0)}</otherwise></piecewise>"
UNDEFINED = document(
    ("Parameters", parameter("x", 1.0, "false") + parameter("y") + parameter("z")),
    (
        "InitialAssignments",
        f'<initialAssignment symbol="y">{math("<notanumber/>")}</initialAssignment><initialAssignment symbol="z">{math(COMPARED)}</initialAssignment>',
    ),
    ("Rules", rule("rate", "x", leaf("z"))),
)
ONE = ("Parameters", parameter("x", 1.0, "false") + K)


@pytest.mark.parametrize(
    ("text", "kind", "found"),
    [
        ("", InputError, "reading SBML"),
        ("not xml", InputError, "line 1"),
        ("<sbml", InputError, "line"),
        (document(ONE)[:-20], InputError, "line"),
        ("<html></html>", InputError, "line 1"),
        (document(ONE, before=BOMB), InputError, "DOCTYPE on line 2"),
        (document(ONE, before='<!doctype x SYSTEM "file:///etc/passwd">'), InputError, "DOCTYPE on line 2"),
        (document(ONE).replace("level3/version2", "level9/version1"), InputError, "line"),
        (document(ONE, head='<sbml xmlns="http://www.sbml.org/sbml/level2" level="2" version="1"><model>').replace(' constant="false"', "").replace(' constant="true"', ""), UnsupportedError, "Level 2 Version 1"),
        *((document(ONE).replace('level="3" version="2"', f'level="{a}" version="{b}"'), InputError, "line 2: level .* in the namespace") for a, b in (("3", "1e400"), ("0", "2"), ("", "2"), ("2", "4"), ("3", "-1"))),
        *((document(ONE).replace("UTF-8", name), InputError, "line 1: the encoding") for name in ("nonsense", "UTF-16", "utf-7", "")),
        (document(("Compartments", compartment()), ("Species", species("A", 1.0).replace('compartment="C"', 'compartment="D"'))), InputError, "'A' on line 3.*'D'|line 3.*D"),
        (UNDEFINED, InputError, "initial value of z.*undefined number"),
        (document(ONE, head=COMP), UnsupportedError, "required package .*comp"),
        (document(ONE, head=UNKNOWN), UnsupportedError, "required package .*example.org/new"),
        (document(ONE, ("Rules", rule("rate", "x", ap("times", "k", "nobody")))), InputError, "nobody"),
        (document(ONE, ("Rules", rule("rate", "nobody", leaf(1.0)))), InputError, "nobody"),
        (document(ONE, ("Rules", rule("rate", "x", leaf(1.0)) + rule("assignment", "x", leaf(1.0)))), InputError, "line 3"),
        (document(("Parameters", parameter("a", None, "false") + parameter("b", None, "false")), ("Rules", rule("assignment", "a", leaf("b")) + rule("assignment", "b", leaf("a")))), InputError, "a"),
        (document(("Parameters", parameter("x", None, "false")), ("Rules", rule("rate", "x", leaf(1.0)))), InputError, "no value"),
        (document(ONE, ("Rules", rule("rate", "x", ap(RATE_OF, "x")))), InputError, "line 3.*'x' refers to itself"),
        (document(("Parameters", parameter("x", 1.0, "false") + parameter("y", None, "false") + parameter("z", None, "false")), ("Rules", rule("assignment", "y", leaf(1.0)) + rule("assignment", "z", ap(RATE_OF, "y")))), InputError, "line 3.*assignmentRule uses 'y'|line 3.*uses 'y'"),
        (document(("Parameters", parameter("x", 1.0, "false") + parameter("k")), ("Rules", rule("rate", "x", leaf("k")))), InputError, "'k' on line 3"),
        (document(("Compartments", compartment()), ("Species", AB.replace('initialAmount="3.0"', "")), ("Parameters", K)), InputError, "species 'A' on line 3"),
        (document(ONE, ("Rules", rule("rate", "x", "<infinity/>"))), InputError, "the parameter 'x' on line 3.*finite real numbers"),
        (document(("Compartments", compartment()), ("Species", AB), ("Reactions", '<reaction id="J" reversible="false"><listOfReactants><speciesReference species="A" stoichiometry="1" constant="true"/></listOfReactants></reaction>')), InputError, "no kinetic law"),
        (document(("Compartments", compartment()), ("Species", species("A", 1.0)), ("Parameters", K), ("Reactions", reaction("J", ['<speciesReference species="A" constant="true"/>'], [], leaf("k")))), InputError, "no stoichiometry"),
        (document(ONE, ("Events", event(ap("gt", "x", 2.0), {"k": 1.0}))), InputError, "k"),
        (document(("Parameters", parameter("x", 1.0, "false")), ("Rules", rule("rate", "x", ap('<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/delay">d</csymbol>', "x", "x")))), InputError, "the rateRule 'x' on line 3.*lag"),
        (document(("Parameters", parameter("x", 1.0, "false") + parameter("y", None, "false")), ("Rules", rule("rate", "x", leaf(1.0)) + rule("assignment", "y", ap(DELAY, ap("plus", "x", "y"), 1.0)))), InputError, "line 3.*'y'"),
        ('<sbml xmlns="http://www.sbml.org/sbml/level1" level="1" version="2"><model><listOfCompartments><compartment name="C"/></listOfCompartments><listOfParameters><parameter name="x" value="1"/></listOfParameters></model></sbml>', UnsupportedError, "Level 1"),
        (document(ONE, ("Rules", f'<rateRule variable="x">{math("<semantics/>")}</rateRule>')), InputError, "line"),
    ],
)  # fmt: skip
def test_refused(text, kind, found):
    with pytest.raises(kind, match="(?s)" + found.replace("(", r"\(")):
        read_sbml(text)


def test_a_size_that_nothing_uses_may_be_missing():
    nameless = compartment().replace(' size="1.0"', "")
    made = read_sbml(document(("Compartments", nameless), ("Species", species("A", 2.0, only="true"))))
    assert [state.name for state in made.model.states] == ["A"]
    with pytest.raises(InputError, match="'C' on line 3"):
        read_sbml(document(("Compartments", nameless), ("Species", species("A", 2.0))))


def test_formulas_nested_without_end():
    deep = "<apply><minus/>" * 5000 + "<cn>1</cn>" + "</apply>" * 5000
    with pytest.raises(InputError, match="nested more than"):
        read_sbml(document(ONE, ("Rules", rule("rate", "x", deep))))
    allowed = "<apply><minus/>" * 150 + "<cn>1</cn>" + "</apply>" * 150
    assert read_sbml(document(ONE, ("Rules", rule("rate", "x", allowed)))).model.states[0].name == "x"


def test_bytes_that_are_not_text_and_files_that_are_too_large(tmp_path, monkeypatch):
    path = tmp_path / "m.xml"
    path.write_bytes(document(ONE).encode("utf-16"))
    with pytest.raises(InputError, match="UTF-8"):
        read_sbml(path)
    path.write_text(document(ONE))
    assert read_sbml(path).names == {"x": "x", "k": "k"}
    monkeypatch.setattr(xml_text, "LARGEST", 100)
    with pytest.raises(InputError, match="MiB at most"):
        read_sbml(path)


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "libsbml", None)
    with pytest.raises(UnsupportedError, match="interchange"):
        read_sbml(document(ONE))

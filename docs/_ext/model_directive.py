"""The `model` directive: a model's equations and symbols, printed from the model itself when the docs are built.

    ```{model} abscopal.immune.model:diw_model
    :lesions: 1
    ```

takes a function without required arguments that returns a model; options are passed to it as numbers.
"""

from importlib import import_module
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from abscopal.equations.model import Model
from abscopal.equations.render import Equation, equations, name_in_latex

_TITLES = {
    "quantity": "Quantities, each from those above it",
    "rate": "Rates of the states, per day",
    "update": "What each impulse does, in the values just before it",
}
_COLUMNS = ("symbol", "unit", "value", "meaning", "mechanism", "key")


class ModelDirective(SphinxDirective):
    """Prints equations, then tables of states, quantities and parameters."""

    required_arguments = 1
    option_spec: ClassVar = {"lesions": directives.nonnegative_int}

    def run(self) -> list[nodes.Node]:
        """The nodes of the page."""
        module, name = self.arguments[0].split(":")
        self.env.note_reread()  # the model may change while this page does not
        model: Model = getattr(import_module(module), name)(**self.options)
        found: list[nodes.Node] = []
        listed = equations(model)
        for kind, title in _TITLES.items():
            chosen = [equation for equation in listed if equation.kind == kind]
            if chosen:
                found += [nodes.rubric(title, title), *(_shown(equation) for equation in chosen)]
        table = model.table()
        for kind, title in (("state", "States"), ("quantity", "Quantities"), ("parameter", "Parameters")):
            rows = table[table["kind"] == kind]
            columns = [column for column in _COLUMNS if (rows[column] != "").any()]
            if len(rows):
                found += [nodes.rubric(title, title), _table(columns, rows[columns].to_numpy().tolist())]
        return found


def _shown(equation: Equation) -> nodes.container:
    text = f"{equation.left} {equation.relation} {equation.right}"
    box = nodes.container(classes=["model-equation"])
    if equation.impulse:
        label = equation.impulse.replace("_", " ")
        box += nodes.inline(label, label, classes=["model-impulse"])
    box += nodes.math_block(text, text, number=None, label=None, nowrap=False)
    return box


def _table(columns: list[str], rows: list[list[str]]) -> nodes.container:
    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in columns), cols=len(columns))
    group += nodes.thead("", _row(columns, columns, names=False))
    group += nodes.tbody("", *(_row(columns, row, names=True) for row in rows))
    return nodes.container("", nodes.table("", group), classes=["model-table"])


def _row(columns: list[str], cells: list[str], *, names: bool) -> nodes.row:
    made = nodes.row()
    for column, cell in zip(columns, cells, strict=True):
        inside = name_in_latex(cell) if names and column == "symbol" else cell
        text = nodes.math(inside, inside) if names and column == "symbol" else nodes.Text(inside)
        made += nodes.entry("", nodes.paragraph("", "", text))
    return made


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive and its style."""
    app.add_directive("model", ModelDirective)
    app.add_css_file("model.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""A self-contained HTML page from a template: the frame that the room reports share."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from abscopal.domain.manifest import RESEARCH_USE
from abscopal.domain.version import __version__
from abscopal.knowledge.schema import STATUS_MEANING
from abscopal.report.html import UNITS
from abscopal.report.numbers import significant


def render_page(template: str, *, title: str, lede: str, **content: Any) -> str:
    """The page as HTML text; everything but figures is escaped.

    Parameters
    ----------
    template : str
        Name of a template that extends `page.html.j2`.
    """
    environment = Environment(
        loader=PackageLoader("abscopal.report", "assets"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters.update(
        sig=significant,
        unit=lambda unit: "" if unit == "1" else UNITS.get(unit, unit),
        plain=lambda value: value if isinstance(value, str) else significant(value, 4),
    )
    css = environment.loader.get_source(environment, "report.css")[0] if environment.loader else ""
    frame = {"title": title, "lede": lede, "css": css, "research_use": RESEARCH_USE, "version": __version__}
    return environment.get_template(template).render(**frame, status_meaning=STATUS_MEANING, **content)

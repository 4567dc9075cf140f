"""Model cards and validation reports as self-contained HTML pages."""

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from abscopal.learning.card import ModelCard, checklist
from abscopal.learning.performance import Figure
from abscopal.learning.validate import Validation
from abscopal.report.html import write_whole
from abscopal.report.model_figures import draw_groups, draw_validation
from abscopal.report.numbers import significant


def write_card(card: ModelCard, path: Path) -> Path:
    """Write a model card with the TRIPOD+AI checklist as one HTML file."""
    figures = {"groups": draw_groups(card.groups, card.outcome)}
    return write_whole(path, _render("card.html.j2", card=card, checklist=checklist(card), figures=figures))


def write_validation(validation: Validation, path: Path) -> Path:
    """Write a validation report as one HTML file."""
    return write_whole(path, _render("validation.html.j2", v=validation, figures=draw_validation(validation)))


def _render(template: str, **content: object) -> str:
    environment = Environment(
        loader=PackageLoader("abscopal.report", "assets"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters.update(sig=significant, figure=in_words, share=_share)
    css = environment.loader.get_source(environment, "report.css")[0] if environment.loader else ""
    return environment.get_template(template).render(css=css, **content)


def in_words(figure: Figure) -> str:
    """An estimate with its interval."""
    if figure.estimate is None:
        return "not computable"
    text = f"{figure.estimate:.3f}"
    return text if figure.interval is None else f"{text} ({figure.interval[0]:.3f} to {figure.interval[1]:.3f})"


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"

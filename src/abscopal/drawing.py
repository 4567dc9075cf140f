"""Matplotlib figures as inline SVG that follows the page's light or dark theme."""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

INK, FAINT, PAPER = "#010203", "#040506", "#070809"
"""Stand-in colours, replaced by the page's own variables when the figure is written."""
THEMED = {INK: "currentColor", FAINT: "var(--line)", PAPER: "var(--paper)"}

_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "abscopal",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 10,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    # A name of a structure or a file may hold two dollar signs: it is a name, no formula.
    "text.parse_math": False,
    "figure.facecolor": "none",
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.6,
}
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#7f7f7f")
"""Okabe and Ito's colours, told apart by most people with a colour-vision deficiency."""


@contextmanager
def canvas(width: float, height: float, columns: int = 1, **gridspec: Any) -> Iterator[tuple[Any, Any]]:
    """A styled figure and its axes; `width` and `height` in inches."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots(1, columns, **gridspec)
        yield figure, axes


_serial = count(1)


def to_svg(figure: Any, description: str) -> str:
    """The figure as an `<svg>` element with a text alternative and theme colours."""
    buffer = io.StringIO()
    with warnings.catch_warnings():
        # Text stays text, so the reader's own fonts show what the font that measures it lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Type": None, "Format": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    for stand_in, variable in THEMED.items():
        text = text.replace(stand_in, variable)
    text = _own_ids(text, f"f{next(_serial)}-")
    text = re.sub(r"font: ([^;\"]*?)'[^\"]*?sans-serif[^;\"]*", r"font: \1sans-serif", text)
    text = re.sub(r'<svg ([^>]*?)width="[^"]+" height="[^"]+"', r"<svg \1", text, count=1)
    return text.replace("<svg ", f'<svg role="img" aria-label="{_attribute(description)}" ', 1)


def _own_ids(text: str, prefix: str) -> str:
    """Ids unique on the page: every figure is drawn with the same few names."""
    text = re.sub(r'\bid="', f'id="{prefix}', text)
    text = re.sub(r"url\(#", f"url(#{prefix}", text)
    return re.sub(r'href="#', f'href="#{prefix}', text)


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


_ALONE = {"currentColor": "#1a1a1a", "var(--line)": "#d9d9d9", "var(--paper)": "#ffffff"}
"""Colours of a figure that stands in a file of its own, where no page says them."""


def standalone(svg: str) -> str:
    """The figure as the text of an SVG file: the page's colours replaced by dark ink on white."""
    for variable, colour in _ALONE.items():
        svg = svg.replace(variable, colour)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + svg.replace("<svg ", '<svg style="background:#ffffff" ', 1)

"""A section of a validation page that one command rewrites, leaving the rest of the page alone."""

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs" / "validation"
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def write_section(page: str, name: str, text: str) -> None:
    """Replace the section `name` of docs/validation/`page`, or append it."""
    path = DOCS / page
    start, end = f"% section {name} begins", f"% section {name} ends"
    old = path.read_text(encoding="utf-8")
    before, _, rest = old.partition(start)
    after = rest.partition(end)[2] if rest else "\n"
    path.write_text(f"{before.rstrip()}\n\n{start}\n\n{text.strip()}\n\n{end}{after}", encoding="utf-8")


def write_page(page: str, text: str) -> None:
    """Write docs/validation/`page` anew, keeping the sections other commands wrote into it."""
    path = DOCS / page
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    kept = re.findall(r"^% section \S+ begins$.*?^% section \S+ ends$", old, flags=re.S | re.M)
    path.write_text("\n\n".join([text.rstrip(), *kept]) + "\n", encoding="utf-8")


def figure(value: float | None, interval: tuple[float, float] | None = None) -> str:
    """An estimate with its interval, three digits."""
    if value is None:
        return "not computable"
    return f"{value:.3f}" if interval is None else f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"

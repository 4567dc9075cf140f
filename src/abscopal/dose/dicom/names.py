"""Structure names of a file to TG-263 names: a synonym table, no guessing by likeness."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from abscopal.domain.errors import InputError
from abscopal.domain.registry import unknown_name
from abscopal.knowledge.load import load

LEFT = {"l", "lt", "lft", "left", "li", "links", "linke", "linker", "sin", "gauche", "izq", "izquierdo", "izquierda"}
RIGHT = {"r", "rt", "rgt", "right", "re", "rechts", "rechte", "rechter", "dex", "dx", "droit", "droite", "der"}
TARGETS = ("igtv", "ictv", "gtv", "ctv", "itv", "ptv")
HELPERS = {"opt", "ring", "minus", "eval", "avoid", "prv", "crop", "help", "helper", "dummy", "less", "expand", "shell"}
FOLDED = str.maketrans(
    {
        "ä": "ae",
        "ö": "oe",
        "ü": "ue",
        "ß": "ss",
        "Ä": "ae",
        "Ö": "oe",
        "Ü": "ue",
        "œ": "oe",
        "Œ": "oe",
        "æ": "ae",
        "ø": "oe",
    }
)


@dataclass(frozen=True)
class NameMatch:
    """What became of one structure name.

    Attributes
    ----------
    name : str
        As in the file.
    standard_name : str, optional
        TG-263 name, None where there is no single one.
    reason : str
        Why this name, or why none.
    """

    name: str
    standard_name: str | None
    reason: str


def map_names(names: Iterable[str], overrides: Mapping[str, str] | None = None) -> dict[str, NameMatch]:
    """TG-263 names for the structures of one file.

    Parameters
    ----------
    names : iterable of str
        ROI names of the file.
    overrides : mapping, optional
        Name in the file to TG-263 name; wins over the table.

    Returns
    -------
    dict
        One entry per distinct name. Two structures never get the same standard name: where the table
        gives both one, neither keeps it unless it already is spelled that way.

    Raises
    ------
    InputError
        An override of a name that is not in the file (with the close match), two overrides to one
        name, or a target that is a known synonym in a non-standard spelling.
    """
    names, overrides = list(dict.fromkeys(names)), dict(overrides or {})
    table = _Synonyms.read()
    _check_overrides(names, overrides, table)
    matches = {name: table.match(name) for name in names if name not in overrides}
    taken = set(overrides.values())
    counts = Counter(match.standard_name for match in matches.values() if match.standard_name)
    for name, match in matches.items():
        standard = match.standard_name
        if standard in taken:
            matches[name] = NameMatch(name, None, f"{standard} was given to another structure by the user")
        elif standard and counts[standard] > 1 and name != standard:
            others = [other for other in names if other != name and other in matches]
            rivals = [other for other in others if table.match(other).standard_name == standard]
            quoted = ", ".join(f"'{rival}'" for rival in rivals)
            matches[name] = NameMatch(name, None, f"ambiguous: {quoted} also reads as {standard}")
    chosen = {name: NameMatch(name, target, "given by the user") for name, target in overrides.items()}
    return {name: chosen.get(name) or matches[name] for name in names}


def vocabulary() -> set[str]:
    """Lower-case words that occur in the names of structures, standard or not."""
    rows = load("dose/tg263").table("synonyms")
    texts = [*rows["synonym"].astype(str), *rows["standard_name"].astype(str)]
    return {word for name in texts for word in _words(name)} | LEFT | RIGHT | HELPERS | set(TARGETS)


def standard_names() -> list[str]:
    """Every TG-263 name of the synonym table, both sides of paired organs."""
    return _Synonyms.read().standard_names()


@dataclass(frozen=True)
class _Synonyms:
    by_words: Mapping[str, str]  # words run together

    @classmethod
    def read(cls) -> "_Synonyms":
        rows = load("dose/tg263").table("synonyms")
        pairs = dict(zip(rows["synonym"].astype(str), rows["standard_name"].astype(str), strict=True))
        pairs |= {standard.removesuffix("_*"): standard for standard in pairs.values()}
        return cls({"".join(_words(synonym)): standard for synonym, standard in pairs.items()})

    def match(self, name: str) -> NameMatch:
        """The standard name of one file name, whatever the others are called."""
        words = _words(name)
        if name.startswith(("z", "_")):
            return NameMatch(name, None, "marked as a planning help structure by its first letter")
        exact = self.by_words.get("".join(words), "")
        if exact and not exact.endswith("_*"):
            return NameMatch(name, exact, f"'{' '.join(words)}' in the synonym table")
        side, rest = _side(words)
        base = self.by_words.get("".join(rest), "")
        if base.endswith("_*"):
            return self._sided(name, base.removesuffix("*"), side)
        return _target(name, words) or NameMatch(name, None, "not in the synonym table")

    @staticmethod
    def _sided(name: str, base: str, side: str) -> NameMatch:
        if not side:
            return NameMatch(name, None, f"side missing: {base}L or {base}R?")
        return NameMatch(name, base + side, f"'{name}' read as {base}{side} by the synonym table")

    def standard_names(self) -> list[str]:
        """Every name an override may normally give."""
        names = dict.fromkeys(self.by_words.values())
        return [n.replace("*", side) for n in names for side in (("L", "R") if n.endswith("_*") else ("",))]


def _words(name: str) -> list[str]:
    """Lower-case words, accents and separators gone, humps split: `Lung_L`, `LungL`, `LT-LUNG` alike."""
    plain = unicodedata.normalize("NFKD", name.translate(FOLDED)).encode("ascii", "ignore").decode()
    humps = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", plain)
    return re.findall(r"[a-z]+|\d+(?:\.\d+)?", humps.lower())


def _side(words: list[str]) -> tuple[str, list[str]]:
    """The one side named ('L', 'R', or '' for none or both) and the other words."""
    sides = {"L" for word in words if word in LEFT} | {"R" for word in words if word in RIGHT}
    rest = [word for word in words if word not in LEFT | RIGHT]
    return (sides.pop() if len(sides) == 1 else ""), rest


def _target(name: str, words: list[str]) -> NameMatch | None:
    """Targets keep their suffix: `ptv 60` becomes PTV_60, `GTV` stays GTV."""
    if not words or set(words) & HELPERS:
        return None
    prefix = next(
        (target for target in TARGETS if words[0] == target or words[0] in {target + "p", target + "n"}), None
    )
    if prefix is None or "-" in name:
        return None
    head = prefix.upper() + words[0][len(prefix) :]
    suffix = re.sub(r"[^0-9A-Za-z.]+", "_", re.sub(rf"(?i)^{words[0]}", "", name.strip())).strip("_")
    glued = bool(re.match(rf"(?i)^{words[0]}\d", name.strip()))
    standard = head + suffix if glued else "_".join(part for part in (head, suffix) if part)
    return NameMatch(name, standard, "target volume, suffix kept")


def _check_overrides(names: list[str], overrides: dict[str, str], table: _Synonyms) -> None:
    for name, target in overrides.items():
        if name not in names:
            raise unknown_name("giving structures their names", name, names)
        _check_target(name, target, table)
    doubled = [target for target, count in Counter(overrides.values()).items() if count > 1]
    if doubled:
        raise InputError(
            doing="giving structures their names",
            found=f"'{doubled[0]}' given to two structures",
            expected="one structure per name",
            try_="keeping one of them; unions such as Lungs are formed by the program",
        )


def _check_target(name: str, target: str, table: _Synonyms) -> None:
    known = table.standard_names()
    if target in known or _target(target, _words(target)) is not None:
        return
    meant = table.match(target).standard_name
    near = [meant] if meant else get_close_matches(target, known, n=1, cutoff=0.8)
    if near or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_~^.-]{0,63}", target):
        raise InputError(
            doing=f"giving '{name}' its name",
            found=f"'{target}'",
            expected="a TG-263 name such as Lung_L, Heart or External",
            try_=f"'{near[0]}'" if near else "letters, digits and underscores",
        )

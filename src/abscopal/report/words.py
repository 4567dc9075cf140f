"""The report's own words: English phrases, and those of another language where a file gives them."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from string import Formatter

from markupsafe import Markup, escape

from abscopal.domain.errors import InputError

MOST_BYTES = 1_000_000
LONGEST = 2_000
LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}")
"""Form of a language tag (BCP 47)."""
_STRESSED = re.compile(r"\*\*([^*]+)\*\*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_TRY = "`abscopal assess --example-words > words.toml` and changing right sides only"


@dataclass(frozen=True)
class Words:
    """Gives each English phrase of the report in the language of a file, or as it is.

    Attributes
    ----------
    language : str
        Tag of the language, for the page's `lang`.
    translated : mapping of str to str
        By English phrase; what is not here stays English.
    total, unknown : int
        Phrases that the report has, and phrases of the file that it does not have; both 0
        without a file.
    """

    language: str = "en"
    translated: Mapping[str, str] = field(default_factory=dict)
    total: int = 0
    unknown: int = 0

    def __call__(self, phrase: str, /, **values: object) -> str:
        """The phrase as plain text, each `{name}` replaced by the value of that name."""
        return self.translated.get(phrase, phrase).format(**values)

    def html(self, phrase: str, /, **values: object) -> Markup:
        """The phrase as HTML: itself and its values escaped, `**text**` of the phrase stressed."""
        text = str(escape(self.translated.get(phrase, phrase)))
        return Markup(_STRESSED.sub(r"<strong>\1</strong>", text)).format(**values)  # noqa: S704 - escaped above

    @property
    def left_english(self) -> int:
        """Phrases that the report shows in English, for lack of a translation or because it is the same."""
        return self.total - sum(phrase != text for phrase, text in self.translated.items())


def english_file() -> str:
    """The text of the file with every phrase of the report, as a translator copies it."""
    return (files("abscopal.report") / "assets" / "english.toml").read_text(encoding="utf-8")


@cache
def english_phrases() -> frozenset[str]:
    """Every phrase of the report, in English."""
    return frozenset(phrase for _, phrase, _ in _phrases(tomllib.loads(english_file()), "english.toml"))


def read_words(path: Path) -> Words:
    """The words in a TOML file made from `english_file()`.

    Raises
    ------
    InputError
        Not TOML or too large; no language; a phrase that is no text, too long, with control
        characters, or with other placeholders than the English one.
    """
    try:
        with path.open("rb") as stream:
            raw = stream.read(MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:
            raise _refused(path.name, f"more than {MOST_BYTES} bytes", "a shorter file")
        content = tomllib.loads(raw.decode("utf-8"))
    except OSError as exc:
        raise _refused(path.name, f"{type(exc).__name__} ({exc.strerror})", "a file that can be read") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise _refused(path.name, str(exc), "TOML in UTF-8") from exc
    return parse_words(content, path.name)


def parse_words(content: Mapping[str, object], name: str = "words") -> Words:
    """The words in a mapping, as from TOML; errors as `read_words`."""
    language = content.get("language")
    if not isinstance(language, str) or not LANGUAGE.fullmatch(language):
        raise _refused(name, f"language = {str(language)[:80]!r}", 'a language tag, as language = "de"')
    english = english_phrases()
    translated: dict[str, str] = {}
    unknown = 0
    for section, phrase, text in _phrases(content, name):
        if phrase not in english:
            unknown += 1
        elif text:
            _check(phrase, text, f"{name}, section {section}")
            translated[phrase] = text
    return Words(language, translated, len(english), unknown)


def _phrases(content: Mapping[str, object], name: str) -> Iterator[tuple[str, str, str]]:
    """Section, English phrase and text of each line below the language."""
    for section, table in content.items():
        if section == "language":
            continue
        if not isinstance(table, dict):
            raise _refused(name, f"{section[:80]!r} outside any section", "the language, then sections of phrases")
        for phrase, text in table.items():
            if not isinstance(text, str):
                raise _refused(f"{name}, section {section[:80]}", f"no text for {phrase[:80]!r}", "text in quotes")
            yield section, phrase, text


def _check(phrase: str, text: str, where: str) -> None:
    """Refuse a translation that would not do what its phrase does."""
    short = f"the translation of {phrase!r}"
    if len(text) > LONGEST:
        raise _refused(where, f"{short} of {len(text)} characters", f"at most {LONGEST}")
    if found := _CONTROL.search(text):
        raise _refused(where, f"{short} with {found.group()!r}", "one line of text without control characters")
    wanted, given = _placeholders(phrase), _placeholders(text)
    if given != wanted:
        names = ", ".join(sorted(f"{{{one[0]}}}" for one in wanted or ())) or "no placeholder"
        raise _refused(where, f"{short} with other placeholders: {text[:200]!r}", names)


def _placeholders(text: str) -> set[tuple[str, str, str | None]] | None:
    """Name, format and conversion of every placeholder; None where the braces do not match.

    The English phrases have plain names alone, so a translation cannot reach into a value
    (`{a.b}`) or pad it to any width (`{a:>99999}`).
    """
    try:
        return {(name, spec or "", how) for _, name, spec, how in Formatter().parse(text) if name is not None}
    except ValueError:
        return None


def _refused(where: str, found: str, expected: str) -> InputError:
    return InputError(doing=f"reading the words of {where}", found=found, expected=expected, try_=_TRY)

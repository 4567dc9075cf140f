"""The report's own words lie in one file, and all of them can be said in another language."""

import ast
import html
import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment, nodes
from jinja2.ext import extract_from_ast
from pydantic import BaseModel

import abscopal
from abscopal.assessment.assess import assess
from abscopal.assessment.types import Assessment
from abscopal.cli.assess import run
from abscopal.domain.errors import InputError
from abscopal.domain.manifest import sha256_file
from abscopal.domain.patient import example_toml, read_patient
from abscopal.dose.dicom.intake import Case
from abscopal.knowledge.schema import STATUS_MEANING
from abscopal.report.html import ENGLISH, FIGURES, render
from abscopal.report.words import (
    LONGEST,
    MOST_BYTES,
    Words,
    english_file,
    english_phrases,
    parse_words,
    read_words,
)
from abscopal.trials.nearest import DISTANCE

SOURCES = Path(abscopal.__file__).parent
TEMPLATE = SOURCES / "report" / "assets" / "report.html.j2"
MODULES = ("headline", "html", "figures", "picture", "numbers")


def template() -> nodes.Template:
    return Environment(autoescape=True).parse(TEMPLATE.read_text(encoding="utf-8"))


def said() -> Iterator[str]:
    """Every phrase that the template and the modules of the report ask for; none is made of pieces."""
    for line, _, strings in extract_from_ast(template(), ("_",), babel_style=False):
        assert len(strings) == 1, line
        yield str(strings[0])
    for path in (*(SOURCES / "report" / f"{name}.py" for name in MODULES), SOURCES / "toxicity" / "picture.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say":
                phrase = ast.literal_eval(node.args[0])
                assert isinstance(phrase, str)
                yield phrase


def test_the_file_holds_every_phrase_once_and_no_other() -> None:
    content = tomllib.loads(english_file())
    assert content.pop("language") == "en"
    keys = [phrase for section in content.values() for phrase in section]
    assert len(keys) == len(set(keys))
    assert set(keys) == set(said()) == english_phrases()
    assert all(phrase == text for section in content.values() for phrase, text in section.items())


def test_the_template_has_no_words_outside_phrases() -> None:
    left = "".join(node.data for node in template().find_all(nodes.TemplateData))
    assert letters(visible(left)) <= {"abscopal", "doi", "sha256", "TG"}


def test_the_template_writes_no_words_by_expressions() -> None:
    calls = template().find_all(nodes.Call)
    said = [arg.value for call in calls if call.node == nodes.Name("_", "load") for arg in call.args]
    left = {node.value for node in template().find_all(nodes.Const) if isinstance(node.value, str)}.difference(said)
    compared = {"above", "below", "no window", "not_computable"}
    assert {text for text in left if letters(text)} <= {*compared, *FIGURES} | {" Gy", "Gy", "mg/L"}


# Everything on the page, in a made-up language.


class Visible(HTMLParser):
    """What a reader sees or hears: text outside styles, and labels."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag
        self.found += [value for name, value in attrs if name in ("aria-label", "title", "alt") and value]

    def handle_data(self, data: str) -> None:
        if self.inside != "style":
            self.found.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == self.inside:
            self.inside = ""


def visible(page: str) -> str:
    reader = Visible()
    reader.feed(page)
    return "\n".join(reader.found)


def letters(text: str) -> set[str]:
    """The words of a text: two letters or more."""
    return {word for word in re.findall(r"[^\W_]+", text) if sum(map(str.isalpha, word)) > 1}


def bracketed(phrase: str) -> str:
    """The phrase with what it says itself in brackets, and its values outside them."""
    parts = Formatter().parse(phrase)
    return "".join((f"⟦{text}⟧" if text else "") + (f"{{{name}}}" if name else "") for text, name, _, _ in parts)


# Fields that the report compares or looks up, so they must stay as they are.
LOOKED_UP = {
    "ChecklistRow.kind", "EvidenceSummary.question", "EvidenceSummary.statuses", "OrganRisk.grade", "Part.grade",
    "OrganRisk.warnings", "ParameterRow.key", "PlanSummary.dose_kind", "Risk.grade", "Risk.warnings", "Score.name",
    "WindowAnswer.position",
}  # fmt: skip
NAMES_AND_UNITS = {"abscopal", "LORIS", "TG", "doi", "sha256", "Gy", "mg", "year", "extrapolation", "unverified"}
PATIENT = {"pseudonym": "⟪case-1⟫", "disease": "⟪NSCLC⟫", "age": 61.0, "sex": "⟪female⟫"}


def marked(value: Any, kept: set[str], place: str = "") -> Any:
    """A copy of the assessment with every text that comes from the models in angle brackets, but what is kept."""
    if place in LOOKED_UP or place.endswith(".status"):
        kept.update([value] if isinstance(value, str) else value)
        return value
    if isinstance(value, str):
        return f"⟪{value}⟫" if value else value
    if isinstance(value, tuple):
        return tuple(marked(one, kept) for one in value)
    if isinstance(value, dict):
        return {f"⟪{key}⟫": marked(one, kept) for key, one in value.items()}
    if isinstance(value, BaseModel) or is_dataclass(value):
        return marked_whole(value, kept)
    return value


def marked_whole(whole: Any, kept: set[str]) -> Any:
    names = type(whole).model_fields if isinstance(whole, BaseModel) else [part.name for part in fields(whole)]
    parts = {name: marked(getattr(whole, name), kept, f"{type(whole).__name__}.{name}") for name in names}
    return whole.model_copy(update=parts) if isinstance(whole, BaseModel) else replace(whole, **parts)


@pytest.fixture(scope="module")
def example(case: Case) -> Assessment:
    return assess(case, read_patient(example_toml()), quick=True)


def left_english(assessment: Assessment, case: Case | None) -> set[str]:
    """Words that a translation of every phrase leaves on the page, without those of the models."""
    kept = {*STATUS_MEANING.values(), *PATIENT, DISTANCE}
    answer = marked(assessment, kept).model_copy(update={"patient": PATIENT})
    words = parse_words({"language": "qaa", "all": {phrase: bracketed(phrase) for phrase in english_phrases()}})
    page = visible(render(answer, case, words)).replace("≥ ", ">=")
    assert "⟦dose per fraction [Gy]⟧" in page
    found = 1
    while found:
        page, found = re.subn(r"⟦[^⟦⟧]*⟧|⟪[^⟪⟫]*⟫", " ", page)
    said = "|".join(re.escape(text) for text in sorted(kept, key=len, reverse=True) if letters(text))
    return letters(re.sub(rf"(?i)(?<!\w)({said})(?!\w)", " ", page)) - {"qaa"}


def test_nothing_of_the_report_itself_stays_english(example: Assessment, sparse: Assessment, case: Case) -> None:
    assert sorted(left_english(example, case) - NAMES_AND_UNITS) == []
    assert sorted(left_english(sparse, None) - NAMES_AND_UNITS) == []


def test_the_english_file_as_a_translation_changes_nothing_but_says_so(sparse: Assessment) -> None:
    words = parse_words(tomllib.loads(english_file()))
    assert words.left_english == words.total == len(english_phrases())
    plain, same = (re.sub(r"\bf\d+-", "", render(sparse, words=one)) for one in (ENGLISH, words))
    added = [line for line in same.splitlines() if line not in plain.splitlines()]
    assert len(added) == 1
    assert f"{words.total} of {words.total} phrases stand in English" in added[0]
    assert same.replace(added[0] + "\n", "") == plain


def test_the_page_tells_its_language_and_what_is_missing(sparse: Assessment) -> None:
    content = {"language": "de", "page": {"Window": "Fenster", "Dose": "", "Doses": "Dosen"}}
    words = parse_words(content)
    page = render(sparse, words=words)
    assert '<html lang="de">' in page
    assert '<a href="#window">Fenster</a>' in page
    assert '<a href="#dose">Dose</a>' in page
    assert f"{words.total - 1} of {words.total} phrases stand in English" in page
    assert "1 phrases of the translation belong to another version" in page


def test_the_command_takes_the_file_and_records_it(
    sparse: Assessment, thorax_case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, Any] = {}
    monkeypatch.setattr("abscopal.assessment.assess.assess", lambda *_, **options: told.update(options) or sparse)
    patient, words = tmp_path / "one.toml", tmp_path / "german of Erika.toml"
    patient.write_text('disease = "melanoma"')
    words.write_text('language = "de"\n[page]\n"Window" = "Fenster"\n', encoding="utf-8")
    run(thorax_case, patient, tmp_path / "out", words_path=words)
    assert '<a href="#window">Fenster</a>' in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert told["extra_inputs"] == {"patient.toml": sha256_file(patient), "words.toml": sha256_file(words)}
    assert told["command"].endswith("--words words.toml")


# Hostile and broken files.


def refusal(content: dict[str, object]) -> InputError:
    with pytest.raises(InputError) as caught:
        parse_words(content)
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        "Fenster", "{n} {m}", "{}", "{0}", "{n.real}", "{n[0]}", "{n!r}", "{n:>9999999}", "{n:{n}}", "{n", "n}",
    ],
)  # fmt: skip
def test_other_placeholders_are_refused_with_their_phrase(text: str) -> None:
    phrase = "Window bounds at {n} fractions"
    error = refusal({"language": "de", "window": {phrase: text}})
    assert phrase in error.found
    assert "{n}" in error.expected
    assert "section window" in error.doing


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({}, "language"),
        ({"language": 3}, "language"),
        ({"language": 'de" onload="x'}, "language"),
        ({"language": "de", "Window": "Fenster"}, "outside any section"),
        ({"language": "de", "page": {"Window": 3}}, "Window"),
        ({"language": "de", "page": {"Window": {"Dose": "Dosis"}}}, "Window"),
        ({"language": "de", "page": {"Window": "F" * (LONGEST + 1)}}, "characters"),
        ({"language": "de", "page": {"Window": "a\x00b"}}, "\\x00"),
    ],
)
def test_a_file_that_is_no_translation_is_refused(content: dict[str, object], named: str) -> None:
    assert named in refusal(content).found


@pytest.mark.parametrize("raw", [b"language = ", b"\xff\xfe", b"#" * (MOST_BYTES + 1), b"a = " + b"[" * 100_000])
def test_a_file_that_is_not_toml_is_refused(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "words.toml"
    path.write_bytes(raw)
    with pytest.raises(InputError, match=r"words of words\.toml"):
        read_words(path)
    with pytest.raises(InputError, match="FileNotFoundError"):
        read_words(tmp_path / "absent.toml")


LINE = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=60)


@given(LINE, LINE)
def test_a_translation_and_its_values_are_text_and_never_markup(text: str, value: str) -> None:
    safe = text.replace("{", "(").replace("}", ")") + " <b>{n}</b>"
    words = parse_words({"language": "de", "window": {"Window bounds at {n} fractions": safe}})
    page = str(words.html("Window bounds at {n} fractions", n=value))
    assert set(re.findall(r"<[^>]*>?", page)) <= {"<strong>", "</strong>"}
    shown = html.unescape(re.sub("</?strong>", "", page))
    assert shown.replace("**", "") == safe.replace("**", "").replace("{n}", value.replace("**", ""))
    assert words("Window bounds at {n} fractions", n=value) == safe.replace("{n}", value)


def test_markup_of_a_translation_is_shown_as_text(sparse: Assessment) -> None:
    attack = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    phrases = ("Window", "Sections", "dose per fraction [Gy]", "Research use only.", "Prescription")
    page = render(sparse, words=parse_words({"language": "de", "all": dict.fromkeys(phrases, attack)}))
    assert "<script" not in page
    assert "<img" not in page
    assert page.count("&lt;script&gt;") >= len(phrases)


def test_labels_may_hold_any_script_and_what_looks_like_a_formula(sparse: Assessment) -> None:
    phrases = {"dose per fraction [Gy]": "每次剂量 [Gy]", "this regimen": r"$\frac{{$"}
    page = render(sparse, words=parse_words({"language": "zh", "figures": phrases}))
    assert "每次剂量 [Gy]" in page
    assert r"$\frac{$" in page


def test_words_without_a_file_are_english() -> None:
    assert Words()("{low} to {high} %", low=1, high=2) == "1 to 2 %"
    assert Words().html("**{a}** & b", a="<i>") == "<strong>&lt;i&gt;</strong> &amp; b"

"""The report in a real browser: offline, readable, accessible, and with the numbers of the JSON."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from abscopal.assessment.assess import assess
from abscopal.domain.patient import example_toml, read_patient
from abscopal.dose.dicom.intake import read_case
from abscopal.report.html import write_json, write_report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


@pytest.fixture(scope="module")
def folder(thorax_case: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    case = read_case(thorax_case)
    answer = assess(case, read_patient(example_toml()), quick=True)
    write_json(answer, out / "assessment.json")
    write_report(answer, out / "report.html", case)
    return out


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser, folder: Path) -> Iterator[Page]:
    context = browser.new_context(offline=True, viewport={"width": 1180, "height": 900})
    page = context.new_page()
    page.goto((folder / "report.html").as_uri())
    yield page
    context.close()


def test_it_opens_offline_without_a_request_or_an_error(browser: Browser, folder: Path) -> None:
    context = browser.new_context(offline=True)
    page = context.new_page()
    requests: list[str] = []
    problems: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    address = (folder / "report.html").as_uri()
    page.goto(address)
    assert [url for url in requests if not url.startswith("data:")] == [address]
    assert problems == []
    context.close()


def test_every_section_of_the_contents_is_there(page: Page) -> None:
    links = page.get_by_role("navigation").get_by_role("link").all()
    assert len(links) == 10
    for link in links:
        target = link.get_attribute("href") or ""
        assert page.locator(target).count() == 1, target
    assert page.get_by_role("note").inner_text().startswith("Research use only")


def test_the_figures_are_drawn(page: Page) -> None:
    figures = page.locator("figure svg")
    assert figures.count() == 9
    for index in range(figures.count()):
        box = figures.nth(index).bounding_box()
        assert box is not None
        assert box["width"] > 300
        assert box["height"] > 80
        assert figures.nth(index).get_attribute("aria-label")


def test_patient_left_is_on_the_readers_right(page: Page) -> None:
    """The tumour lies in the left lung: its outline is right of the middle of the axial picture."""
    svg = page.locator("figure svg").first
    left, right = (svg.locator("text", has_text=re.compile(f"^{letter}$")).first.bounding_box() for letter in "LR")
    assert left is not None
    assert right is not None
    assert left["x"] > right["x"]


def test_the_numbers_are_those_of_the_json(page: Page, folder: Path) -> None:
    numbers = json.loads((folder / "assessment.json").read_text())
    text = page.locator("main").inner_text()
    edric = numbers["immune_dose"]["edric"]["value"]
    assert f"{edric:.2f} Gy" in text
    assert f"{numbers['immune_dose']['alc']['nadir']:.2f}" in text
    assert f"{numbers['plan']['n_fractions']} × {numbers['plan']['dose_per_fraction_gy']:.3g} Gy" in text
    rows = page.locator("#dose ~ .scroll table").first.locator("tbody tr")
    assert rows.count() == len(numbers["structures"])
    first = numbers["structures"][0]
    assert rows.first.locator("td").nth(3).inner_text() == f"{first['mean_gy']:.4g}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessible_in_light_and_dark(browser: Browser, folder: Path, scheme: str) -> None:
    context = browser.new_context(offline=True, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto((folder / "report.html").as_uri())
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa"]})
    serious = [v["id"] for v in found.response["violations"] if v["impact"] in ("serious", "critical")]
    assert serious == []
    context.close()


def test_the_page_does_not_scroll_sideways_on_a_narrow_screen(browser: Browser, folder: Path) -> None:
    context = browser.new_context(offline=True, viewport={"width": 420, "height": 800})
    page = context.new_page()
    page.goto((folder / "report.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 421
    context.close()


def test_it_prints(page: Page, tmp_path: Path) -> None:
    page.emulate_media(media="print")
    assert not page.get_by_role("navigation").is_visible()
    pdf = page.pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    assert len(pdf) > 50_000

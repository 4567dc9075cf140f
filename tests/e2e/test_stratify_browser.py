"""The pages of `abscopal stratify` in a real browser: offline, readable, accessible."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, sync_playwright

from abscopal.assessment.phenotypes import window_phenotypes
from abscopal.domain.patient import example_toml, read_patient
from abscopal.report.benefit_page import draw_benefit, render_benefit
from abscopal.report.phenotype_page import render_phenotypes
from abscopal.report.score_page import render_scores
from abscopal.stratification.benefit.analyse import analyse_benefit
from abscopal.stratification.benefit.known_truth import simulate_trial
from abscopal.stratification.stratify import score_cohort
from abscopal.stratification.table import PatientTable

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


def scores() -> str:
    people = tuple(read_patient(example_toml()).model_copy(update={"pseudonym": name}) for name in ("a", "b"))
    return render_scores(PatientTable(people, ("NSCLC", "NSCLC"), (), (), ("a flag",)), score_cohort(people))


def benefit() -> str:
    found = analyse_benefit(simulate_trial("linear", 300, 0).trial, modifiers=("x1",))
    return render_benefit(found, draw_benefit(found))


def phenotypes() -> str:
    return render_phenotypes(window_phenotypes([read_patient(example_toml())], draws=20))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.mark.parametrize("make", [scores, benefit, phenotypes])
def test_the_page_opens_offline_and_meets_the_rules(make, browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(make(), encoding="utf-8")
    asked: list[str] = []
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    assert asked == [path.as_uri()]
    for details in page.locator("details").all():
        details.evaluate("node => node.open = true")
    assert page.get_by_role("heading", level=1).count() == 1
    assert page.get_by_role("note").inner_text().startswith("Research use only.")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.close()

"""The workbench as a person meets it: a real browser, no other network, keyboard alone, numbers compared."""

import json
import re
from pathlib import Path

import pytest

from tests.e2e.test_report_browser import CHROMIUM
from tests.web.conftest import BASE_COOKIE, finished_job, planned_job

playwright_api = pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.enable_socket,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]
SERIOUS = {"serious", "critical"}


@pytest.fixture(scope="module")
def browser():
    with playwright_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"],
        )
        yield started
        started.close()


@pytest.fixture
def page(browser, server):
    """A page of the workbench; at the end nothing was asked of others and nothing was complained about."""
    context = browser.new_context(viewport={"width": 1300, "height": 1000})
    opened = context.new_page()
    base = server.split("/open")[0]
    outside, complaints = [], []
    opened.on("request", lambda r: None if r.url.startswith((base, "data:", "blob:")) else outside.append(r.url))
    opened.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(server)
    opened.get_by_role("heading", name="Case", exact=True).wait_for()
    yield opened
    context.close()
    assert outside == []
    assert complaints == []


def _go(page, tab):
    page.get_by_role("navigation").get_by_role("link", name=tab, exact=True).click()
    page.get_by_role("heading", name=tab, exact=True).wait_for()


def _serious(page):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page).response["violations"]
    return [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in found if one["impact"] in SERIOUS]


@pytest.mark.parametrize(
    "tab",
    ["Case", "Window sliders", "Assess", "Window", "Regimens", "Blood & lymphocytes", "Toxicity", "Stratify",
     "Planning", "Trials", "Published models", "Interchange", "Knowledge", "Jobs"],
)  # fmt: skip
def test_every_tab_opens_and_is_accessible(page, tab):
    _go(page, tab)
    page.wait_for_load_state("networkidle")
    assert _serious(page) == []


def test_the_drawn_number_is_the_number_of_the_program(page):
    from abscopal.window.experiment import reference_experiment

    _go(page, "Window sliders")
    page.locator("#gain").wait_for()
    with page.expect_response("**/api/window/point") as answered:
        page.get_by_role("slider", name=re.compile("Dose per fraction")).press("ArrowRight")
    content = answered.value.json()
    setup = reference_experiment(parameter_set="posterior")
    expected = setup.starting_ici(2.0).gain(setup.schedule(8.5, 3))
    assert content["gain"] == pytest.approx(expected, abs=1e-5)
    page.wait_for_function("text => document.getElementById('gain').textContent === text", arg=f"{expected:.3g}")
    drawn = page.evaluate(
        "[...document.querySelectorAll('.chart')].map(c => (c.data ?? []).find(t => t.name === 'RT + ICI')?.y)"
    )
    assert content["curves"]["both"]["distant"] in [list(values) for values in drawn if values]


def test_a_scenario_by_keyboard_alone(page):
    """From the first link to a finished job without a mouse."""
    page.get_by_role("navigation").get_by_role("link", name="Window", exact=True).focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Window", exact=True).wait_for()
    for name in ("animals", "draws"):
        page.get_by_label(re.compile(f"^{name}")).focus()
        page.keyboard.press("Control+a")
        page.keyboard.type("2")
    for name in ("ablations", "map"):
        page.get_by_label(re.compile(f"^{name}")).focus()
        page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Run").focus()
    page.keyboard.press("Enter")
    page.get_by_role("link", name=re.compile(r"\.csv$")).first.wait_for(timeout=60_000)
    page.get_by_text("Reproduce this").focus()
    page.keyboard.press("Enter")
    assert "--draws=2" in page.locator("details pre").first.inner_text()


def test_a_case_from_file_to_report(page, thorax_case, tmp_path):
    """Drop a zip, see its planes on the right sides, assess it, read the report in the page."""
    import shutil

    archive = shutil.make_archive(str(tmp_path / "case"), "zip", thorax_case)
    page.get_by_label("Zip archive").set_input_files(archive)
    page.locator(".plane img").first.wait_for(timeout=60_000)
    letters = page.locator(".plane").first.locator("b")
    assert [letter.inner_text() for letter in letters.all()] == ["R", "L", "A", "P"]
    left, right = (letters.nth(k).bounding_box()["x"] for k in (0, 1))
    assert left < right
    assert _serious(page) == []
    _go(page, "Assess")
    page.get_by_label("quick").check()
    page.get_by_role("button", name="Run").click()
    frame = page.frame_locator("iframe[title='report.html']")
    frame.get_by_role("heading", name="Radiotherapy and immunotherapy assessment").wait_for(timeout=120_000)
    shown = json.loads(
        page.evaluate("fetch(document.querySelector('a[download=\"assessment.json\"]').href).then(r => r.text())")
    )
    assert shown["plan"]["n_fractions"] == 3
    page.get_by_role("navigation").get_by_role("link", name="Jobs").click()
    page.get_by_role("cell", name="done").first.wait_for()


def test_plans_are_navigated_with_a_slider(page, served):
    cookie = next(one["value"] for one in page.context.cookies() if one["name"] == BASE_COOKIE)
    planned_job(served[1], cookie)
    _go(page, "Jobs")
    page.get_by_role("button", name="Show").first.click()
    slider = page.get_by_role("slider").first
    slider.wait_for()
    numbers = page.locator("#navigated")
    numbers.get_by_role("row").first.wait_for()  # the answer to the first, even mix is here: the next is the slider's
    before = numbers.inner_text()
    with page.expect_response("**/api/planning/*") as answered:
        slider.press("Home")
    figure = slider.evaluate("(one) => one.labels[0].firstChild.textContent.trim()")
    drawn = page.locator("#navigated tr", has_text=figure).first.locator("td").nth(1)
    value = {one["name"]: one["value"] for one in answered.value.json()["metrics"]}[figure]
    playwright_api.expect(numbers).not_to_have_text(before)
    assert float(drawn.inner_text()) == pytest.approx(value, rel=1e-3)
    assert _serious(page) == []


REGIMENS = {
    "verdict": "two regimens", "objectives": ["local", "distant", "lymphocytes"], "alternatives": [], "notes": [],
    "present": {"regimen": "5 × 10 Gy", "values": {}, "length_days": 5, "tumour_bed": 100, "broken": []},
    "pareto": [],
}  # fmt: skip


def test_two_regimens_side_by_side(page, served):
    spread = {"value": 0.5, "low": 0.25, "high": 0.75}
    values = dict.fromkeys(REGIMENS["objectives"], spread)
    present = REGIMENS["present"] | {"values": values, "gain": spread, "better_than_present": 0}
    other = present | {"regimen": "8 × 7 Gy", "tumour_bed": 95.2, "better_than_present": 0.7}
    cookie = next(one["value"] for one in page.context.cookies() if one["name"] == BASE_COOKIE)
    finished_job(served[1], cookie, "regimens", REGIMENS | {"present": present, "pareto": [other]})
    _go(page, "Jobs")
    page.get_by_role("row", name=re.compile("regimens")).get_by_role("button", name="Show").click()
    page.get_by_label("with", exact=True).select_option("8 × 7 Gy")
    beside = page.get_by_role("region", name="Side by side, with 90 % intervals")
    assert "95.2" in beside.inner_text()
    assert "0.5 (0.25 to 0.75)" in beside.inner_text()
    assert _serious(page) == []


def test_the_columns_of_a_table_are_mapped(page):
    _go(page, "Stratify")
    rows = b"pat,ALBUMIN,wert\n1,4.1,55\n2,3.9,61\n"
    page.get_by_label(re.compile("^patients")).set_input_files(
        {"name": "rows.csv", "mimeType": "text/csv", "buffer": rows}
    )
    page.get_by_text("3 columns, 1 recognised").click()
    page.get_by_label("meaning of wert").select_option("age")
    page.get_by_label("unit of ALBUMIN").fill("g/L")
    page.get_by_label("unit of ALBUMIN").press("Tab")
    command = page.locator("form pre")
    playwright_api.expect(command).to_contain_text("--column=age=wert")
    playwright_api.expect(command).to_contain_text("--unit=ALBUMIN=g/L")


def test_a_what_if_is_said_on_every_tab(page):
    _go(page, "Knowledge")
    page.get_by_label("Search").fill("immune/diw:alpha")
    changed = page.get_by_label("what-if value of immune/diw:alpha", exact=True)
    changed.fill("0.3")
    changed.press("Enter")
    note = page.get_by_text("What-if: immune/diw:alpha = 0.3")
    note.wait_for()
    _go(page, "Window sliders")
    assert note.is_visible()


def test_a_refusal_says_what_was_wrong(browser, server):
    context = browser.new_context()
    opened = context.new_page()
    opened.goto(server)
    opened.get_by_label("Zip archive").set_input_files(
        {"name": "x.zip", "mimeType": "application/zip", "buffer": b"not a zip"}
    )
    opened.get_by_role("alert").wait_for()
    assert "expected" in opened.get_by_role("alert").inner_text()
    context.close()


def test_pictures_for_the_docs(page, tmp_path, request):
    """The screenshots of the documentation are made here, with `--screenshots docs/_static`."""
    _go(page, "Window sliders")
    page.locator("#gain").wait_for()
    page.wait_for_load_state("networkidle")
    target = Path(request.config.getoption("--screenshots") or tmp_path)
    page.screenshot(path=target / "workbench.png")
    assert (target / "workbench.png").stat().st_size > 20_000

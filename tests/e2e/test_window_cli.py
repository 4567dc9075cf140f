"""`abscopal window` and its companions as a user meets them."""

import csv
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from abscopal.cli.main import main

SET_B = ("--parameters", "set-b")


def run(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(["window", *words])
    assert not stopped.value.code
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(["window", *words])
    assert stopped.value.code == 2
    return capsys.readouterr().err


def assert_figures(folder: Path, *names: str) -> None:
    for name in names:
        drawing = ElementTree.fromstring((folder / f"{name}.svg").read_text())
        assert drawing.attrib["aria-label"]


def test_the_window_of_every_family(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    said = run(capsys, *SET_B, "--draws", "10", "--json", "--out", str(tmp_path / "out"))
    answer = json.loads(said)
    assert [row["family"] for row in answer["families"]] == ["n fixed", "total dose fixed", "iso-BED10"]
    first = answer["families"][0]
    assert (first["lower_gy"], first["upper_gy"]) == pytest.approx((3.13, 13.77), abs=0.02)
    assert first["scatter"]["animals"] == 10
    assert answer["upper_bound"].startswith("upper bound: without trex1 it opens")
    assert answer["bound_setters"][0]["mechanism"] == "trex1"
    assert json.loads((tmp_path / "out" / "answer.json").read_text()) == answer
    assert_figures(tmp_path / "out", "families", "ablations", "map")
    rows = list(csv.DictReader((tmp_path / "out" / "map.csv").read_text().splitlines()))
    assert len(rows) == 17 * 11
    said = run(capsys, *SET_B, "--draws", "5", "--no-ablations", "--no-map")
    assert "bounds depend on the family" in " ".join(said.split())


def test_a_map_for_each_interval_and_ici_start(capsys: pytest.CaptureFixture[str]) -> None:
    said = run(
        capsys, *SET_B, "--draws", "2", "--no-ablations", "--intervals", "1,3", "--ici-starts", "-7,2", "--json"
    )  # fmt: skip
    maps = json.loads(said)["maps"]
    assert [made["map"] for made in maps] == [
        "every 1 d, ICI from day -7",
        "every 1 d, ICI from day 2",
        "every 3 d, ICI from day -7",
        "every 3 d, ICI from day 2",
    ]
    assert maps[0]["bounds"][2]["n_fractions"] == 3


def test_synergy_timing_and_sensitivity(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    said = run(
        capsys, "synergy", *SET_B, "--draws", "3", "--animals", "4", "--json", "--out", str(tmp_path / "synergy")
    )  # fmt: skip
    assert [row["name"] for row in json.loads(said)["end_points"]] == ["volume", "control", "abscopal response"]
    assert_figures(tmp_path / "synergy", "synergy")
    out = tmp_path / "timing"
    said = run(capsys, "timing", *SET_B, "--draws", "2", "--starts", "-5,2", "--most-doses", "2", "--out", str(out))
    assert "largest median gain with the first ICI dose on day 2" in said
    assert_figures(out, "start", "stop")
    out = tmp_path / "sensitivity"
    said = run(capsys, "sensitivity", *SET_B, "--samples", "8", "--out", str(out))
    assert "published leading" in " ".join(said.split())
    assert_figures(out, "sensitivity")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--off", "trex"), "'trex1'"),
        (("--ici", "nivolumb"), "'nivolumab'"),
        (("--ici-days", "2,x"), "separated by commas"),
        (("--modulator", "sildenafl"), "'sildenafil'"),
        (("--total-dose", "0.5"), "a larger total dose"),
        (("synergy", "--ici", "none"), "at least one ICI dose"),
        (("timing", "--starts", "inf"), "numbers separated by commas"),
        (("sensitivity", "--samples", "9"), "power of two"),
    ],
)
def test_bad_questions_say_what_to_try(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str) -> None:
    command = words[:1] if not words[0].startswith("--") else ()
    said = " ".join(refused(capsys, *command, *SET_B, *words[len(command) :]).split())
    for part in ("while", "found", "expected", "try", told):
        assert part in said

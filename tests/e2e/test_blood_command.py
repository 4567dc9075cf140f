"""`abscopal blood` as a user meets it."""

import csv
import json
from pathlib import Path

import pytest

from abscopal.cli.main import main
from tests.e2e.test_cli import abscopal, assert_refused


def test_blood_of_the_thorax_case(thorax_case: Path, tmp_path: Path) -> None:
    done = abscopal(
        "blood", str(thorax_case), "--network", "female", "--timing", "rtplan", "--alc", "1.6", "--counts", "2:1.4",
        "--exchange", "--compare", "--versus", str(thorax_case), "--tumour", "lung:1:0.5", "--organ-dose", "path",
        "--order", "gantry", "--gate", "4:0.5", "--particles", "20000", "--out", str(tmp_path / "out"), "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == json.loads((tmp_path / "out" / "blood.json").read_text(encoding="utf-8"))
    assert (
        abs(found["fraction"]["sampled_mean_gy"][0] - found["fraction"]["mean_gy"])
        < 5 * found["fraction"]["sampled_mean_gy"][1]
    )
    assert found["course"]["mean_gy"] > found["fraction"]["mean_gy"]
    assert len([one for one in found["timing"]["fields"] if one["field"]]) > 1
    assert found["alc"]["status"] == "assumed"
    assert found["alc_with_exchange"] is not None
    assert any("assumed" in note for note in found["notes"])
    assert {row["subset"] for row in found["subsets"]} == {"CD4 T", "CD8 T", "B", "NK"}
    assert found["comparisons"][0]["name"] == "as planned"
    assert found["comparisons"][-1]["mean"] == found["comparisons"][0]["mean"]  # the same plan set beside itself
    assert all("observational" in said for row in found["indices"] for said in row["associations"])
    assert len(found["edric"]["associations"]) > 5
    page = (tmp_path / "out" / "blood.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 3
    assert "Research use only" in page
    with (tmp_path / "out" / "blood_dvh.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["part"] for row in rows} == {"fraction", "course"}
    assert (tmp_path / "out" / "alc.csv").is_file()
    assert (tmp_path / "out" / "subsets.csv").is_file()


def test_blood_refuses_bad_input_and_writes_nothing(
    thorax_case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    volumes, flows, out = tmp_path / "volumes.csv", tmp_path / "flows.csv", tmp_path / "out"
    volumes.write_text("compartment,volume_l\na,1\nb,-1\n", encoding="utf-8")
    flows.write_text("source,target,flow_l_min\na,b,1\nb,a,1\n", encoding="utf-8")
    for words, named in (
        (["--volumes", str(volumes), "--flows", str(flows)], "volumes.csv, line 3"),
        (["--volumes", str(volumes)], "one of --volumes and --flows"),
        (["--counts", "7;1.2", "--alc", "1.5"], "7;1.2"),
        (["--counts", "7:1.2"], "without a baseline"),
        (["--fraction-time", "1"], "beams that last"),
        (["--timing", "constant", "--gap", "3"], "constant timing"),
        (["--missing", "stop"], "no contour of"),
        (["--age", "8"], "8 years"),
        (["--gate", "4"], "duty cycle"),
        (["--gate", "4:2"], "duty cycle of 2"),
        (["--tumour", "lung:1"], "lung:1"),
        (["--tumour", "lungs"], "lungs"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(["blood", str(thorax_case), "--out", str(out), *words])
        assert stop.value.code == 2
        said = capsys.readouterr().err
        assert all(part in said for part in ("while", "found", "expected", "try", named)), said
    assert_refused(abscopal("blood", str(tmp_path / "none")))
    assert not out.exists()

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abscopal.domain.errors import InputError, UnitError
from abscopal.dose.dvh_table import read_dvh_table

CURVE = "structure,dose_gy,volume_percent\n" + "".join(
    f"{name},{dose},{100 - 100 * dose / top}\n"
    for name, top in (("Heart", 20), ("Lt Lung", 40))
    for dose in (0, top / 2, top)
)


def table(folder: Path, text: str, **options: object):
    path = folder / "dvh.csv"
    path.write_text(text)
    return read_dvh_table(path, **options)


def test_a_curve_gives_its_mean_and_a_standard_name(tmp_path: Path) -> None:
    found = table(tmp_path, CURVE)
    assert set(found) == {"Heart", "Lung_L"}
    assert found["Heart"].mean == pytest.approx(10.0)
    assert found["Heart"].maximum == 20.0
    assert found["Heart"].gEUD(1) == pytest.approx(10.0)
    assert found["Lung_L"].volume_at_dose(10) == pytest.approx(0.75)
    assert np.isnan(found["Heart"].volume_cm3)


def test_units_are_in_the_column_names(tmp_path: Path) -> None:
    text = CURVE.replace("dose_gy", "dose_cgy").replace("volume_percent", "volume_fraction")
    lines = text.splitlines()
    rows = [line.split(",") for line in lines[1:]]
    text = "\n".join([lines[0], *(f"{s},{100 * float(d)},{float(v) / 100}" for s, d, v in rows)])
    found = table(tmp_path, text)
    assert found["Heart"].mean == pytest.approx(10.0)
    absolute = "structure,dose_gy,volume_cm3\nHeart,0,700\nHeart,10,350\nHeart,20,0\n"
    assert table(tmp_path, absolute)["Heart"].volume_cm3 == 700


def test_facts_of_a_structure(tmp_path: Path) -> None:
    text = "structure,dose_gy,volume_percent,structure_volume_cm3,mean_gy\nHeart,0,100,712,10.4\nHeart,20,0,712,10.4\n"
    heart = table(tmp_path, text)["Heart"]
    assert (heart.volume_cm3, heart.mean) == (712, 10.4)
    with pytest.raises(InputError, match="2 values of mean_gy"):
        table(tmp_path, text.replace("20,0,712,10.4", "20,0,712,10.5"))


def test_bins_are_read_on_request(tmp_path: Path) -> None:
    text = "structure,dose_gy,volume_cm3\nHeart,5,100\nHeart,15,300\n"
    heart = table(tmp_path, text, kind="differential")["Heart"]
    assert heart.mean == pytest.approx(12.5)
    assert heart.volume_cm3 == 400
    with pytest.raises(InputError, match="--differential"):
        table(tmp_path, text.replace("volume_cm3", "volume_percent"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("structure,dose_gy\nHeart,1\n", "exactly one of volume_percent"),
        ("structure,dose,volume_percent\nHeart,1,100\n", "exactly one of dose_gy"),
        ("organ,dose_gy,volume_percent\nHeart,1,100\n", "a column structure"),
        ("structure,dose_gy,volume_percent\nHeart,0,100\nHeart,high,0\n", "'high' for dose_gy in row 3"),
        ("structure,dose_gy,volume_percent\nHeart,0,100\nHeart,-4,0\n", "a number of at least 0"),
        ("structure,dose_gy,volume_percent\nHeart,10,100\nHeart,5,0\n", "rising order"),
        ("structure,dose_gy,volume_percent\nHeart,0,60\nHeart,5,0\n", "begins at 60 %"),
        ("structure,dose_gy,volume_percent\nHeart,0,100\nHeart,5,40\nHeart,6,50\n", "or rises"),
        ("structure,dose_gy,volume_fraction\nHeart,0,100\nHeart,5,0\n", "begins at 1e\\+04 %"),
        ("", "a CSV table"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises((InputError, UnitError), match=told):
        table(tmp_path, text)


def test_a_cut_off_histogram_says_so(tmp_path: Path) -> None:
    text = "structure,dose_gy,volume_percent\nHeart,0,100\nHeart,10,30\n"
    heart = table(tmp_path, text)["Heart"]
    assert heart.notes == ("30 % of the volume is left at the last dose of the table",)
    assert heart.volume_at_dose(10) == pytest.approx(0.3)
    assert heart.volume_at_dose(10.1) == 0.0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.001, 1.0), min_size=2, max_size=20))
def test_a_curve_and_its_bins_have_one_mean(tmp_path_factory: pytest.TempPathFactory, weights: list[float]) -> None:
    folder = tmp_path_factory.mktemp("dvh")
    share = np.array(weights) / sum(weights)
    centres = np.arange(share.size) + 0.5
    bins = "".join(f"Heart,{d!r},{v!r}\n" for d, v in zip(centres.tolist(), share.tolist(), strict=True))
    left = np.clip(np.r_[1.0, 1 - np.cumsum(share)], 0, 1)
    curve = "".join(f"Heart,{d},{v!r}\n" for d, v in enumerate(left.tolist()))
    one = table(folder, "structure,dose_gy,volume_fraction\n" + bins, kind="differential")["Heart"]
    other = table(folder, "structure,dose_gy,volume_fraction\n" + curve)["Heart"]
    assert one.mean == pytest.approx(float(centres @ share), abs=1e-9)
    assert other.mean == pytest.approx(one.mean, abs=1e-9)

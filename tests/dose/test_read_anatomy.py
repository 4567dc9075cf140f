"""A case before planning: CT and structures without a dose."""

from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from abscopal.domain.errors import DicomError
from abscopal.dose.dicom.intake import read_anatomy
from tests.dose import build


def files() -> dict[str, Dataset]:
    """The small case with a heart that lies on its CT."""
    heart = [build.square(1.5, z, (-8.0, -18.0)) for z in (0.0, 3.0, 6.0)]
    return build.small_case(rs=build.struct({"Heart": heart, "Far": [build.square(2.0, 900.0, (0.0, 0.0))]}))


def saved(tmp_path: Path, *roles: str) -> Path:
    return build.save(tmp_path / "case", {name: one for name, one in files().items() if name.startswith(roles)})


def test_image_and_structures_are_enough(tmp_path: Path) -> None:
    found = read_anatomy(saved(tmp_path, "CT", "RS"))
    assert set(found.structures) == {"Heart"}
    assert found.ct.values.shape == (3, 4, 5)
    assert any(item.what == "Far" and item.detail == "off the CT entirely" for item in found.checklist)


def test_a_dose_in_the_folder_does_no_harm(tmp_path: Path) -> None:
    assert "Heart" in read_anatomy(saved(tmp_path, "CT", "RS", "RD", "RP")).structures


def test_without_ct_or_structures_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DicomError, match="no CT that can be read"):
        read_anatomy(saved(tmp_path / "a", "RS"))
    with pytest.raises(DicomError, match="RTSTRUCT"):
        read_anatomy(saved(tmp_path / "b", "CT"))

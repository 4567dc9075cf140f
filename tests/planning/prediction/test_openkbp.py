"""Reading the OpenKBP layout, and refusing what is not it."""

from pathlib import Path

import numpy as np
import pytest

from abscopal.domain.errors import InputError
from abscopal.planning.prediction.openkbp import digest, openkbp_files, read_openkbp, read_split
from tests.conftest import SHARED
from tests.planning.prediction.made_up import made_up_example, write_openkbp


def rewritten(path: Path, out: Path, **changes: np.ndarray) -> Path:
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    arrays |= changes
    with out.open("wb") as stream:
        np.savez(stream, **{name: array for name, array in arrays.items() if array is not None})
    return out


def test_what_was_written_is_read(tmp_path: Path) -> None:
    example = made_up_example()
    found = read_openkbp(write_openkbp(tmp_path, example, "train"))
    assert found.name == "train_one"
    assert np.abs(found.dose - example.dose).max() <= 0.005 + 1e-4
    assert found.anatomy.voxel_mm == example.anatomy.voxel_mm
    for name, mask in example.anatomy.masks.items():
        assert (found.anatomy.masks[name] == mask).all()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"ct": np.zeros((2, 2, 2), dtype=np.int16)}, "different shapes"),
        ({"ct": np.zeros((3, 3, 3))}, "ct of type float64"),
        ({"dose_cgy": None}, "KeyError"),
        ({"mask_names": np.array(["Brainstem", "Heart"])}, "mask names"),
        ({"mask_names": np.array([{}], dtype=object)}, "mask_names of type object"),
        ({"voxel_size_mm": np.array([0.0, 4.0, 4.0], dtype=np.float32)}, "voxels of"),
        ({"mask_bits": np.zeros((24, 28, 22), dtype=np.uint16)}, "no target"),
    ],
)  # fmt: skip
def test_bad_files_are_named(tmp_path: Path, changes: dict[str, np.ndarray], named: str) -> None:
    good = write_openkbp(tmp_path, made_up_example(), "train")
    with pytest.raises(InputError, match=named):
        read_openkbp(rewritten(good, tmp_path / "bad.npz", **changes))


def test_files_that_are_no_npz(tmp_path: Path) -> None:
    path = tmp_path / "train_x.npz"
    path.write_bytes(b"not a zip")
    with pytest.raises(InputError, match="cannot be read"):
        read_openkbp(path)
    with pytest.raises(InputError, match="no such file"):
        read_openkbp(tmp_path / "train_y.npz")


def test_a_header_that_claims_too_much_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    good = write_openkbp(tmp_path, made_up_example(), "train")
    with pytest.raises(InputError, match="bounded size"):
        read_openkbp(rewritten(good, tmp_path / "bad.npz", ct=np.zeros((1, 1, 20_000_001), dtype=np.int8)))


def test_splits(tmp_path: Path) -> None:
    for name in ("b", "a"):
        write_openkbp(tmp_path, made_up_example(name), "train")
    assert [one.name for one in read_split(tmp_path, "train")] == ["train_a", "train_b"]
    files = openkbp_files(tmp_path, "train")
    assert digest(files) != digest(files[::-1])
    for folder, split, named in (
        (tmp_path, "test", "0 files"),
        (tmp_path / "no", "train", "0 files"),
        (tmp_path, "x", "x"),
    ):
        with pytest.raises(InputError, match=named):
            openkbp_files(folder, split)


def test_a_real_patient() -> None:
    folder = SHARED / "openkbp-mini"
    if not folder.is_dir():
        pytest.skip("openkbp-mini is not beside this checkout")
    found = read_openkbp(folder / "train_pt_104.npz")
    assert found.anatomy.voxel_mm == pytest.approx((3.92, 3.92, 3.0), abs=0.01)
    assert found.dose[found.anatomy.masks["PTV70"]].mean() == pytest.approx(70.3, abs=0.1)
    assert found.dose[~found.anatomy.region].max() == 0.0

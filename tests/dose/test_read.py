import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from abscopal.domain.errors import DicomError
from abscopal.dose.dicom import plan, read
from abscopal.dose.dicom.read import sum_doses
from abscopal.dose.dicom.stored_dvh import StoredDVH, judge_stored_dvhs, read_stored_dvhs
from abscopal.dose.dvh import compute_dvh
from abscopal.dose.grid import DoseGrid
from tests.dose import build
from tests.dose.build import ORIENTATIONS, Field, stored


def read_dose(ds: Dataset, **options) -> DoseGrid:
    return read.read_dose(stored(ds), **options)


def read_structures(ds: Dataset) -> read.ReadStructures:
    return read.read_structures(stored(ds))


def read_plan(ds: Dataset) -> plan.PlanFacts:
    return plan.read_plan(stored(ds))


def read_ct(slices: list[Dataset]) -> read.ReadCT:
    return read.read_ct([stored(one) for one in slices])


BLOB = (-14.0, 25.0, -27.0)


def blob() -> Field:
    """A dose of 9 Gy in the one voxel centred on BLOB, 1 Gy elsewhere."""
    return Field.of(
        lambda x, y, z: np.where((abs(x - BLOB[0]) < 0.5) & (abs(y - BLOB[1]) < 0.5) & (abs(z - BLOB[2]) < 0.5), 9.0, 1)
    )


def slanted() -> Field:
    return Field.of(lambda x, y, z: 40 + 0.31 * x + 0.23 * y - 0.17 * z)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("position", ORIENTATIONS)
def test_a_blob_comes_back_where_it_was(position: str, descending: bool) -> None:
    dose = read_dose(build.dose(blob(), position=position, descending=descending))
    assert dose.sample(np.array([BLOB])) == pytest.approx([9.0])
    k, j, i = np.unravel_index(np.argmax(dose.values), dose.values.shape)
    np.testing.assert_allclose((dose.affine @ [i, j, k, 1])[:3], BLOB, atol=1e-6)


@pytest.mark.parametrize("position", ORIENTATIONS)
def test_dvh_is_the_same_in_every_position(position: str) -> None:
    contours = {"Ball": build.sphere(7.0, (-15.3, 24.2, -26.6), 1.0)}
    (ball,) = read_structures(build.struct(contours)).structures
    expected = compute_dvh(ball, read_dose(build.dose(slanted())))
    dvh = compute_dvh(ball, read_dose(build.dose(slanted(), position=position)))
    assert dvh.mean == pytest.approx(expected.mean, rel=1e-12)
    assert dvh.volume_cm3 == pytest.approx(expected.volume_cm3, rel=1e-12)
    np.testing.assert_allclose(dvh.volume_fraction, expected.volume_fraction, atol=1e-9)


@pytest.mark.parametrize("descending", [False, True])
def test_absolute_and_relative_offsets_agree(descending: bool) -> None:
    relative = read_dose(build.dose(slanted(), descending=descending))
    absolute = read_dose(build.dose(slanted(), descending=descending, offsets="absolute"))
    np.testing.assert_allclose(absolute.affine, relative.affine, atol=1e-9)


def test_offsets_that_are_neither_form_are_refused() -> None:
    ds = build.dose(slanted())
    ds.GridFrameOffsetVector = [float(v) + 7 for v in ds.GridFrameOffsetVector]
    with pytest.raises(DicomError, match="GridFrameOffsetVector"):
        read_dose(ds)


def test_unequal_frames_are_refused() -> None:
    ds = build.dose(slanted())
    ds.GridFrameOffsetVector = [*list(ds.GridFrameOffsetVector)[:-1], 99.0]
    with pytest.raises(DicomError, match="equally spaced"):
        read_dose(ds)


def test_single_frame_needs_its_thickness() -> None:
    flat = Field(np.full((1, 4, 5), 2.0))
    ds = build.dose(flat)
    del ds.NumberOfFrames, ds.GridFrameOffsetVector, ds.FrameIncrementPointer
    with pytest.raises(DicomError, match="SliceThickness"):
        read_dose(ds)
    ds.SliceThickness = 4.0
    dose = read_dose(ds)
    assert dose.values.shape == (1, 4, 5)
    assert dose.lattice.spacing == (2.0, 2.5, 4.0)


def test_scaling_is_applied_and_16_bit_read() -> None:
    ds = build.dose(Field(np.full((2, 3, 4), 2.0)), scaling=0.001)
    build.pixels(ds, np.full((2, 3, 4), 2345, dtype=np.uint16))
    assert read_dose(ds).max == pytest.approx(2.345)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ds: setattr(ds, "DoseUnits", "RELATIVE"), "RELATIVE"),
        (lambda ds: delattr(ds, "DoseUnits"), "missing"),
        (lambda ds: setattr(ds, "DoseType", "ERROR"), "ERROR"),
        (lambda ds: delattr(ds, "DoseType"), "missing"),
        (lambda ds: delattr(ds, "DoseGridScaling"), "DoseGridScaling"),
        (lambda ds: delattr(ds, "PixelData"), "PixelData"),
        (lambda ds: delattr(ds, "ImageOrientationPatient"), "ImageOrientationPatient"),
        (lambda ds: setattr(ds, "ImageOrientationPatient", [1, 0, 0, 1, 0, 0]), "perpendicular"),
        (lambda ds: setattr(ds, "Rows", 30000), "at most"),
        (lambda ds: setattr(ds, "PixelData", ds.PixelData[:100]), "damaged"),
        (lambda ds: build.pixels(ds, np.full((12, 14, 16), -5, dtype=np.int32)), "at least 0 Gy"),
    ],
)
def test_unusable_doses_get_a_four_part_message(change, message: str) -> None:
    ds = build.dose(slanted())
    change(ds)
    if message == "at most":
        ds.Columns = 30000
    with pytest.raises(DicomError, match=message) as refusal:
        read_dose(ds)
    assert all(refusal.value.parts().values())


def test_oblique_dose_is_refused_when_placed() -> None:
    ds = build.dose(slanted())
    ds.ImageOrientationPatient = [0.96, 0.28, 0, -0.28, 0.96, 0]
    with pytest.raises(DicomError, match="oblique"):
        _ = read_dose(ds).lattice


def test_kind_comes_from_the_file_or_from_the_user() -> None:
    ds = build.dose(slanted())
    assert read_dose(ds).kind == "physical"
    ds.DoseType = "EFFECTIVE"
    assert read_dose(ds).kind == "RBE"
    del ds.DoseType
    assert read_dose(ds, kind="RBE").kind == "RBE"


def test_sum_needs_one_grid() -> None:
    one = read_dose(build.dose(slanted()))
    np.testing.assert_allclose(sum_doses([one, one]).values, 2 * one.values)
    other = read_dose(build.dose(blob(), position="FFS"))
    with pytest.raises(DicomError, match="differ"):
        sum_doses([one, other])


def test_structures_with_roles_colours_and_empty_rois() -> None:
    ds = build.struct({"Heart": [build.square(5, 0.0)], "Areola": []}, roles={"Heart": "ORGAN", "Areola": "AVOIDANCE"})
    heart, areola = read_structures(ds).structures
    assert (heart.name, heart.role, heart.color, heart.number) == ("Heart", "ORGAN", (255, 0, 1), 1)
    np.testing.assert_allclose(heart.contours[0], build.square(5, 0.0))
    assert areola.is_empty
    assert read_structures(ds).frames == {1: build.FRAME, 2: build.FRAME}


@pytest.mark.parametrize(
    "missing", ["ROIContourSequence", "RTROIObservationsSequence", "ReferencedFrameOfReferenceSequence"]
)
def test_missing_sequences_are_survived(missing: str) -> None:
    ds = build.struct({"Heart": [build.square(5, 0.0)]})
    delattr(ds, missing)
    (heart,) = read_structures(ds).structures
    assert heart.name == "Heart"


def test_open_point_and_malformed_contours_are_left_out_with_a_reason() -> None:
    ds = build.struct({"Marker": [build.square(5, 0.0), build.square(5, 3.0), build.square(5, 6.0)]})
    polygons = ds.ROIContourSequence[0].ContourSequence
    polygons[1].ContourGeometricType = "POINT"
    polygons[2].ContourData = ["1.0", "2.0", "3.0", "4.0"]
    content = read_structures(ds)
    assert len(content.structures[0].contours) == 1
    assert {reason for _, reason in content.skipped} == {
        "1 point contour(s) enclose nothing",
        "1 contour(s) whose ContourData cannot be read",
    }


def test_plan_facts() -> None:
    facts = read_plan(build.plan())
    assert (facts.n_fractions, facts.prescription_gy, facts.dose_per_fraction) == (5, 50.0, 10.0)
    beam = facts.beams[0]
    assert (beam.name, beam.radiation_type, beam.energy_mv) == ("arc 1", "PHOTON", 6.0)
    assert (beam.gantry_start, beam.gantry_stop, beam.meterset, beam.n_control_points) == (181.0, 179.0, 120.0, 2)
    assert facts.beam_on_s == pytest.approx(60 * (120 + 180) / 600)


def test_beam_on_time_needs_every_dose_rate() -> None:
    assert read_plan(build.plan(dose_rate=None)).beam_on_s is None


def test_beam_on_time_follows_a_changing_dose_rate() -> None:
    ds = build.plan(metersets=(120.0,))
    first, last = ds.BeamSequence[0].ControlPointSequence
    middle = Dataset()
    middle.CumulativeMetersetWeight, middle.DoseRateSet = 0.25, 300.0
    ds.BeamSequence[0].ControlPointSequence = Sequence([first, middle, last])
    assert read_plan(ds).beam_on_s == pytest.approx(60 * (30 / 600 + 90 / 300))


def test_setup_fields_do_not_count() -> None:
    ds = build.plan()
    ds.BeamSequence[1].TreatmentDeliveryType = "SETUP"
    assert len(read_plan(ds).beams) == 1


def test_prescription_from_beam_doses_or_unknown() -> None:
    ds = build.plan(prescription=None)
    facts = read_plan(ds)
    assert facts.prescription_gy == pytest.approx(5 * (5.0 + 5.0))
    assert "BeamDose" in facts.notes[0]
    del ds.FractionGroupSequence
    bare = read_plan(ds)
    assert bare.prescription_gy is bare.n_fractions is bare.dose_per_fraction is bare.beam_on_s is None


def test_ct_slices_are_sorted_and_scaled() -> None:
    slices = build.ct((6.0, 0.0, 3.0))
    content = read_ct(slices)
    np.testing.assert_allclose(content.volume.values[:, 0, 0], 2 * (np.array([0, 3, 6]) + 1024) - 1024)
    np.testing.assert_allclose(content.volume.affine @ [0, 0, 2, 1], [-10, -20, 6, 1])
    assert content.volume.lattice.spacing == (1.0, 1.5, 3.0)
    assert content.notes == ()


def test_feet_first_ct_is_sorted_along_its_own_normal() -> None:
    volume = read_ct(build.ct((6.0, 0.0, 3.0), position="FFS")).volume
    np.testing.assert_allclose(volume.affine @ [0, 0, 0, 1], [-10, -20, 6, 1])
    np.testing.assert_allclose(volume.on_lattice()[:, 0, 0], 2 * (np.array([0, 3, 6]) + 1024) - 1024)


def test_one_ct_slice_is_enough() -> None:
    volume = read_ct(build.ct((5.0,))).volume
    assert volume.lattice.spacing[2] == 3.0


def test_missing_ct_slices_are_filled_and_reported() -> None:
    content = read_ct(build.ct((0.0, 3.0, 9.0, 12.0)))
    np.testing.assert_allclose(content.volume.values[:, 0, 0], 2 * (np.array([0, 3, 6, 9, 12]) + 1024) - 1024)
    assert "1 of 5 CT slices missing" in content.notes[0]


@pytest.mark.parametrize("heights", [(0.0, 3.0, 3.0), (0.0, 3.0, 4.3, 8.0)])
def test_irregular_ct_is_refused(heights) -> None:
    with pytest.raises(DicomError, match="equally spaced"):
        read_ct(build.ct(heights))


def test_slices_of_two_kinds_are_refused() -> None:
    slices = build.ct()
    slices[1].PixelSpacing = [2.0, 2.0]
    with pytest.raises(DicomError, match="2 kinds"):
        read_ct(slices)


def test_stored_dvhs_are_read_with_their_scaling() -> None:
    ds, item, roi = build.dose(slanted()), Dataset(), Dataset()
    roi.ReferencedROINumber = 3
    item.DVHReferencedROISequence, item.DoseUnits, item.DVHDoseScaling = Sequence([roi]), "GY", 2.0
    item.DVHMaximumDose, item.DVHMeanDose = 4.0, 1.5
    item.DVHData = [0.5, 10.0, 0.5, 4.0]
    ds.DVHSequence = Sequence([item])
    (entry,) = read_stored_dvhs(stored(ds))
    assert (entry.roi_number, entry.maximum, entry.mean) == (3, 4.0, 1.5)
    np.testing.assert_allclose(entry.edges, [1.0, 2.0])
    np.testing.assert_allclose(entry.volumes, [10.0, 4.0])


@pytest.mark.parametrize(
    ("highest", "good", "word"), [(14.7, True, "against"), (104.86, False, "per cent"), (40.0, False, "not used")]
)
def test_stored_dvhs_that_cannot_be_gray_are_flagged(highest: float, good: bool, word: str) -> None:
    entry = StoredDVH(1, "GY", None, highest, np.array([1.0]), np.array([1.0]))
    verdict, reason = judge_stored_dvhs([entry], dose_max=14.68, prescription=14.0)
    assert verdict is good
    assert word in reason

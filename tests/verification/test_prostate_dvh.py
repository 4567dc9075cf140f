"""The prostate case of SlicerRT against three other programs: Eclipse, CERR, SlicerRT.

Source: SlicerRT test data, commit df6ef69 (PROVENANCE.md beside the files); curves as published there.
Status: read. Target: within the spread of the three. `OUTSIDE` lists every figure that is not, with how
far it lies from the nearest of the three; the table is in docs/validation/prostate-dvh.md.
"""

import pytest

from abscopal.dose.dvh import compute_dvh
from tests.verification import slicer_files as slicer

pytestmark = pytest.mark.skipif(not slicer.CASE.is_dir(), reason="the SlicerRT prostate case is not on this machine")

OUTSIDE = {
    ("Femoral Head Lt", "volume [cm3]"): 0.028,
    ("Femoral Head Lt", "V20 [%]"): 0.034,
    ("Femoral Head RT", "mean [Gy]"): 0.001,
    ("Femoral Head RT", "D5% [Gy]"): 0.011,
    ("Rectum", "volume [cm3]"): 0.056,
    ("Rectum", "D5% [Gy]"): 0.001,
    ("Rectum", "D10% [Gy]"): 0.006,
    ("Rectum", "D2cc [Gy]"): 0.009,
    ("Rectum", "V20 [%]"): 0.301,
}
"""Distance beyond the spread, in the figure's unit."""


@pytest.fixture(scope="module")
def table() -> dict[tuple[str, str], tuple[float, list[float]]]:
    """Our figure and the three others, per structure and metric."""
    dose = slicer.dose()
    curves = [slicer.published(program) for program in slicer.PROGRAMS]
    rows = {}
    for structure in slicer.structures():
        ours = slicer.own_metrics(compute_dvh(structure, dose))
        others = [curve[structure.name].metrics() for curve in curves]
        for metric in slicer.METRICS:
            rows[structure.name, metric] = ours[metric], [other[metric] for other in others]
    return rows


@pytest.mark.parametrize("metric", slicer.METRICS)
@pytest.mark.parametrize("structure", slicer.STRUCTURES)
def test_within_the_spread_of_three_programs(structure: str, metric: str, table) -> None:
    ours, others = table[structure, metric]
    beyond = max(min(others) - ours, ours - max(others), 0.0)
    expected = OUTSIDE.get((structure, metric), 0.0)
    assert beyond == pytest.approx(expected, abs=0.0006)


def test_without_turning_ras_to_lps_the_means_would_be_wrong() -> None:
    """The trap named in PROVENANCE.md: plausible figures, wrong patient side."""
    dose = slicer.dose()
    heads = slicer.structures()[2]
    mirrored = type(heads)(9, "mirrored", contours=tuple(points * [-1, -1, 1] for points in heads.contours))
    assert abs(compute_dvh(mirrored, dose).mean - compute_dvh(heads, dose).mean) > 1.0

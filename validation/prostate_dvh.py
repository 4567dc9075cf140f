"""Writes docs/validation/prostate-dvh.md. Run from the repository root: python -m validation.prostate_dvh."""

from pathlib import Path

from tests.verification import slicer_files as slicer

from abscopal.dose.dvh import compute_dvh

TARGET = Path(__file__).resolve().parents[1] / "docs" / "validation" / "prostate-dvh.md"
HEAD = """# Prostate DVHs against three programs

Same dose grid and same planar contours, four programs: the treatment planning system Eclipse, CERR, SlicerRT, and
this package. Case: `EclipseProstate` of the SlicerRT test data (commit df6ef69, MIT licence), 136 × 86 × 92 voxels
of 2.5 mm, contours on every dose plane, VTK polylines in RAS turned to LPS. The figures of the other programs are read
off their published curves (0.05 to 0.2 Gy apart, linear in between), volumes from the column heads.

Ours: end caps of half a slice, sub-voxels as in [](../dose.md), bins of 0.01 Gy. "Outside" is the distance beyond the
lowest or highest of the three.

| structure | figure | abscopal | Eclipse | CERR | SlicerRT | outside |
| --- | --- | ---: | ---: | ---: | ---: | ---: |
"""
TAIL = """
{inside} of {total} figures lie within the spread of the three. The others:

- **Doses** (mean, D5%, D10%, D2cc) outside by at most {dose:.3f} Gy; a bin of the coarser curves is 0.2 Gy wide. CERR's
  doses lie 0.1 Gy below the others' throughout, which sets the lower end of the spread.
- **Volumes** outside by at most {volume:.2f} cm3 ({percent:.1f} %).
- **V20** of the rectum {rectum:.2f} and of the left femoral head {femur:.3f} percentage points away. Sub-voxels, which
  sample dose through the thickness of a slice, make the difference: with voxel centres alone our rectum V20 is
  98.38 %, inside the spread, and the left femoral head's 98.94 %, outside it on the other side. We keep the sub-voxels.

Made by `python -m validation.prostate_dvh`; `tests/verification/test_prostate_dvh.py` holds each figure and each miss.
"""


def main() -> None:
    """Compute all figures and write the page."""
    dose = slicer.dose()
    curves = [slicer.published(program) for program in slicer.PROGRAMS]
    lines, beyond = [], dict[tuple[str, str], float]()
    for structure in slicer.structures():
        ours = slicer.own_metrics(compute_dvh(structure, dose))
        others = [curve[structure.name].metrics() for curve in curves]
        for metric in slicer.METRICS:
            figures = [other[metric] for other in others]
            away = max(min(figures) - ours[metric], ours[metric] - max(figures), 0.0)
            beyond[structure.name, metric] = away
            cells = " | ".join(f"{figure:.2f}" for figure in (ours[metric], *figures))
            lines.append(f"| {structure.name} | {metric} | {cells} | {f'{away:.3f}' if away >= 0.0005 else ''} |")
    doses = [away for (_, metric), away in beyond.items() if "Gy" in metric]
    volumes = {name: away for (name, metric), away in beyond.items() if "cm3" in metric}
    largest = max(volumes, key=lambda name: volumes[name])
    tail = TAIL.format(
        inside=sum(away < 0.0005 for away in beyond.values()),
        total=len(beyond),
        dose=max(doses),
        volume=volumes[largest],
        percent=100 * volumes[largest] / curves[0][largest].volume,
        rectum=beyond["Rectum", "V20 [%]"],
        femur=beyond["Femoral Head Lt", "V20 [%]"],
    )
    TARGET.write_text(HEAD + "\n".join(lines) + "\n" + tail, encoding="utf-8")


if __name__ == "__main__":
    main()

"""Figures of a predicted dose. None shows an image of the patient: histograms and dose differences only."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from abscopal.drawing import INK, PALETTE, canvas, to_svg
from abscopal.planning.prediction.anatomy import STRUCTURES, Anatomy
from abscopal.planning.prediction.scores import DoseArray
from abscopal.trials.figures import Figure

POINTS = 201
BIN_GY = 0.5
WIDEST_ERROR = 20.0


def dvh_figure(anatomy: Anatomy, doses: Mapping[str, DoseArray]) -> Figure:
    """Cumulative histograms of every structure, one line style per dose.

    Parameters
    ----------
    anatomy : Anatomy
    doses : mapping of str to array, shape (a, b, c)
        At most three doses by their label, such as predicted and planned. [Gy]
    """
    top = max(float(dose.max()) for dose in doses.values()) * 1.02 + 1e-6
    levels = np.linspace(0.0, top, POINTS)
    present = [name for name in STRUCTURES if name in anatomy.masks]
    rows = [
        pd.DataFrame({"dose": label, "structure": name, "gy": levels,
                      "volume_percent": 100.0 * cumulative(dose[anatomy.masks[name]], levels)})
        for label, dose in doses.items() for name in present
    ]  # fmt: skip
    data = pd.concat(rows, ignore_index=True)
    with canvas(7.2, 4.2) as (figure, axes):
        for style, label in zip(("-", "--", ":"), doses, strict=False):
            for index, name in enumerate(present):
                line = data.loc[(data["dose"] == label) & (data["structure"] == name)]
                axes.plot(line["gy"], line["volume_percent"], style, color=PALETTE[index % len(PALETTE)],
                          alpha=1.0 if index < len(PALETTE) else 0.6, label=f"{name}, {label}")  # fmt: skip
        axes.set(xlabel="dose [Gy]", ylabel="volume receiving at least this dose [%]", ylim=(0, 102), xlim=(0, top))
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        return Figure("dvh", to_svg(figure, "Dose-volume histograms: " + " and ".join(doses)), data)


def cumulative(dose: DoseArray, levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the voxels that receive at least each level [1]."""
    ordered = np.sort(np.asarray(dose, dtype=np.float64))
    return 1.0 - np.searchsorted(ordered, levels) / max(1, ordered.size)


def error_figure(errors: Mapping[str, Sequence[DoseArray]]) -> Figure:
    """Distribution over voxels of predicted less planned dose, one line per predictor, patients weighing alike.

    Parameters
    ----------
    errors : mapping of str to sequence of array, shape (n,)
        Voxel errors of each patient. [Gy]
    """
    edges = np.arange(-WIDEST_ERROR, WIDEST_ERROR + BIN_GY, BIN_GY)
    middle = edges[:-1] + BIN_GY / 2
    rows = []
    for name, patients in errors.items():
        shares = [np.histogram(np.clip(one, edges[0], edges[-1]), edges)[0] / one.size for one in patients]
        rows.append(pd.DataFrame({"predictor": name, "error_gy": middle, "percent": 100.0 * np.mean(shares, axis=0)}))
    data = pd.concat(rows, ignore_index=True)
    with canvas(6.4, 4.2) as (figure, axes):
        for index, name in enumerate(errors):
            part = data.loc[data["predictor"] == name]
            axes.plot(part["error_gy"], part["percent"], color=PALETTE[index % len(PALETTE)], label=name)
        axes.axvline(0.0, color=INK, linewidth=0.8)
        axes.set(xlabel="predicted less planned dose [Gy]", ylabel=f"voxels per {BIN_GY:g} Gy [%]; ends: all beyond")
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
        return Figure("dose_error", to_svg(figure, "Distribution of voxel dose errors"), data)


def difference_figure(anatomy: Anatomy, predicted: DoseArray, planned: DoseArray) -> Figure:
    """Predicted less planned dose in the three planes through the targets' centre, with the targets' outline."""
    centre = [round(float(part)) for part in np.argwhere(anatomy.target).mean(axis=0)]
    difference = np.where(anatomy.region, predicted - planned, np.nan)
    target = anatomy.target
    size = anatomy.voxel_mm
    names = {"axial": 2, "coronal": 0, "sagittal": 1}
    limit = max(1.0, float(np.nanpercentile(np.abs(difference), 99)))
    rows = []
    with canvas(9.0, 3.4, columns=3) as (figure, axes):
        for name, (ax, axis) in zip(names, zip(axes, names.values(), strict=True), strict=True):
            plane, outline = (np.take(one, centre[axis], axis=axis) for one in (difference, target))
            across, along = (size[k] for k in range(3) if k != axis)
            if name != "axial":
                plane, outline, across, along = plane.T, outline.T, along, across
            extent = (0.0, plane.shape[1] * along, plane.shape[0] * across, 0.0)
            shown = ax.imshow(plane, cmap="RdBu_r", vmin=-limit, vmax=limit, extent=extent)
            ax.contour(outline.astype(float), [0.5], colors=[INK], linewidths=0.8, extent=extent, origin="upper")
            ax.set(title=name, xlabel="[mm]", ylabel="[mm]")
            ax.grid(visible=False)
            rows.append(pd.DataFrame({"plane": name, "error_gy": plane[np.isfinite(plane)]}))
        figure.colorbar(shown, ax=list(axes), label="predicted less planned dose [Gy]", shrink=0.8)
        svg = to_svg(figure, "Predicted less planned dose in three planes")
    return Figure("difference", svg, pd.concat(rows, ignore_index=True))

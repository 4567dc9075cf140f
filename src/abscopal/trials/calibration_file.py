"""A calibrated population layer kept in a folder: scoring, predicting and explaining need not calibrate anew."""

import json
from functools import cache
from pathlib import Path

import numpy as np

from abscopal.domain.errors import InputError
from abscopal.immune.model import diw_model
from abscopal.trials.calibrate import DRAWS, Calibration, calibrate, calibration_from
from abscopal.trials.response import parameter_draws

ENDPOINTS = ("PFS", "OS")


def made_from() -> dict[str, str]:
    """Digests of the immune model and of its parameter draws, on which a calibration rests."""
    return {"model_digest": diw_model().digest, "parameters_sha256": parameter_draws(DRAWS).digest}


def save_calibration(folder: Path, calibration: Calibration) -> Path:
    """Write `calibration-<end point>.npz`; the path comes back."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"calibration-{calibration.endpoint}.npz"
    np.savez(
        path, trials=np.array(calibration.trials), log_hr=calibration.log_hr, se=calibration.se,
        added=calibration.added, expected=calibration.expected,
        made_from=np.array(json.dumps(made_from())),
    )  # fmt: skip
    return path


def load_calibration(folder: Path, endpoint: str) -> Calibration:
    """The calibration of one end point in a folder.

    Raises
    ------
    InputError
        None there, not readable, or made with another immune model.
    """
    path = folder / f"calibration-{endpoint}.npz"
    try:
        with np.load(path, allow_pickle=False) as held:
            found = {name: held[name] for name in held.files}
        other = json.loads(str(found["made_from"])) != made_from()
        parts = (found[name] for name in ("log_hr", "se", "added", "expected"))
        calibration = None if other else calibration_from(endpoint, tuple(found["trials"].tolist()), *parts)
    except (OSError, ValueError, KeyError) as exc:
        raise _refused(path, f"no readable file ({type(exc).__name__})") from exc
    if calibration is None:
        raise _refused(path, "a calibration of another immune model or other parameters")
    return calibration


def kept(endpoint: str, folder: Path | None) -> Calibration | None:
    """The calibration of an end point already in a folder; None where there is none.

    Raises
    ------
    InputError
        One that was made with another immune model.
    """
    there = folder is not None and (folder / f"calibration-{endpoint}.npz").exists()
    return load_calibration(folder, endpoint) if there and folder is not None else None


def _refused(path: Path, found: str) -> InputError:
    return InputError(
        doing=f"reading the calibration {path.name}", found=found, expected="a folder written by this version",
        try_="`abscopal trials calibrate --out FOLDER`",
    )  # fmt: skip


@cache
def _calibrated(endpoint: str) -> Calibration:
    return calibrate(endpoint)


def calibration_for(endpoint: str, folder: Path | None = None) -> Calibration:
    """The calibration in a folder, or, without one, a fresh one (minutes)."""
    return _calibrated(endpoint) if folder is None else load_calibration(folder, endpoint)

"""The calibrations that ship with the package: written by `make posterior`, read by everything after it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import InputError
from abscopal.domain.version import __version__
from abscopal.inference.ablation import FULL, variant
from abscopal.inference.diagnostics import Learned
from abscopal.inference.observations import EVIDENCE, EXPERIMENTS
from abscopal.inference.parameters import Parameters, sampled_names, unfitted
from abscopal.inference.sampler import Chain
from abscopal.knowledge.load import load

FloatArray = NDArray[np.float64]
_SEED = 20261123
MANIFEST = "posterior.json"


def data_folder() -> Path:
    """Where the package keeps the draws."""
    return Path(str(files("abscopal.knowledge") / "data"))


def file_name(label: str) -> str:
    """File of the sampled numbers of one variant."""
    return "sampled_" + label.lower().replace("-", "_").replace("β", "b") + ".csv"


def shipped(label: str = FULL, folder: Path | None = None) -> Parameters:
    """Posterior of one variant with prior draws of what is not fitted and scatter between lines.

    Raises
    ------
    InputError
        No calibration of this variant.
    """
    path = (folder or data_folder()) / "inference" / file_name(label)
    if not path.is_file():
        raise InputError(
            doing=f"loading the calibration of the variant {label}",
            found="no file of draws",
            expected=path.name,
            try_="`make posterior`",
        )
    return _read(path)


@cache
def _read(path: Path) -> Parameters:
    lines = path.read_text(encoding="utf-8").splitlines()
    if tuple(lines[0].split(",")) != sampled_names():
        raise InputError(
            doing="reading posterior draws",
            found="other parameters than the table of priors names",
            expected="draws made with this version",
            try_="`make posterior`",
        )
    z = np.array([[float(cell) for cell in line.split(",")] for line in lines[1:]])
    return Parameters(z, unfitted(len(z), _SEED), scatter=True)


def write_variant(label: str, chain: Chain, draws: int, folder: Path) -> None:
    """Write `draws` of the sampled numbers of one variant."""
    z = chain.thinned(draws)
    _write_table(folder / "inference" / file_name(label), sampled_names(), z, "%.4f")


def write_posterior(diagnosis: tuple[Learned, ...], chain: Chain, folder: Path) -> None:
    """Write the draws of the full model as parameter values, with their manifest."""
    draws = shipped(FULL, folder).draws()
    _write_table(folder / "immune" / "posterior.csv", draws.names, draws.values, "%.6g")
    path = folder / "immune" / MANIFEST
    path.write_text(json.dumps(manifest(diagnosis, chain), indent=2) + "\n", encoding="utf-8")


def manifest(diagnosis: tuple[Learned, ...], chain: Chain) -> dict[str, Any]:
    """How the posterior was made and whether it converged."""
    return {
        "kind": "posterior",
        "version": __version__,
        "line": "TSA",
        "sampler": "emcee, differential evolution, snooker and stretch moves, from the curvature at the mode",
        "settings": vars(chain.settings),
        "accepted": round(chain.accepted, 4),
        "worst_r_hat": round(max(one.r_hat for one in diagnosis), 3),
        "least_effective": round(min(one.effective for one in diagnosis)),
        "log_likelihood": [round(float(q), 2) for q in np.percentile(chain.log_likelihood, [5, 50, 95])],
        "unfitted_seed": _SEED,
        "hashes": dict(hashes(FULL)),
        "sampled": [asdict(one) for one in diagnosis],
    }


def hashes(label: str) -> Mapping[str, str]:
    """Digests of the model, the evidence, the arms and the priors."""
    return {
        "model": variant(label).digest,
        "evidence": _digest(EVIDENCE, "observations"),
        "arms": _digest(EXPERIMENTS, "arms"),
        "observations": _digest(EXPERIMENTS, "observations"),
        "priors": _digest("immune/priors", "priors"),
    }


def _digest(sheet: str, table: str) -> str:
    return hashlib.sha256(load(sheet).table(table).to_csv(index=False).encode()).hexdigest()


def _write_table(path: Path, names: tuple[str, ...], values: FloatArray, form: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, values, fmt=form, delimiter=",", header=",".join(names), comments="", encoding="utf-8")


def stored_diagnosis(folder: Path | None = None) -> tuple[tuple[Learned, ...], dict[str, Any]]:
    """Convergence and contraction of the shipped posterior, and its manifest.

    Raises
    ------
    InputError
        No posterior.
    """
    path = (folder or data_folder()) / "immune" / MANIFEST
    if not path.is_file():
        raise InputError(
            doing="reading how the posterior was made",
            found="no manifest",
            expected=MANIFEST,
            try_="`make posterior`",
        )
    facts = json.loads(path.read_text(encoding="utf-8"))
    return tuple(Learned(**one) for one in facts["sampled"]), facts

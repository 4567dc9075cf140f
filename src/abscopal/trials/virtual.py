"""Virtual trials: many replicates of one design, each with its own model, patients and chance."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from abscopal.domain.errors import InputError
from abscopal.domain.manifest import Manifest, make_manifest
from abscopal.simulation.cluster import connected
from abscopal.trials.benefit import who_gained
from abscopal.trials.characteristics import curves, replicate_table, summarise
from abscopal.trials.design import TrialDesign
from abscopal.trials.patient_pool import make_pool
from abscopal.trials.replicates import Task, check_chunk, compute_replicates

if TYPE_CHECKING:
    from distributed import Client


@dataclass(frozen=True, eq=False)
class TrialResult:
    """What many replicates of a virtual trial showed. Everything in it is simulated.

    Attributes
    ----------
    replicates : DataFrame
        One row for each replicate and tested `arm`: `log_hr`, `se`, `p` (two-sided), `events`, `median_exp`,
        `median_ctrl` [month], `rmst_difference` [month], `landmark_difference` [1], `stopped` ("", futility or
        efficacy), `won` (bool), `months` (calendar month of the analysis that ended it); for a rate
        `log_odds_ratio`, `rate_exp`, `rate_ctrl` instead of times.
    summary : dict
        Calibration status of the end point, power, and for each of `comparisons` the hazard or odds ratio with
        its 90 % interval over model, patients and chance, and so on.
    curves : DataFrame
        Virtual Kaplan-Meier: per arm and month the median survival over replicates with its 90 % interval,
        and the mean number at risk.
    benefit : DataFrame
        Who gained: mean gain of restricted mean time by thirds of each covariate, from the same virtual
        patient under both arms, with the constant effect of an added ICI and by the mechanism alone. [month]
    """

    design: TrialDesign
    replicates: pd.DataFrame = field(repr=False)
    summary: dict[str, Any]
    curves: pd.DataFrame = field(repr=False)
    benefit: pd.DataFrame = field(repr=False)
    manifest: Manifest


def run_trial(
    design: TrialDesign,
    replicates: int = 500,
    *,
    draws: int = 40,
    patients: int = 200,
    seed: int = 0,
    null: bool = False,
    out: Path | None = None,
    chunk: int | None = None,
    workers: int | None = None,
    cluster: "Client | str | None" = None,
) -> TrialResult:
    """Replicates of a trial over the posterior of model and population layer.

    Parameters
    ----------
    design : TrialDesign
    replicates : int
    draws, patients : int
        Parameter sets of the immune model, and distinct virtual patients of each that replicates draw from.
    seed : int
    null : bool
        Give every tested arm the control arm's hazards: what comes out is the type I error.
    out : Path, optional
        Folder; patients and finished chunks of replicates are kept there and not computed again.
    chunk : int, optional
        Replicates stored together, a multiple of 50; 200 unless given. It changes no result.
    workers, cluster
        For the immune model and the replicates, as in `simulate_population`; they change no result.

    Raises
    ------
    InputError
        No replicate; a chunk that is no multiple of 50; a folder that holds another trial.
    """
    if replicates < 1:
        raise InputError(
            doing="running a virtual trial", found=f"{replicates} replicates", expected="1 or more", try_="500"
        )
    check_chunk(chunk)
    with _place(out, workers, cluster) as (folder, client):
        pool, libraries = make_pool(design, draws, patients, seed, folder, client)
        provenance = next(iter(libraries.values())).provenance
        columns = compute_replicates(
            Task(design, seed, null), pool, replicates, out=folder, identity={"provenance": provenance}, chunk=chunk,
            cluster=client,
        )  # fmt: skip
    table = replicate_table(design, columns)
    manifest = make_manifest(
        command="abscopal trials simulate",
        inputs={},
        parameters_sha256=str(provenance["parameters_sha256"]),
        seed=seed,
    )
    summary = summarise(design, table, provenance)
    return TrialResult(design, table, summary, curves(design, columns), who_gained(design, pool, libraries), manifest)


@contextmanager
def _place(
    out: Path | None, workers: int | None, cluster: "Client | str | None"
) -> Iterator[tuple[Path | None, "Client | None"]]:
    """Folder and workers, one set of them for the patients and the replicates; neither is needed."""
    if workers and cluster is not None:
        raise InputError(
            doing="choosing where to run a virtual trial", found=f"{workers} workers and a cluster",
            expected="local workers, or a cluster", try_="one of the two",
        )  # fmt: skip
    if cluster is not None and out is None:
        raise InputError(
            doing="choosing where to run a virtual trial", found="a cluster, but no place for its results",
            expected="a folder on a file system that the driver and all workers see", try_="out=... or --out",
        )  # fmt: skip
    if not workers and cluster is None:
        yield out, None
        return
    with tempfile.TemporaryDirectory(prefix="abscopal-") as folder, connected(cluster, workers) as client:
        yield out or Path(folder), client

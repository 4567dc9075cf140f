"""The whole of it in one call: calibrate every variant, predict every row, write draws, page and sealed predictions."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from abscopal.inference.ablation import ABLATIONS, FULL, calibrate, variant
from abscopal.inference.bench import Bench, effects_in_blocks
from abscopal.inference.diagnostics import Learned, Waic, learned, waic
from abscopal.inference.likelihood import row_log_likelihoods
from abscopal.inference.observations import Observation, observations
from abscopal.inference.parameters import Parameters
from abscopal.inference.posterior import manifest, shipped, write_posterior, write_variant
from abscopal.inference.predictions import write_predictions
from abscopal.inference.report import page, write_page
from abscopal.inference.sampler import Settings
from abscopal.inference.scores import RowScore, score_rows

DRAWS = 300
REFIT_SHARE = 0.8
"""Steps of an ablation's calibration, relative to the full model's."""


def make_posterior(
    folder: Path, settings: Settings, labels: Sequence[str] = tuple(ABLATIONS), threads: int | None = None
) -> Mapping[str, object]:
    """Calibrate variants and write their draws; the full model's with manifest and diagnosis.

    Returns
    -------
    mapping
        Manifest of the full model, or of nothing if it is not among the labels.
    """
    facts: Mapping[str, object] = {}
    for label in labels:
        own = (
            settings
            if label == FULL
            else replace(settings, steps=max(2, int(settings.steps * REFIT_SHARE)), ensembles=1)
        )
        chain = calibrate(label, own, threads)
        write_variant(label, chain, min(DRAWS, chain.pooled().shape[0]), folder)
        if label == FULL:
            diagnosis = learned(chain)
            write_posterior(diagnosis, chain, folder)
            facts = manifest(diagnosis, chain)
    return facts


def predict_rows(
    label: str, rows: Sequence[Observation] = (), folder: Path | None = None, threads: int | None = None
) -> tuple[RowScore, ...]:
    """Scores of evidence rows (all unless given) under the shipped draws of one variant."""
    chosen = tuple(rows) or observations()
    return score_rows(chosen, effects_in_blocks(Bench(variant(label), chosen, threads), shipped(label, folder)))


def calibration_waic(label: str, folder: Path | None = None, threads: int | None = None) -> Waic:
    """WAIC of one variant on the rows it was calibrated on."""
    rows = tuple(one for one in observations() if one.split == "calibration" and one.weight > 0)
    draws = shipped(label, folder)
    effects = effects_in_blocks(Bench(variant(label), rows, threads), Parameters(draws.z))
    found, _ = waic(row_log_likelihoods(rows, effects), [one.weight for one in rows])
    return found


def write_evidence(
    docs: Path | None, predictions: Path | None, diagnosis: Sequence[Learned], facts: Mapping[str, object],
    *, labels: Sequence[str] = tuple(ABLATIONS), folder: Path | None = None, threads: int | None = None,
) -> dict[str, tuple[RowScore, ...]]:  # fmt: skip
    """Predict every row with every variant; write the page and the sealed predictions."""
    scores = {label: predict_rows(label, folder=folder, threads=threads) for label in labels}
    known = {k: tuple(s for s in found if s.one.reported is not None) for k, found in scores.items()}
    sealed = {k: tuple(s for s in found if s.one.split == "sealed") for k, found in scores.items()}
    if docs is not None:
        waics = {label: calibration_waic(label, folder, threads) for label in labels}
        write_page(page(known, waics, diagnosis, facts), docs)
    if predictions is not None:
        write_predictions(sealed, predictions)
    return scores

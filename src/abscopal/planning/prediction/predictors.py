"""The front door: dose of a patient who has no plan yet, by the best predictor at hand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Protocol

import numpy as np

from abscopal.domain.errors import InputError
from abscopal.domain.progress import track
from abscopal.domain.registry import unknown_name
from abscopal.planning.prediction.anatomy import Anatomy, Example, FloatArray
from abscopal.planning.prediction.by_distance import DoseByDistance
from abscopal.planning.prediction.by_shadow import DoseByShadow
from abscopal.planning.prediction.card import PredictionCard
from abscopal.planning.prediction.envelope import Envelope, judge
from abscopal.planning.prediction.extra import has_deep
from abscopal.planning.prediction.scores import Scores, score_patient

PACKED = "weights"
NETWORK, TREES, TABLES, CARD = "network.safetensors", "trees.skops", "tables.npz", "card.json"
KINDS = ("network", "trees", "shadow", "distance")


class Predictor(Protocol):
    """Anything that gives a dose for an anatomy."""

    def predict(self, anatomy: Anatomy) -> FloatArray:
        """Dose [Gy] on the anatomy's grid."""
        ...


@dataclass(frozen=True, eq=False)
class Prediction:
    """A predicted dose.

    Attributes
    ----------
    dose : array, shape (a, b, c)
        [Gy]
    by : str
        Which predictor.
    flags : tuple of str
        In what the patient differs from those the predictor learned from.
    """

    dose: FloatArray
    by: str
    flags: tuple[str, ...]


def card() -> PredictionCard:
    """The card of the predictors that come with the package."""
    return PredictionCard.model_validate_json(files(__package__).joinpath(PACKED, CARD).read_bytes())


def best_kind() -> str:
    """The predictor with the lowest dose score on the validation patients, of those that can run here."""
    return next(kind for kind in card().ranking if kind != "network" or has_deep())


def load_predictor(kind: str = "best", weights: Path | None = None) -> tuple[str, Predictor, Envelope]:
    """A predictor and the ranges of the patients it learned from.

    Parameters
    ----------
    kind : {"best", "network", "trees", "shadow", "distance"}
    weights : path, optional
        A network of `abscopal plan train`; by default the one that comes with the package.

    Raises
    ------
    InputError
        Unknown name, or weights given for a predictor that is no network.
    UnsupportedError
        The network is asked for and the extra `deep` is not installed.
    """
    kind = "network" if weights is not None and kind == "best" else kind
    kind = best_kind() if kind == "best" else kind
    if kind not in KINDS:
        raise unknown_name("choosing a dose predictor", kind, list(KINDS))
    if weights is not None and kind != "network":
        raise InputError(
            doing="choosing a dose predictor", found=f"network weights for the predictor '{kind}'",
            expected="weights with the network only", try_="--with network",
        )  # fmt: skip
    if kind == "network":
        return _network(weights)
    return kind, _from_tables(kind), card().envelope


def _from_tables(kind: str) -> Predictor:
    folder = files(__package__).joinpath(PACKED)
    with as_file(folder.joinpath(TABLES)) as path, np.load(path, allow_pickle=False) as stored:
        tables = {name: stored[name] for name in stored.files}
    if kind == "distance":
        return DoseByDistance(float(tables["step_mm"]), tables["curves"].astype(np.float64))
    shadow = DoseByShadow(tables["table"].astype(np.float64))
    if kind == "shadow":
        return shadow
    from abscopal.planning.prediction.boosted import unpack_trees

    return unpack_trees(folder.joinpath(TREES).read_bytes(), shadow, tables["rows"], tables["answers"])


def _network(weights: Path | None) -> tuple[str, Predictor, Envelope]:
    from abscopal.planning.prediction.extra import require_deep

    require_deep("predicting dose with a network")
    from abscopal.planning.prediction.network_dose import load_network

    if weights is not None:
        model = load_network(weights)
    else:
        with as_file(files(__package__).joinpath(PACKED, NETWORK)) as path:
            model = load_network(path)
    return "network", model, model.header.envelope


def predict_dose(anatomy: Anatomy, kind: str = "best", weights: Path | None = None) -> Prediction:
    """Dose of a patient who has no plan; parameters and errors as `load_predictor` and `envelope.judge`."""
    name, predictor, envelope = load_predictor(kind, weights)
    judged = judge(anatomy, envelope)
    return Prediction(predictor.predict(judged.anatomy), name, judged.flags)


def score(predictor: Predictor, examples: Sequence[Example], envelope: Envelope, what: str = "scoring") -> Scores:
    """Dose and DVH score over patients whose plan is known, with progress.

    The predictor sees each patient as `envelope.judge` leaves them; the scores use every structure as given.
    """
    doses: Iterable[Example] = track(examples, what, len(examples))
    return Scores(tuple(
        score_patient(one, predictor.predict(judge(one.anatomy, envelope).anatomy)) for one in doses
    ))  # fmt: skip

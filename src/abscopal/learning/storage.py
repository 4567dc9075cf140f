"""Models on disk: a zip archive with the card as JSON and the estimator in the skops format.

Never a pickle. A file is read only when it is small enough, holds these two parts alone, and every
type in it is either one scikit-learn and NumPy need or one of ours named in `OURS`.
"""

import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from abscopal.domain.errors import InputError
from abscopal.learning.card import ModelCard
from abscopal.learning.estimators.stored_trees import trees_are_sound
from abscopal.learning.estimators.tabular import TableModel

if TYPE_CHECKING:
    from abscopal.learning.fit import Learned

CARD, ESTIMATOR = "card.json", "estimator.skops"
LARGEST_FILE = 200_000_000
LARGEST_UNPACKED = 600_000_000
_ROOM = "abscopal.learning."
OURS = frozenset({
    _ROOM + "features.FeatureEncoder", _ROOM + "estimators.imputed.MultiplyImputed",
    _ROOM + "estimators.tabular.TableModel",
    _ROOM + "estimators.cox.PenalisedCox", _ROOM + "estimators.aft.WeibullAFT",
    _ROOM + "estimators.discrete_time.DiscreteTimeHazard", _ROOM + "estimators.competing.CauseSpecificCox",
    _ROOM + "estimators.competing.FineGray", _ROOM + "estimators.stack.SurvivalStack",
})  # fmt: skip
"""Our types that a model file may hold."""
SCIKIT_LEARN_PARTS = frozenset({
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor", "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch", "numpy.dtype", "sklearn.impute._iterative._ImputerTriplet",
    # Experimental in scikit-learn: skops knows it only where it was enabled before skops was first imported.
    "sklearn.impute._iterative.IterativeImputer",
})  # fmt: skip
"""Parts of scikit-learn's models that skops does not trust by itself; `stored_trees` checks the trees."""


def save_model(model: "Learned", path: Path) -> Path:
    """Write a fitted model to one file."""
    from skops.io import dumps

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(CARD, model.card.model_dump_json(indent=1))
        archive.writestr(ESTIMATOR, dumps(model.estimator))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())
    return path


def load_model(path: Path) -> "Learned":
    """Read a fitted model.

    Raises
    ------
    InputError
        Not such a file, too large, a card that breaks the schema, or a type that is not allowed.
    """
    from abscopal.learning.fit import Learned

    card_text, packed = _parts(path)
    try:
        card = ModelCard.model_validate_json(card_text)
    except ValidationError as exc:
        raise _refused(path, f"a card that breaks the schema: {exc.errors()[0]['loc']}") from exc
    return Learned(card, _estimator(path, packed))


def _parts(path: Path) -> tuple[bytes, bytes]:
    if not path.is_file() or path.stat().st_size > LARGEST_FILE:
        raise _refused(path, "no such file, or one above the size limit")
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            if sorted(info.filename for info in infos) != sorted((CARD, ESTIMATOR)):
                raise _refused(path, "an archive with other parts")
            if sum(info.file_size for info in infos) > LARGEST_UNPACKED:
                raise _refused(path, "an archive that unpacks to more than the size limit")
            return archive.read(CARD), archive.read(ESTIMATOR)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as exc:
        raise _refused(path, f"no readable archive ({type(exc).__name__})") from exc


def _estimator(path: Path, packed: bytes) -> TableModel:
    from skops.io import get_untrusted_types, loads
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as inner:
            if sum(info.file_size for info in inner.infolist()) > LARGEST_UNPACKED:
                raise _refused(path, "an estimator that unpacks to more than the size limit")
        strange = sorted(set(get_untrusted_types(data=packed)) - OURS - SCIKIT_LEARN_PARTS)
        if strange:
            raise _refused(path, f"the type {strange[0]}, which no model of ours holds")
        estimator = loads(packed, trusted=sorted(OURS | SCIKIT_LEARN_PARTS))
    except (
        zipfile.BadZipFile, UntrustedTypesFoundException, json.JSONDecodeError, KeyError, ValueError, TypeError,
        AttributeError, ImportError, RecursionError, UnicodeDecodeError,
    ) as exc:  # fmt: skip
        raise _refused(path, f"an estimator that cannot be read ({type(exc).__name__})") from exc
    if not isinstance(estimator, TableModel) or not trees_are_sound(estimator):
        raise _refused(path, "an estimator of another kind, or a tree whose branches lead nowhere")
    return estimator


def _refused(path: Path, found: str) -> InputError:
    return InputError(
        doing=f"reading the model {path.name}",
        found=found,
        expected="a file written by `abscopal toxicity fit` or `abscopal stratify fit`",
        try_="fitting the model again; never lift this check for a file from someone else",
    )

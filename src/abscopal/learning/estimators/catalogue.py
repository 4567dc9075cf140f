"""The families a fit may choose from, from simple to complex, each with its few settings."""

from collections.abc import Callable
from itertools import product
from typing import Any

from abscopal.domain.registry import unknown_name
from abscopal.learning.outcome import Kind

Maker = Callable[[int], list[Any]]
PENALTIES = (1.0, 0.3, 0.1, 0.03, 0.01)


def _logistic(seed: int) -> list[Any]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return [
        make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=2000, random_state=seed))
        for c in (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
    ]


def _boosting(seed: int) -> list[Any]:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return [
        HistGradientBoostingClassifier(
            max_iter=n, learning_rate=0.05, max_depth=depth, min_samples_leaf=20, l2_regularization=1.0,
            random_state=seed,
        )
        for depth, n in ((2, 60), (3, 60), (3, 120))
    ]  # fmt: skip


def _binary_stack(seed: int) -> list[Any]:
    from sklearn.ensemble import StackingClassifier
    from sklearn.linear_model import LogisticRegression

    inside = [("logistic", _logistic(seed)[3]), ("boosting", _boosting(seed)[1])]
    return [StackingClassifier(inside, final_estimator=LogisticRegression(), stack_method="predict_proba", cv=5)]


def _cox(_seed: int) -> list[Any]:
    from abscopal.learning.estimators.cox import PenalisedCox

    return [PenalisedCox(penalizer) for penalizer in PENALTIES]


def _weibull(_seed: int) -> list[Any]:
    from abscopal.learning.estimators.aft import WeibullAFT

    return [WeibullAFT(penalizer) for penalizer in (0.1, 0.01)]


def _hazard_boosting(seed: int) -> list[Any]:
    from abscopal.learning.estimators.discrete_time import DiscreteTimeHazard

    return [DiscreteTimeHazard(classifier) for classifier in _boosting(seed)[1:]]


def _hazard_forest(seed: int) -> list[Any]:
    from sklearn.ensemble import RandomForestClassifier

    from abscopal.learning.estimators.discrete_time import DiscreteTimeHazard

    forest = RandomForestClassifier(150, min_samples_leaf=40, max_features=0.5, random_state=seed, n_jobs=1)
    return [DiscreteTimeHazard(forest)]


def _survival_stack(seed: int) -> list[Any]:
    from abscopal.learning.estimators.stack import SurvivalStack

    inside = [("cox", _cox(seed)[2]), ("boosting", _hazard_boosting(seed)[0]), ("forest", _hazard_forest(seed)[0])]
    return [SurvivalStack(inside, n_folds=4, random_state=seed)]


def _fine_gray(_seed: int) -> list[Any]:
    from abscopal.learning.estimators.competing import FineGray

    return [FineGray(penalizer) for penalizer in (0.3, 0.03)]


def _cause_specific(_seed: int) -> list[Any]:
    from abscopal.learning.estimators.competing import CauseSpecificCox

    return [CauseSpecificCox(penalizer) for penalizer in (0.3, 0.03)]


FAMILIES: dict[Kind, dict[str, Maker]] = {
    "binary": {"logistic": _logistic, "boosting": _boosting, "stack": _binary_stack},
    "survival": {
        "cox": _cox, "weibull": _weibull, "boosting": _hazard_boosting, "forest": _hazard_forest,
        "stack": _survival_stack,
    },
    "competing": {"fine-gray": _fine_gray, "cause-specific": _cause_specific},
}  # fmt: skip
"""Families of each kind of outcome by name, from simple to complex."""
DESCRIPTION = {
    "logistic": "logistic regression with a ridge penalty",
    "boosting": "gradient boosting of shallow trees (censored outcomes: of the discrete-time hazard)",
    "stack": "several models in one, weighted by what each adds out of sample",
    "cox": "Cox regression with a ridge penalty",
    "weibull": "Weibull accelerated failure time regression with a ridge penalty",
    "forest": "random forest of the discrete-time hazard",
    "fine-gray": "Fine and Gray's proportional subdistribution hazards with a ridge penalty",
    "cause-specific": "one Cox regression per cause with a ridge penalty",
}


def candidates(
    kind: Kind, families: list[str], term_sets: list[list[str]], *, n_imputations: int = 5, seed: int = 0
) -> list[tuple[str, Any]]:
    """Pipelines from a table to a prediction, for `SimplestWithinNoise`.

    Parameters
    ----------
    kind : {"binary", "survival", "competing"}
    families : list of str
        Names out of `FAMILIES[kind]`; "auto" is all but the stack.
    term_sets : list of list of str
        Alternative sets of terms; each is tried with each setting.

    Raises
    ------
    InputError
        An unknown family.
    """
    from abscopal.learning.estimators.imputed import MultiplyImputed
    from abscopal.learning.estimators.tabular import TableModel

    known = FAMILIES[kind]
    for name in families:
        if name not in {*known, "auto"}:
            raise unknown_name(f"choosing a model of a {kind} outcome", name, ["auto", *known])
    chosen = [name for name in known if name in families or ("auto" in families and name != "stack")]
    return [
        (
            name,
            TableModel(terms, MultiplyImputed(estimator, n_imputations=n_imputations, random_state=seed)),
        )
        for name in chosen
        for estimator, terms in product(known[name](seed), term_sets)
    ]


def expand_alternatives(terms: list[str], alternatives: dict[str, list[str]]) -> list[list[str]]:
    """Every set of terms in which each alternative name is replaced by one of its columns.

    Examples
    --------
    >>> expand_alternatives(["age", "gEUD"], {"gEUD": ["gEUD_1", "gEUD_2"]})
    [['age', 'gEUD_1'], ['age', 'gEUD_2']]
    """
    return [list(choice) for choice in product(*(alternatives.get(term, [term]) for term in terms))]

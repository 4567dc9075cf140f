"""The published models as data: parameters, what each needs, and how each may be used."""

import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from abscopal.domain.errors import KnowledgeError
from abscopal.domain.registry import unknown_name
from abscopal.knowledge.load import load
from abscopal.toxicity.rows import number_or_none, rows_of

SHEET = "ntcp/models"
Role = Literal["model", "offset", "anchor"]


@dataclass(frozen=True)
class Predictor:
    """One thing a model needs.

    Attributes
    ----------
    name : str
        The model's own parameter name.
    source : {"dose", "covariate"}
    statistic : str
        Figure of the histogram (`mean`, `max`, `gEUD`, `dvh`, `V30_pct`, `V30_cc`, `D40_pct`,
        `volume_cc`) or name of the covariate.
    organ : str
        Organ label of the knowledge table, or "".
    required : bool
        Whether the model refuses without it. A factor that is not required counts as absent,
        and the answer says so.
    """

    name: str
    source: Literal["dose", "covariate"]
    statistic: str
    organ: str
    required: bool


@dataclass(frozen=True)
class NtcpModel:
    """One row of the model table.

    Attributes
    ----------
    role : {"model", "offset", "anchor"}
        Only a model gives a probability; `remark` says why another does not.
    dose : {"physical", "eqd", ""}
        The dose the parameters are for. `eqd`: equivalent dose in fractions of `reference_gy`
        with `alpha_beta`, of status `conversion_status`.
    limits : dict
        95 % limits of single parameters, where the source gives them.
    diseases : tuple of str
        Diseases the cohort was restricted to; empty for any.
    not_with : str
        A covariate that rules the model out when true.
    setting : str
        `definitive` or `postoperative`, where the model is for one of them.
    fitted_on : tuple of str
        Diseases of the cohort; a patient with another one gets the number with an extrapolation
        warning. Empty where the cohort was mixed or not stated.
    """

    id: str
    endpoint: str
    organ: str
    grade: str
    role: Role
    form: str
    parameters: Mapping[str, Any]
    dose_metric: str
    dose: Literal["physical", "eqd", ""]
    alpha_beta: float | None
    reference_gy: float | None
    conversion_status: str
    cohort: str
    with_immunotherapy: bool
    doi: str
    status: str
    remark: str
    diseases: tuple[str, ...] = ()
    not_with: str = ""
    setting: str = ""
    fitted_on: tuple[str, ...] = ()
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    predictors: tuple[Predictor, ...] = ()
    published: Any = None

    @property
    def source(self) -> str:
        """Cohort and DOI in one line."""
        return f"{self.cohort}; doi:{self.doi}" if self.doi else f"{self.cohort}; doi not known"


def load_models() -> dict[str, NtcpModel]:
    """Every row by its id, in the order of the table.

    Raises
    ------
    KnowledgeError
        A row without a convention, or a model without predictors.
    """
    sheet = load(SHEET)
    conventions = {row["model"]: row for row in rows_of(sheet.table("conventions"))}
    needs = _predictors(sheet.table("predictors"))
    limits = _limits(sheet.table("intervals"))
    models = {}
    for row in rows_of(sheet.table("models")):
        name = str(row["id"])
        if name not in conventions:
            raise _broken(f"no convention for '{name}'", "one row in conventions.csv for each model")
        models[name] = _model(row, conventions[name], needs.get(name, ()), limits.get(name, {}))
    return models


def find_model(name: str) -> NtcpModel:
    """The model called `name`; an unknown name answers with the close match."""
    models = load_models()
    if name not in models:
        raise unknown_name("looking up a complication model", name, list(models))
    return models[name]


def _model(
    row: Mapping[Hashable, Any],
    use: Mapping[Hashable, Any],
    needs: tuple[Predictor, ...],
    limits: dict[str, tuple[float, float]],
) -> NtcpModel:
    parameters = json.loads(row["parameters"])
    in_row = {key.removesuffix("_ci"): tuple(value) for key, value in parameters.items() if key.endswith("_ci")}
    if use["role"] == "model" and not needs:
        raise _broken(f"no predictor for '{row['id']}'", "at least one row in predictors.csv")
    return NtcpModel(
        id=row["id"],
        endpoint=row["endpoint"],
        organ=row["organ"],
        grade=str(row["grade"]),
        role=use["role"],
        form=use["form"],
        parameters=parameters,
        dose_metric=row["dose_metric"],
        dose=use["dose"],
        alpha_beta=number_or_none(use["alpha_beta"]),
        reference_gy=number_or_none(use["reference_gy"]),
        conversion_status=use["status"],
        cohort=row["cohort"],
        with_immunotherapy=bool(row["with_immunotherapy"]),
        doi=row["doi"],
        status=row["confidence"],
        remark=use["remark"],
        diseases=tuple(filter(None, use["diseases"].split(";"))),
        not_with=use["not_with"],
        setting=use["setting"],
        fitted_on=tuple(filter(None, use["fitted_on"].split(";"))),
        limits={**in_row, **limits} if use["role"] == "model" else {},
        predictors=needs,
        published=json.loads(row["published_example_output"]) if row["published_example_output"] != "" else None,
    )


def _predictors(table: pd.DataFrame) -> dict[str, tuple[Predictor, ...]]:
    grouped: dict[str, tuple[Predictor, ...]] = {}
    for row in rows_of(table):
        one = Predictor(row["predictor"], row["source"], row["statistic"], row["organ"], row["required"] == "yes")
        grouped[row["model"]] = (*grouped.get(row["model"], ()), one)
    return grouped


def _limits(table: pd.DataFrame) -> dict[str, dict[str, tuple[float, float]]]:
    grouped: dict[str, dict[str, tuple[float, float]]] = {}
    for row in rows_of(table):
        grouped.setdefault(row["model"], {})[row["parameter"]] = (float(row["low"]), float(row["high"]))
    return grouped


def _broken(found: str, expected: str) -> KnowledgeError:
    return KnowledgeError(
        doing="reading the complication models", found=found, expected=expected, try_="completing the tables of ntcp"
    )

"""Published groups by dose cut-point, and the one a patient falls into: what was seen there, no model."""

from collections.abc import Mapping

from abscopal.dose.dvh import DVH
from abscopal.knowledge.load import load
from abscopal.toxicity.answer import ObservedGroup
from abscopal.toxicity.covariates import Covariates
from abscopal.toxicity.exposure import Absent, exposures, figure
from abscopal.toxicity.rows import rows_of
from abscopal.toxicity.table import SHEET, load_models


def observed_groups(dvhs: Mapping[str, DVH], known: Covariates) -> tuple[ObservedGroup, ...]:
    """Groups of the anchors whose every condition this patient's histograms meet.

    Parameters
    ----------
    dvhs : mapping
        Physical-dose histograms by TG-263 name.
    known : mapping
        `disease`: a group of another disease is left out.
    """
    models = load_models()
    return tuple(
        ObservedGroup(
            model=row["model"],
            endpoint=models[row["model"]].endpoint,
            group=row["group"],
            rate=row["rate"],
            horizon=row["horizon"],
            population=models[row["model"]].cohort,
            source=models[row["model"]].source,
            status=models[row["model"]].status,
        )
        for row in rows_of(load(SHEET).table("observed_groups"))
        if known.get("disease") in models[row["model"]].diseases
        and all(_met(condition, dvhs, known) for condition in row["conditions"].split("; "))
    )


def _met(condition: str, dvhs: Mapping[str, DVH], known: Covariates) -> bool:
    """Whether a condition such as `heart mean below 10` or `lad V15_pct from 10` holds."""
    label, statistic, side, limit = condition.rsplit(" ", 3)
    found = exposures(label, dvhs, known)
    if isinstance(found, Absent) or any(exposure.dvh.kind != "physical" for exposure in found):
        return False
    value = figure(found[0].dvh, statistic)
    if not isinstance(value, float):
        return False
    return value < float(limit) if side == "below" else value >= float(limit)

"""Events per randomised patient: what sizes the noise of a trial that has not reported."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from abscopal.knowledge.load import load
from abscopal.trials.design_parts import SHEET
from abscopal.trials.evidence import load_trials


@dataclass(frozen=True)
class EventShare:
    """Events per patient and the trials it was taken from. [1]."""

    value: float
    trials: int
    of: str


def assumed_share() -> float:
    """The share with which the withheld trials were predicted, whatever their disease. [1]."""
    return load(SHEET)["event_share"]


def implied_shares() -> pd.DataFrame:
    """Events per patient behind each pooled hazard ratio, 1/(se² p (1 − p) n) with p the experimental share.

    Returns
    -------
    DataFrame
        `trial`, `disease`, `endpoint`, `share`; no withheld row, which has no interval.
    """
    table = load_trials()
    rows = table.loc[table["poolable"] & (table["pool"] != "holdout")].dropna(subset=["n_experimental", "n_control"])
    n = rows["n_experimental"] + rows["n_control"]
    p = rows["n_experimental"] / n
    share = 1 / (rows["se"] ** 2 * p * (1 - p)) / n
    return rows[["trial", "disease", "endpoint"]].assign(share=share).reset_index(drop=True)


def event_share(disease: str, endpoint: str) -> EventShare:
    """Median events per patient of trials in a disease with that end point; of all diseases where it has none."""
    table = implied_shares()
    alike = table.loc[(table["endpoint"] == "OS") == (endpoint == "OS")]
    own = alike.loc[alike["disease"] == disease]
    used, of = (own, disease) if len(own) else (alike, "all diseases")
    kind = "OS" if endpoint == "OS" else "PFS or EFS"
    return EventShare(float(np.median(used["share"])), len(used), f"{of}, {kind}")

"""Which disease labels of the trial table answer to a patient's disease."""

from typing import Literal, get_args

from abscopal.domain.patient import Disease
from abscopal.domain.registry import unknown_name
from abscopal.knowledge.load import load

Match = Literal["same", "related", "other"]


def disease_matches(disease: str, labels: set[str]) -> dict[str, Match]:
    """Trial-table labels that are the same as, or related to, a disease.

    Parameters
    ----------
    disease : str
        A disease of `Patient.disease`, or one of `labels`.
    labels : set of str
        Disease labels of the trial table.

    Raises
    ------
    InputError
        Unknown disease, with the close match.
    """
    known = set(get_args(Disease))
    if disease not in known:
        if disease in labels:
            return {disease: "same"}
        raise unknown_name("looking for trials in a disease", disease, sorted(known | labels))
    table = load("trials/rt_ici").table("diseases")
    mine = table.loc[table["patient_disease"] == disease]
    return {
        str(label): "same" if match == "same" else "related"
        for label, match in zip(mine["trial_disease"], mine["match"], strict=True)
    }

"""The pages that run a command. Window, case, knowledge and jobs have pages of their own beside these."""

from abscopal.domain.registry import unknown_name
from abscopal.web.forms import View

VIEWS: dict[str, View] = {
    view.name: view
    for view in (
        View(
            "assess",
            "Assess",
            "Every question for one patient, joined in one report.",
            ("assess",),
            ("case", "patient", "quick"),
        ),
        View(
            "blood",
            "Blood & lymphocytes",
            "Dose to circulating blood and the lymphocyte count that may follow.",
            ("blood",),
            (
                "case",
                "network",
                "head_neck",
                "weight",
                "age",
                "cardiac_output",
                "timing",
                "beam_on",
                "gap",
                "fraction_time",
                "fractions",
                "missing",
                "alc",
                "counts",
                "exchange",
                "shape",
                "particles",
                "seed",
            ),
        ),
    )
}


def view_of(name: str) -> View:
    """The view called `name`.

    Raises
    ------
    ModelError
        No such view, with the close matches.
    """
    if name not in VIEWS:
        raise unknown_name("opening a view", name, list(VIEWS))
    return VIEWS[name]

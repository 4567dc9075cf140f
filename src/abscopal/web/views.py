"""The pages that run a command, by tab. Case, window, knowledge and jobs have pages of their own."""

from abscopal.domain.registry import unknown_name
from abscopal.web.forms import View

VIEWS: dict[str, View] = {
    view.name: view
    for view in (
        View("Assess", "Assess a patient", "Every question for one patient, joined in one report.", ("assess",)),
        View(
            "Window",
            "Window with its ablations",
            "The dose-immune window of the mouse-calibrated model: bounds, uncertainty, and what sets each bound.",
            ("window",),
            "window.csv",
        ),
        View(
            "Window",
            "Simulate a course",
            "The two-lesion mouse model over time, one patient or a virtual population.",
            ("simulate",),
            "course.csv",
        ),
        View(
            "Blood & lymphocytes",
            "Blood dose of a case",
            "Dose to circulating blood, the lymphocyte course that may follow, and immune dose indices.",
            ("blood",),
        ),
        View("Toxicity", "Models", "Every published model, offset and anchor with its status.", ("toxicity", "models")),
        View(
            "Stratify",
            "Score patients",
            "Every score that can be computed for each row of a table, and why the others cannot. "
            "These scores are prognostic.",
            ("stratify", "score"),
        ),
        View(
            "Trials",
            "Evidence",
            "The randomised evidence, pooled, with heterogeneity, contrasts, influence and what is missing.",
            ("trials", "evidence"),
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

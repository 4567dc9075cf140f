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
        ),
        View(
            "Window",
            "Synergy",
            "Bliss, highest single agent and Loewe for volume, control and abscopal response.",
            ("window", "synergy"),
        ),
        View("Window", "Timing", "What if the ICI started, or stopped, on another day.", ("window", "timing")),
        View(
            "Window",
            "Sensitivity",
            "Sobol indices of the bounds: which parameters decide.",
            ("window", "sensitivity"),
        ),
        View(
            "Window",
            "Simulate a course",
            "The two-lesion mouse model over time, one patient or a virtual population.",
            ("simulate",),
            "course.csv",
        ),
        View(
            "Regimens",
            "Search regimens",
            "Other regimens within limits on tumour, organs and calendar, and what each costs.",
            ("regimens",),
        ),
        View(
            "Blood & lymphocytes",
            "Blood dose of a case",
            "Dose to circulating blood, the lymphocyte course that may follow, and immune dose indices.",
            ("blood",),
        ),
        View(
            "Toxicity",
            "Risks of a case",
            "Complications by organ and grade, from radiation, from the ICI and from both, with intervals.",
            ("toxicity", "assess"),
        ),
        View(
            "Toxicity",
            "Two plans side by side",
            "The difference in risk between two plans, or two regimens, with its interval.",
            ("toxicity", "compare"),
        ),
        View(
            "Toxicity",
            "Fit a model",
            "A model of a complication from a table of your own, held to account inside resampling.",
            ("toxicity", "fit"),
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
            "Stratify",
            "Who gains",
            "The treatment's effect in two-arm data, over all and by patient, or that none is shown.",
            ("stratify", "benefit"),
        ),
        View(
            "Stratify",
            "Phenotypes",
            "What the mechanistic model makes of each patient's covariates, and how much of it is prior.",
            ("stratify", "phenotypes"),
        ),
        View(
            "Stratify",
            "Fit a model",
            "A prognostic model from a cohort of your own: survival or response, with its model card.",
            ("stratify", "fit"),
        ),
        View(
            "Stratify",
            "Validate a model",
            "How a saved model does on other patients: discrimination, calibration, decisions.",
            ("stratify", "validate"),
        ),
        View(
            "Planning",
            "Make plans",
            "A reference plan and plans that spare the immune system at the same coverage, to navigate between. Takes "
            "minutes; needs pip install 'abscopal[planning]'.",
            ("plan", "make"),
        ),
        View(
            "Planning",
            "Compare plans",
            "Plans at equal coverage and equal tumour BED: dose, lymphocytes, complications, window.",
            ("plan", "compare"),
        ),
        View(
            "Planning",
            "Fractionations",
            "Every number of fractions planned at one tumour BED, and what no other plan and schedule beats.",
            ("plan", "fractionation"),
        ),
        View(
            "Planning",
            "Export as DICOM",
            "A plan, or a mix of plans, as RTDOSE, RTSTRUCT and RTPLAN, marked as research and not for treatment.",
            ("plan", "export"),
            "dicom",
        ),
        View(
            "Planning",
            "Predict a dose",
            "Dose of a head-and-neck case before it is planned, and what it would mean for the immune system.",
            ("plan", "predict"),
        ),
        View(
            "Trials",
            "Evidence",
            "The randomised evidence, pooled, with heterogeneity, contrasts, influence and what is missing.",
            ("trials", "evidence"),
        ),
        View(
            "Trials",
            "Run a virtual trial",
            "A design of your own, simulated patient by patient: hazard ratio, power, survival curves.",
            ("trials", "simulate"),
        ),
        View(
            "Trials",
            "Vary a design",
            "The same trial with other targets, doses, starts or sizes: power and expected result.",
            ("trials", "design"),
        ),
        View(
            "Trials",
            "Score the predictions",
            "Every reported trial predicted from all others, beside regression and the pooled mean. Takes minutes.",
            ("trials", "score"),
        ),
        View(
            "Trials",
            "Explain a trial",
            "One feature changed at a time: how much of the predicted effect each carries. Takes minutes.",
            ("trials", "explain"),
        ),
        View(
            "Published models",
            "Compare regimens",
            "The same regimens through the published models and our own: ranks, agreement, ensemble window.",
            ("compare",),
        ),
        View(
            "Interchange",
            "FHIR out",
            "A regimen, or an assessment with its risks, as a bundle of CodeX Radiation Therapy and mCODE.",
            ("interchange", "fhir-export"),
            "bundle.json",
        ),
        View(
            "Interchange",
            "FHIR in",
            "The regimen of a treated course in such a bundle.",
            ("interchange", "fhir-import"),
            "regimen.toml",
        ),
        View(
            "Interchange",
            "Model out",
            "A model with a regimen (SBML), results and a figure in one COMBINE archive that other tools run again.",
            ("interchange", "export"),
            "experiment.omex",
        ),
        View(
            "Interchange",
            "Model in",
            "A model of others (SBML) solved here, or the experiment of a COMBINE archive carried out and compared.",
            ("interchange", "run"),
            "course.csv",
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

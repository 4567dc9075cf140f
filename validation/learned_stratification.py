"""Response and survival under an ICI: models developed on 2015-17, tested once on 2018 and on other patients.

Run from the repository root: python -m validation.learned_stratification. Writes a section of
docs/validation/stratification.md. Protocol, fixed before a test cohort was looked at: sets of features and families
are compared by cross-validation of the training patients alone, the simplest within noise of the best is taken, each
test cohort is used once, for the report.
"""

import warnings

import numpy as np
import pandas as pd
from validation.sections import DATA, figure, write_section

from abscopal.learning.estimators.catalogue import candidates
from abscopal.learning.estimators.selected import SimplestWithinNoise
from abscopal.learning.fit import Learned, Request, fit_model
from abscopal.learning.metrics.bootstrap import bootstrap_intervals
from abscopal.learning.metrics.brier import brier
from abscopal.learning.metrics.calibration import calibration
from abscopal.learning.metrics.discrimination import auc
from abscopal.learning.outcome import Outcome
from abscopal.learning.table import outcome_values
from abscopal.learning.update import update_ladder
from abscopal.learning.validate import Validation, validate_model
from abscopal.stratification.scores.loris import loris

SIX = ["log:tmb_mut_per_mb", "prior_systemic_therapy", "albumin_g_dl", "log:nlr", "age_years", "cancer_type"]
TEN = [*SIX, "log:platelets", "fcna", "category:ici_class_code", "sex_male"]
ALL = [*TEN, "haemoglobin_g_dl", "bmi_kg_m2", "stage_iv", "msi", "hla_loh", "hed"]
SEED = 5


def cohort(name: str) -> pd.DataFrame:
    """One cohort."""
    return pd.read_csv(DATA / "loris-icb" / f"{name}.csv")


def choose(outcome: Outcome, sets: dict[str, list[str]], families: list[str]) -> tuple[SimplestWithinNoise, str, str]:
    """Set of features and family by repeated cross-validation of the training patients."""
    rows, y, _ = outcome_values(cohort("chowell_train"), outcome)
    ordered = [
        (f"{family}, {name}", estimator)
        for family in families
        for name, terms in sets.items()
        for _, estimator in candidates(outcome.kind, [family], [terms], seed=SEED)
    ]
    chooser = SimplestWithinNoise(ordered, outcome.kind, n_repeats=2, random_state=SEED).fit(rows, y)
    family, _, name = chooser.family_.partition(", ")
    return chooser, family, name


def develop(outcome: Outcome, terms: list[str], family: str, title: str) -> Learned:
    """The chosen model, with its card."""
    request = Request(terms, families=(family,), n_resamples=500, seed=SEED, title=title)
    return fit_model(cohort("chowell_train"), outcome, request)


def test(model: Learned, name: str) -> Validation:
    """One test cohort, once."""
    return validate_model(model, cohort(name), n_resamples=500, seed=SEED)


def row(label: str, target: str, found: Validation, *names: str) -> str:
    """One line of the table of tests."""
    figures = {f.name: f for f in found.figures}
    return (
        f"| {label} | {target} | "
        + " | ".join(figure(figures[name].estimate, figures[name].interval) for name in names)
        + " |"
    )


def comparison(chooser: SimplestWithinNoise) -> str:
    """Cross-validated loss of each candidate, as a table."""
    best = min(loss for _, loss, _, _ in chooser.comparison_)
    return "\n".join(
        f"| {name}{' **(taken)**' if name == chooser.family_ else ''} | {loss:.4f} | {excess:.4f} | {noise:.4f} |"
        for name, loss, excess, noise in chooser.comparison_
        if loss < best + 0.05
    )


def hit(reached: bool) -> str:
    """Word of the page."""
    return "reached" if reached else "**missed**"


def main() -> None:
    """Choose, fit, test once, write."""
    warnings.simplefilter("ignore")
    response, survival = Outcome("binary", "response"), Outcome("survival", "os_event", "os_months", "month", 12.0)
    picked = choose(response, {"six": SIX, "ten": TEN, "sixteen": ALL}, ["logistic", "boosting"])
    lived = choose(survival, {"six": SIX, "ten": TEN}, ["cox", "boosting"])
    sets = {"six": SIX, "ten": TEN, "sixteen": ALL}
    responder = develop(response, sets[picked[2]], picked[1], "Response to an ICI")
    survivor = develop(survival, sets[lived[2]], lived[1], "Overall survival under an ICI")
    tests = {
        "response": test(responder, "chowell_test"),
        "os": test(survivor, "chowell_test"),
        "msk1": test(survivor, "msk1"),
    }
    of = {key: {f.name: f.estimate or 0.0 for f in found.figures} for key, found in tests.items()}
    r = of["response"]
    write_section("stratification.md", "learned", TEXT.format(
        response=comparison(picked[0]), survival=comparison(lived[0]),
        auc=row("response, temporal test", "AUC ≥ 0.756", tests["response"], "auc", "brier", "calibration_in_the_large",
                "calibration_slope", "ici"),
        os=row("survival, temporal test", "C ≥ 0.728", tests["os"], "harrell_c", "uno_c", "brier",
               "calibration_in_the_large", "calibration_slope", "ici"),
        msk1=row("survival, MSK1", "C ≥ 0.734", tests["msk1"], "harrell_c", "uno_c", "brier",
                 "calibration_in_the_large", "calibration_slope", "ici"),
        auc_hit=hit(r["auc"] >= 0.756), brier_hit=hit(r["brier"] <= 0.152),
        large_hit=hit(abs(r["calibration_in_the_large"]) <= 0.15), os_hit=hit(of["os"]["harrell_c"] >= 0.728),
        msk1_hit=hit(of["msk1"]["harrell_c"] >= 0.734), r=r, c=of["os"]["harrell_c"], m=of["msk1"]["harrell_c"],
        inside=figure(responder.card.internal[0].estimate, responder.card.internal[0].interval),
        inside_c=figure(survivor.card.internal[0].estimate, survivor.card.internal[0].interval),
        shift="; ".join(f"{key}: {found.transport.verdict}" for key, found in tests.items() if found.transport),
    ))  # fmt: skip
    published_beside(responder)


def published_beside(model: Learned) -> None:
    """The published LORIS score, updated on the training patients, beside the learned model; a section of its own."""
    train, later = cohort("chowell_train"), cohort("chowell_test")
    ladder = update_ladder(loris_scores(train), train["response"].to_numpy(float), "binary")
    y, p = later["response"].to_numpy(float), model.probabilities(later)[:, 0]
    others = {"as published": loris_scores(later)}
    others["updated"] = ladder.apply(others["as published"])
    lines = []
    for label, q in (*others.items(), ("learned", p)):
        limits = bootstrap_intervals(lambda rows, q=q: _scores(y[rows], q[rows]), len(y), n_resamples=1000, seed=SEED)
        cells = [figure(value, limits[name]) for name, value in _scores(y, q).items()]
        lines.append(f"| {'LORIS, ' if label in others else ''}{label} | " + " | ".join(cells) + " |")
    gap = bootstrap_intervals(
        lambda rows: {
            name: _scores(y[rows], p[rows])[name] - _scores(y[rows], others["updated"][rows])[name]
            for name in ("auc", "brier")
        },
        len(y), n_resamples=1000, seed=SEED,
    )  # fmt: skip
    own, other = _scores(y, p), _scores(y, others["updated"])
    text = BESIDE.format(
        rows="\n".join(lines), ladder=ladder, auc=figure(own["auc"] - other["auc"], gap["auc"]),
        brier=figure(own["brier"] - other["brier"], gap["brier"]),
        u=other, auc_hit=hit(other["auc"] >= 0.756), brier_hit=hit(other["brier"] <= 0.152),
        large_hit=hit(abs(other["large"]) <= 0.15),
    )  # fmt: skip
    write_section("stratification.md", "loris-updated", text)


def loris_scores(rows: pd.DataFrame) -> np.ndarray:
    """Raw pan-cancer score of each patient."""
    columns = {
        "tmb_mut_per_mb": "TMB", "prior_systemic_therapy": "PSTH", "albumin_g_dl": "albumin", "nlr": "NLR",
        "age_years": "age",
    }  # fmt: skip
    values = rows[list(columns)].rename(columns=columns).to_dict("records")
    types = rows["cancer_type"].replace("Head & Neck", "Head&Neck")
    return np.array([loris("pan", one, kind).p for one, kind in zip(values, types, strict=True)])


def _scores(y: np.ndarray, p: np.ndarray) -> dict[str, float]:
    shape = calibration(y, p, "binary")
    return {"auc": auc(y, p), "brier": brier(y, p), "large": shape.in_the_large, "slope": shape.slope}


BESIDE = """
### The published score beside the learned model

LORIS, pan-cancer, was trained on the same 964 patients. Its update ladder on them stops at *{ladder.chosen}* (intercept
{ladder.intercept:.3f}, slope {ladder.slope:.3f}). The 515 of 2018:

| model | AUC | Brier | in the large | slope |
| --- | --- | --- | --- | --- |
{rows}

Learned less updated: AUC {auc}, Brier {brier}. The published score, updated, needs four features fewer and does no
worse: **prefer it to the model learned here.** Against the targets it gives AUC {u[auc]:.4f} ({auc_hit}), Brier
{u[brier]:.4f} ({brier_hit}), calibration in the large {u[large]:.3f} ({large_hit}).
"""

TEXT = """
## Learned models of response and survival, tested once

`python -m validation.learned_stratification`. Trained on the 964 patients of 2015-17 (Chang et al., Nat Cancer
2024;5:1158); tested once on the 515 of 2018 and on the 453 of MSK1. Sets of features: *six* (TMB, previous systemic
therapy, albumin, NLR, age, cancer type: those of LORIS), *ten* (and platelets, FCNA, ICI class, sex), *sixteen* (and
haemoglobin, BMI, stage, MSI, HLA LOH, HED). Sets and families were compared by twice-repeated five-fold
cross-validation of the training patients; the simplest within one standard error of the best is taken.

| response: family, set | log loss | above the best | noise of that |
| --- | --- | --- | --- |
{response}

| survival: family, set | integrated Brier | above the best | noise of that |
| --- | --- | --- | --- |
{survival}

Internally, nested cross-validation: AUC of response {inside}, C of survival {inside_c}.

| test | target | AUC | Brier | in the large | slope | ICI |
| --- | --- | --- | --- | --- | --- | --- |
{auc}

| test | target | Harrell's C | Uno's C, 12 months | Brier, 12 months | in the large | slope | ICI |
| --- | --- | --- | --- | --- | --- | --- | --- |
{os}
{msk1}

| target | got | |
| --- | --- | --- |
| response: AUC ≥ 0.756 | {r[auc]:.4f} | {auc_hit} |
| the same model: Brier ≤ 0.152 | {r[brier]:.4f} | {brier_hit} |
| the same model: calibration in the large within 0.15 of 0 | {r[calibration_in_the_large]:.3f} | {large_hit} |
| survival: C ≥ 0.728 | {c:.4f} | {os_hit} |
| survival on MSK1: C ≥ 0.734 | {m:.4f} | {msk1_hit} |

Transport check: {shift}. No treatment without an ICI is in these cohorts: the models are prognostic.
"""

if __name__ == "__main__":
    main()

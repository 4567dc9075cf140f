"""Hypothyroidism after radiotherapy: a model developed on one centre, tested once on another.

Run from the repository root: python -m validation.learned_toxicity. Writes a section of
docs/validation/toxicity.md. Protocol, fixed before the second centre was looked at: everything is chosen on the
378 patients by cross-validated Brier score at two years; the 49 are used once, for the report.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from validation.sections import DATA, figure, write_section

from abscopal.learning.features import columns_of
from abscopal.learning.fit import Learned, Request, fit_model
from abscopal.learning.metrics.bootstrap import bootstrap_intervals
from abscopal.learning.metrics.brier import brier_at
from abscopal.learning.metrics.discrimination import harrell_c
from abscopal.learning.outcome import Outcome
from abscopal.learning.resampling import folds
from abscopal.learning.update import Update, update_ladder
from abscopal.toxicity.learned import with_dose_features
from abscopal.toxicity.models import probabilities
from abscopal.toxicity.table import find_model

HORIZON = np.array([2.0])
PUBLISHED = (
    "hypo_boomsma", "hypo_ronjom_logistic", "hypo_ronjom_mixture", "hypo_bakhshandeh", "hypo_cella_v30pct",
    "hypo_cella_v30cc", "hypo_luo",
)  # fmt: skip
TERMS = ["gEUD:Thyroid", "log:Thyroid_volume", "Age", "female", "chemotherapy", "sella_mean_gy"]
SEED = 20


def cohort(name: str) -> pd.DataFrame:
    """One centre, with the features under their own names and units."""
    rows = pd.read_csv(DATA / "predict-riht" / name)
    return rows.assign(
        female=(rows["Sex"] == 2).astype(int),
        chemotherapy=(rows[["Induction", "Concurrent", "Adjuvant"]] > 0).any(axis=1).astype(int),
        sella_mean_gy=rows["Sella_mean"] / 100,
    )


def published(rows: pd.DataFrame, name: str) -> np.ndarray:
    """Probability of a published model, from its own predictors."""
    values = {
        "Dmean": rows["Thyroid_mean"] / 100, "gEUD": rows["Thyroid_mean"] / 100, "volume_cc": rows["Thyroid_volume"],
        "female": rows["female"].astype(float), "V30_pct": rows["Thyroid_V30"],
        "V30_cc": rows["Thyroid_V30"] / 100 * rows["Thyroid_volume"], "V50_pct": rows["Thyroid_V50"],
        "pituitary_max": rows["Sella_nondeformed_max"] / 100, "chemo": rows["chemotherapy"].astype(float),
    }  # fmt: skip
    model = find_model(name)
    return np.asarray(probabilities(model, {p.name: values[p.name].to_numpy() for p in model.predictors}))


def outcome_of(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Time in years and event of grade 1 or above."""
    return rows["g1_time"].to_numpy(float), rows["g1_event"].to_numpy(np.int64)


def score(rows: pd.DataFrame, p: np.ndarray, reference: tuple[np.ndarray, np.ndarray]) -> dict[str, float]:
    """Harrell's C, and the Brier score at two years weighted by the censoring of `reference`."""
    time, event = outcome_of(rows)
    return {
        "c": harrell_c(time, event, p),
        "brier": float(brier_at(time, event, p[:, None], HORIZON, reference)[0]),
    }


def updated(development: pd.DataFrame, name: str) -> np.ndarray:
    """Out-of-fold probabilities of a published model updated in the other folds."""
    y = np.column_stack(outcome_of(development)).astype(float)
    p, found = published(development, name), np.zeros(len(development))
    for fit, test in folds(y, "survival", 5, seed=SEED):
        found[test] = update_ladder(p[fit], y[fit], "survival", 2.0).apply(p[test])
    return found


def difference(
    rows: pd.DataFrame, mine: np.ndarray, other: np.ndarray, reference: tuple[np.ndarray, np.ndarray]
) -> dict[str, tuple[float, float] | None]:
    """Intervals of mine less other, over resampled patients."""

    def statistics(index: np.ndarray) -> dict[str, float]:
        part = rows.iloc[index]
        one, two = score(part, mine[index], reference), score(part, other[index], reference)
        return {key: one[key] - two[key] for key in one}

    return bootstrap_intervals(statistics, len(rows), n_resamples=1000, seed=SEED)


@dataclass(frozen=True, eq=False)
class Developed:
    """What the first centre gave: the learned model, the published ones as they are and updated out of fold."""

    model: Learned
    before: dict[str, dict[str, float]]
    after: dict[str, dict[str, float]]
    renewed: str
    ladder: Update
    reference: tuple[np.ndarray, np.ndarray]


def develop() -> Developed:
    """Everything that is chosen, chosen on the first centre."""
    development = cohort("data_training.csv")
    reference, y = outcome_of(development), np.column_stack(outcome_of(development)).astype(float)
    rows, alternatives = with_dose_features(development, TERMS)
    request = Request(TERMS, alternatives, families=("cox", "boosting"), n_resamples=500, seed=SEED)
    model = fit_model(rows, Outcome("survival", "g1_event", "g1_time", "year", 2.0), request)
    before = {name: score(development, published(development, name), reference) for name in PUBLISHED}
    after = {name: score(development, updated(development, name), reference) for name in PUBLISHED}
    renewed = min(PUBLISHED, key=lambda name: after[name]["brier"])
    ladder = update_ladder(published(development, renewed), y, "survival", 2.0)
    return Developed(model, before, after, renewed, ladder, reference)


def main() -> None:
    """Develop, test once, write."""
    made = develop()
    external = cohort("data_validation.csv")
    other, _ = with_dose_features(external, columns_of(list(made.model.card.terms)))
    predicted = {name: published(external, name) for name in PUBLISHED}
    predicted["updated"] = made.ladder.apply(predicted[made.renewed])
    predicted["learned"] = made.model.probabilities(other)[:, 0]
    found = {name: score(external, p, made.reference) for name, p in predicted.items()}
    write_section("toxicity.md", "learned", page(made, external, other, predicted, found))


def page(
    made: Developed,
    external: pd.DataFrame,
    other: pd.DataFrame,
    predicted: dict[str, np.ndarray],
    found: dict[str, dict[str, float]],
) -> str:
    """The section, with both tables."""
    card, transport = made.model.card, made.model.transport(other)
    labels = {
        "updated": f"{made.renewed}, updated ({made.ladder.chosen})", "learned": f"**learned ({card.family})**"
    }  # fmt: skip
    lines = [
        f"| {labels.get(name, name)} | " + " | ".join(_cells(name, made, external, predicted[name], found[name])) + " |"
        for name in (*PUBLISHED, "updated", "learned")
    ]
    best = {
        "least Brier score in development": min(PUBLISHED, key=lambda name: made.before[name]["brier"]),
        "largest C in these 49, picked afterwards": max(PUBLISHED, key=lambda name: found[name]["c"]),
        "least Brier score in these 49, picked afterwards": min(PUBLISHED, key=lambda name: found[name]["brier"]),
        "best after updating": "updated",
    }
    gaps = {
        why: difference(external, predicted["learned"], predicted[rival], made.reference) for why, rival in best.items()
    }
    versus = []
    for (why, rival), gap in zip(best.items(), gaps.values(), strict=True):
        cells = [figure(found["learned"][key] - found[rival][key], gap[key]) for key in ("c", "brier")]
        versus.append(f"| {labels.get(rival, rival)} ({why}) | " + " | ".join(cells) + " |")
    of_c, of_brier = (list(gaps.values())[index] for index in (1, 2))
    verdict = (
        f"Brier score: the learned model {_who(of_brier['brier'], lower=True)} the best published one. "
        f"C: it {_who(of_c['c'], lower=False)} the best published one."
    )
    coefficients = "; ".join(f"{c.name} {c.per_unit:.4g}" for c in card.coefficients) or "none: trees"
    shifted = ", ".join(f.name for f in transport.features if f.flagged) or "none"
    return TEXT.format(
        rows="\n".join(lines), versus="\n".join(versus), verdict=verdict, card=card, coefficients=coefficients,
        terms=", ".join(card.terms), notes="; ".join(card.notes) or "none", transport=transport.verdict,
        shifted=shifted, out=100 * transport.out_share, ladder=made.ladder, renewed=made.renewed,
    )  # fmt: skip


def _cells(name: str, made: Developed, external: pd.DataFrame, p: np.ndarray, found: dict[str, float]) -> list[str]:
    internal = {f.name: f.estimate for f in made.model.card.internal}
    of = {"learned": {"c": internal["harrell_c"], "brier": internal["brier"]}, "updated": made.after[made.renewed]}
    inside = of.get(name) or made.before[name]
    limits = bootstrap_intervals(
        lambda index: score(external.iloc[index], p[index], made.reference), len(external), n_resamples=1000, seed=SEED
    )
    cells = [f"{inside[key]:.3f}" for key in ("c", "brier")]
    return cells + [figure(found[key], limits[key]) for key in ("c", "brier")]


def _who(limits: tuple[float, float] | None, *, lower: bool) -> str:
    """In words, from the interval of the difference."""
    if limits is None or limits[0] <= 0 <= limits[1]:
        return "cannot be told from"
    return "beats" if (limits[1] < 0) == lower else "loses to"


TEXT = """
## A learned model of hypothyroidism, tested once

`python -m validation.learned_toxicity`. Developed on the 378 patients of the first centre for grade 1 or above; gEUD
exponent, penalty and family chosen inside five-fold nested cross-validation; tested once on the 49 of
the second centre. Brier scores at two years, weighted by the censoring of the first centre (just before each event, so
the fourth digit can differ from the table above). Development figures: published models as they are; the updated and
the learned model out of fold. Intervals resample the 49 patients.

| model | C, development | Brier, development | C, external | Brier, external |
| --- | --- | --- | --- | --- |
{rows}

The learned model less others on the same 49 patients (better: C above zero, Brier below zero):

| other | C | Brier |
| --- | --- | --- |
{versus}

**{verdict}** With 26 events no ranking by C is safe.

- Model: {card.choice}. Settings `{card.settings}`. Terms: {terms}. Coefficients per unit: {coefficients}.
- {card.events_per_parameter:.1f} events per candidate parameter, heuristic shrinkage {card.shrinkage:.2f}. Notes of
  the fit: {notes}.
- Update ladder of {renewed}, the published model best after updating in development: {ladder.chosen} (intercept
  {ladder.intercept:.3f}, slope {ladder.slope:.3f}).
- Transport check of the second centre: {transport}; shifted: {shifted}; {out:.0f} % of patients out of distribution.
"""

if __name__ == "__main__":
    main()

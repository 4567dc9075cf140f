"""Calibrate the population layer, score it trial by trial left out, freeze predictions, explain the puzzles.

`python validation/trials.py` takes about fifteen minutes on two idle cores. It writes the layer that ships
with the package, `validation/trials.json` with every figure of docs/validation/trials.md, and
`validation/predictions/trials`. It never reads the outcome of a withheld trial: the table holds none.
"""

import json
from pathlib import Path

import pandas as pd

from abscopal.trials.calibrate import DEVIATIONS, DRAWS, LINKS, Calibration, calibrate
from abscopal.trials.explain import PUZZLES, explain
from abscopal.trials.layer_file import write_layer
from abscopal.trials.predictions import layer_digest, write_predictions
from abscopal.trials.response import parameter_draws
from abscopal.trials.score import leave_one_out, summarise

HERE = Path(__file__).parent
KNOWLEDGE = HERE.parent / "src" / "abscopal" / "knowledge" / "data" / "trials"


def describe(calibration: Calibration) -> dict[str, object]:
    """The layer in a few figures."""
    sets = calibration.sample(4000)
    return {
        "trials": len(calibration.trials),
        "kill_factor_weights": calibration.marginal("factor").round(3).tolist(),
        "link_mean": round(float(calibration.marginal("link") @ LINKS), 3),
        "deviation_mean": round(float(calibration.marginal("deviation") @ DEVIATIONS), 3),
        "effect_quantiles": sets["effect"].quantile([0.05, 0.5, 0.95]).round(3).tolist(),
        "effective_draws": round(1 / float((calibration.marginal("draw") ** 2).sum()), 1),
    }


def rows(table: pd.DataFrame) -> list[dict[str, object]]:
    """A table as JSON rows, rounded."""
    return json.loads(table.round(4).to_json(orient="records"))


def main(calibrations: dict[str, Calibration] | None = None) -> None:
    """Do all of it."""
    calibrations = calibrations or {endpoint: calibrate(endpoint) for endpoint in ("PFS", "OS")}
    draws = parameter_draws(DRAWS)
    kind = str(draws.manifest.get("kind", ""))
    found: dict[str, object] = {
        "parameters": kind, "parameters_sha256": draws.digest, "layer_sha256": layer_digest(calibrations),
        "layer_table_sha256": write_layer(KNOWLEDGE, calibrations, draws.digest, kind),
    }  # fmt: skip
    for endpoint, calibration in calibrations.items():
        scored = leave_one_out(calibration)
        found[endpoint] = {
            "layer": describe(calibration), "layer_without_constant": describe(calibration.mechanism_only()),
            "summary": rows(summarise(scored)), "trials": rows(scored),
        }  # fmt: skip
    (HERE / "trials.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    write_predictions(HERE / "predictions" / "trials", calibrations)
    found["explained"] = rows(pd.concat([explain(trial, calibrations["PFS"]) for trial in PUZZLES]))
    (HERE / "trials.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

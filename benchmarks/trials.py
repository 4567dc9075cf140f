"""Speed of a virtual trial, and of its analysis beside lifelines in the same run.

`python benchmarks/trials.py` prints a table: two arms, 700 patients, 500 replicates over the posterior.
"""

import time

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter

from abscopal.trials.known_designs import design_of
from abscopal.trials.survival import compare
from abscopal.trials.virtual import run_trial

TARGET = 60.0
"""Wall time allowed on two cores. [s]"""


def whole_trial() -> float:
    """Seconds for 500 replicates of 700 patients, patients simulated anew."""
    design = design_of("PACIFIC")
    design = design.model_copy(update={"population": design.population.model_copy(update={"n": 700})})
    start = time.perf_counter()
    run_trial(design, 500)
    return time.perf_counter() - start


def analysis_ratio(replicates: int = 40) -> float:
    """Times that our Cox regression of many replicates is faster than lifelines' of one after another."""
    rng = np.random.default_rng(0)
    time_to = rng.exponential(10, (replicates, 700))
    event = rng.random((replicates, 700)) < 0.7
    arm = rng.random((replicates, 700)) < 0.5
    start = time.perf_counter()
    ours = compare(time_to, event, arm).log_hr
    own = time.perf_counter() - start
    start = time.perf_counter()
    theirs = [
        CoxPHFitter().fit(pd.DataFrame({"t": t, "e": e.astype(int), "a": a.astype(float)}), "t", "e").params_["a"]
        for t, e, a in zip(time_to, event, arm, strict=True)
    ]
    peer = time.perf_counter() - start
    print(f"largest difference of ln HR {np.abs(ours - np.array(theirs)).max():.1e}")
    return peer / own


if __name__ == "__main__":
    took = whole_trial()
    print(
        f"700 patients x 500 replicates: {took:.1f} s wall (target {TARGET:.0f} s: {'met' if took < TARGET else 'MISSED'})"
    )
    print(f"Cox regression, 40 replicates of 700: {analysis_ratio():.0f} times lifelines")

"""Time leave-one-out RMST pseudo-values against one lifelines fit per patient, in the same run.

Run `python benchmarks/pseudo_values.py`; prints JSON. Times are CPU seconds of this process.
"""

import json
import time
from collections.abc import Callable
from typing import Any

import lifelines
import numpy as np
from lifelines.utils import restricted_mean_survival_time

from abscopal.learning.pseudo_values import rmst_pseudo_values

HORIZON = 24.0


def cohort(n: int) -> tuple[Any, Any]:
    """Exponential survival and uniform censoring. [month]."""
    rng = np.random.default_rng(0)
    survival, lost = rng.exponential(18, n), rng.uniform(6, 48, n)
    return np.minimum(survival, lost), (survival <= lost).astype(float)


def by_refitting(t: Any, d: Any) -> Any:
    """The definition: n + 1 Kaplan-Meier fits."""

    def mean(keep: Any) -> float:
        return float(restricted_mean_survival_time(lifelines.KaplanMeierFitter().fit(t[keep], d[keep]), t=HORIZON))

    n, everyone = len(t), np.ones(len(t), dtype=bool)
    whole, found = mean(everyone), np.empty(n)
    for i in range(n):
        everyone[i] = False
        found[i] = n * whole - (n - 1) * mean(everyone)
        everyone[i] = True
    return found


def seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of a call, and its answer."""
    start = time.process_time()
    found = call()
    return time.process_time() - start, found


def measure() -> dict[str, float]:
    """Times at 10⁴ patients, and the ratio to refitting at 300."""
    large, small = cohort(10_000), cohort(300)
    rmst_pseudo_values(*small, HORIZON)
    ours, _ = seconds(lambda: rmst_pseudo_values(*large, HORIZON))
    fast, mine = seconds(lambda: [rmst_pseudo_values(*small, HORIZON) for _ in range(20)])
    slow, theirs = seconds(lambda: by_refitting(*small))
    return {
        "seconds_10000": ours,
        "seconds_300": fast / 20,
        "lifelines_seconds_300": slow,
        "ratio_300": slow / (fast / 20),
        "largest_difference": float(np.abs(mine[0] - theirs).max()),
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))

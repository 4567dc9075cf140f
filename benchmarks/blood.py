"""Time the blood-dose paths against a straightforward discrete-time simulation of the same plan.

Run `python benchmarks/blood.py`; needs only the package. Times are CPU seconds (user and
system, all threads) and wall seconds of this process; peak memory is its resident maximum.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from abscopal.blood.circulation import Network, load_network, split_compartment
from abscopal.blood.exposure import Segment, blood_dose_of_segments
from abscopal.blood.sampling import sample_blood_dose

STEP = 0.05  # s
ORGANS = {"lung": 0.5, "right_heart": 0.3, "left_heart": 0.3, "aorta": 0.8, "pulmonary_artery": 0.9, "liver": 0.1}
FIELD_WEIGHTS = (1.0, 0.6, 0.8, 1.6)


def plan() -> list[Segment]:
    """Four fields of 30 s, 120 s in all, each with its own share of the organ doses (Gy in one fraction)."""
    total = sum(FIELD_WEIGHTS)
    return [Segment(30.0, {name: dose * w / total / 30.0 for name, dose in ORGANS.items()}) for w in FIELD_WEIGHTS]


def uneven_plan() -> tuple[Network, list[Segment]]:
    """The same fields on a network of which each irradiated organ is six parallel parts of rising dose."""
    network = load_network("male")
    parts = 6
    for organ in ORGANS:
        network = split_compartment(network, organ, {f"{organ}:{k}": (1 / parts, 1 / parts) for k in range(parts)})
    fields = [
        Segment(
            field.duration,
            {
                f"{organ}:{k}": rate * 2 * k / (parts - 1)
                for organ, rate in field.dose_rates.items()
                for k in range(parts)
            },
        )
        for field in plan()
    ]
    return network, fields


def discrete_time(network: Network, segments: list[Segment], n: int, seed: int) -> np.ndarray:
    """The straightforward way: every particle takes every step, one row look-up of the step's transitions.

    Vectorised over particles: leave with probability 1-exp(-step/transit), choose the next
    compartment by searching the cumulative outflow, add dose rate times step.
    """
    rng = np.random.default_rng(seed)
    leave = 1.0 - np.exp(-STEP / network.transit_time)
    cumulative = np.cumsum(network.flows / network.outflow[:, None], axis=1)
    where = rng.choice(len(network.compartments), n, p=network.stationary / network.stationary.sum())
    dose = np.zeros(n)
    for segment in segments:
        rates = network.vector(segment.dose_rates)
        for _ in range(round(segment.duration / STEP)):
            dose += rates[where] * STEP
            moving = np.flatnonzero(rng.random(n) < leave[where])
            draw = rng.random(moving.size)
            where[moving] = (cumulative[where[moving]] < draw[:, None]).sum(axis=1)
    return dose


def timed(what: Callable[[], Any]) -> tuple[Any, float, float]:
    """Result, CPU seconds and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = what()
    return result, time.process_time() - cpu, time.perf_counter() - wall


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--big", action="store_true", help="also a million particles through thirty fractions")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    network, segments = load_network("male"), plan()
    result: dict[str, Any] = {}
    blood_dose_of_segments(network, segments).surviving_fraction(0.4)  # caches filled, code loaded

    def exact() -> float:
        return blood_dose_of_segments(network, segments).surviving_fraction(0.4)

    result["exact_ms"] = 1e3 * min(timed(exact)[1] for _ in range(20))
    uneven, fields = uneven_plan()
    blood_dose_of_segments(uneven, fields).surviving_fraction(0.4)
    result["exact_uneven_ms"] = 1e3 * min(
        timed(lambda: blood_dose_of_segments(uneven, fields).surviving_fraction(0.4))[1] for _ in range(20)
    )
    result["exact_uneven_compartments"] = len(uneven.compartments)
    if options.big:
        sample, cpu, wall = timed(
            lambda: sample_blood_dose(network, segments, 1_000_000, n_fractions=30, shape=2.0, seed=1, workers=2)
        )
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        result["million_by_thirty"] = {"cpu_s": cpu, "wall_s": wall, "peak_mib": peak, "mean_gy": sample.mean[0]}
    ours = [timed(lambda: sample_blood_dose(network, segments, 100_000, seed=1)) for _ in range(options.repeats)]
    theirs = [timed(lambda: discrete_time(network, segments, 100_000, 1)) for _ in range(options.repeats)]
    result["event_driven_cpu_s"] = [run[1] for run in ours]
    result["discrete_time_cpu_s"] = [run[1] for run in theirs]
    result["ratio_of_best_cpu"] = min(result["discrete_time_cpu_s"]) / min(result["event_driven_cpu_s"])
    result["mean_gy"] = [ours[0][0].mean[0], float(theirs[0][0].mean()), blood_dose_of_segments(network, segments).mean]
    result["sd_gy"] = [ours[0][0].sd, float(theirs[0][0].std()), blood_dose_of_segments(network, segments).sd]
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()

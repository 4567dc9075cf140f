"""Pooling against published and independently computed answers (same inputs, same answer).

a. BCG vaccine trials: Colditz GA et al., JAMA 1994;271:698 (2x2 counts as in the public set
   `dat.bcg`); pooled values agreed by statsmodels, PyMARE and metafor, tolerance 5e-4.
b. Three RT + ICI trials as tabulated in J Oncol 2021:6631643.
c. Twenty-nine pools of the trial table, every printed digit.
"""

import math

import numpy as np
import pytest

from abscopal.trials.checks import standard_error
from abscopal.trials.evidence import select
from abscopal.trials.pooling import pool
from abscopal.trials.regression import egger, meta_regression

# tuberculosis, no tuberculosis: vaccinated | control
BCG = np.array(
    [
        (4, 119, 11, 128), (6, 300, 29, 274), (3, 228, 11, 209), (62, 13536, 248, 12619), (33, 5036, 47, 5761),
        (180, 1361, 372, 1079), (8, 2537, 10, 619), (505, 87886, 499, 87892), (29, 7470, 45, 7232),
        (17, 1699, 65, 1600), (186, 50448, 141, 27197), (5, 2493, 3, 2338), (27, 16886, 29, 17825),
    ],
    dtype=float,
)  # fmt: skip


@pytest.fixture(scope="module")
def bcg():
    a, b, c, d = BCG.T
    log_rr = np.log(a / (a + b)) - np.log(c / (c + d))
    return log_rr, np.sqrt(1 / a - 1 / (a + b) + 1 / c - 1 / (c + d))


@pytest.mark.parametrize(
    ("method", "mean", "tau2"), [("DL", -0.7141, 0.3088), ("PM", -0.7150, 0.3181), ("REML", -0.7145, 0.3132)]
)
def test_bcg_random_effects(bcg, method, mean, tau2):
    found = pool(*bcg, method)
    assert found.log_hr == pytest.approx(mean, abs=5e-4)
    assert found.tau2 == pytest.approx(tau2, abs=5e-4)


def test_bcg_reml_intervals(bcg):
    found = pool(*bcg)
    assert found.se == pytest.approx(0.1798, abs=5e-4)
    assert np.log(found.interval) == pytest.approx((-1.0669, -0.3622), abs=5e-4)
    assert np.log(found.hk_interval) == pytest.approx((-1.1084, -0.3206), abs=5e-4)
    assert found.q == pytest.approx(152.233, abs=5e-4)


def test_bcg_fixed(bcg):
    assert pool(*bcg, "fixed").log_hr == pytest.approx(-0.4303, abs=5e-4)


def pooled(rows, method):
    hr, low, high = (np.array(column) for column in zip(*rows, strict=True))
    return pool(np.log(hr), [standard_error(a, b, 95) for a, b in zip(low, high, strict=True)], method)


OS = [(0.68, 0.47, 0.997), (0.85, 0.72, 1.00), (0.66, 0.37, 1.18)]
PFS = [(0.51, 0.41, 0.63), (0.70, 0.61, 0.82), (0.71, 0.42, 1.18)]


def test_three_trials_os():
    dl, reml = pooled(OS, "DL"), pooled(OS, "REML")
    assert (dl.hr, *dl.interval) == pytest.approx((0.8090, 0.6993, 0.9359), abs=5e-5)
    assert (dl.q, dl.tau2) == pytest.approx((1.6412, 0), abs=5e-5)
    assert (reml.hr, *reml.interval) == pytest.approx((0.7973, 0.6712, 0.9471), abs=5e-5)
    assert reml.tau2 == pytest.approx(0.00362, abs=5e-6)


def test_three_trials_pfs():
    dl, reml = pooled(PFS, "DL"), pooled(PFS, "REML")
    assert (dl.hr, *dl.interval) == pytest.approx((0.6211, 0.4860, 0.7937), abs=5e-5)
    assert dl.tau2 == pytest.approx(0.02865, abs=5e-6)
    assert dl.q == pytest.approx(5.8477, abs=5e-5)
    assert dl.i2 == pytest.approx(65.8, abs=0.05)
    assert reml.hr == pytest.approx(0.6210, abs=5e-5)
    assert reml.tau2 == pytest.approx(0.02681, abs=5e-6)


# selection            | k, DL HR, DL tau2, Q, I2 %, REML HR, its 95 % CI, REML tau2, HK 95 %, PI 95 %
POOLS = """
OS                     | 19 0.9170 0.0410 51.09  65 0.9170 0.812-1.036 0.0413 0.806-1.043  0.59-1.44
OS no-glioblastoma     | 17 0.8859 0.0275 34.69  54 0.8866 0.786-1.000 0.0322 0.776-1.013  0.59-1.33
OS add                 | 14 0.8473 0.0157 22.59  42 0.8468 0.764-0.939 0.0135 0.747-0.959  0.64-1.12
OS after               | 8  0.7973 0.0085 10.23  32 0.8022 0.733-0.878 0.0000 0.704-0.914  0.72-0.90
OS during              | 11 1.0333 0.0357 22.58  56 1.0339 0.885-1.208 0.0341 0.875-1.221  0.66-1.63
OS during add          | 6  0.9359 0.0236 9.07   45 0.9359 0.776-1.129 0.0239 0.733-1.194  0.57-1.55
OS eni-no              | 6  0.7573 0.0293 10.23  51 0.7564 0.615-0.931 0.0328 0.568-1.007  0.42-1.35
OS eni-yes             | 8  1.0077 0.0369 15.10  54 1.0076 0.837-1.213 0.0365 0.817-1.243  0.60-1.70
OS eni-yes add         | 5  0.9406 0.0251 7.82   49 0.9406 0.771-1.148 0.0250 0.711-1.244  0.52-1.71
PFS                    | 15 0.9017 0.0992 90.93  85 0.9019 0.758-1.073 0.0906 0.743-1.095  0.46-1.78
PFS no-glioblastoma    | 13 0.8383 0.0660 54.05  78 0.8384 0.709-0.991 0.0679 0.692-1.015  0.46-1.53
PFS add                | 10 0.7684 0.0382 29.58  70 0.7684 0.658-0.897 0.0399 0.638-0.925  0.47-1.26
PFS after              | 5  0.6881 0.0158 8.66   54 0.6877 0.591-0.800 0.0148 0.543-0.871  0.43-1.09
PFS during             | 10 1.0450 0.0609 32.65  72 1.0456 0.868-1.259 0.0591 0.826-1.323  0.57-1.91
PFS during add         | 5  0.8673 0.0355 9.97   60 0.8714 0.708-1.072 0.0289 0.615-1.234  0.46-1.65
PFS eni-no             | 5  0.7218 0.0317 10.95  63 0.7214 0.592-0.879 0.0308 0.543-0.959  0.38-1.37
PFS eni-yes            | 7  0.9778 0.0635 19.50  69 0.9780 0.775-1.235 0.0629 0.707-1.352  0.48-2.00
PFS eni-yes add        | 4  0.8569 0.0585 9.78   69 0.8532 0.626-1.162 0.0651 0.478-1.524  0.23-3.10
PFS+EFS                | 24 0.8316 0.0745 108.40 79 0.8316 0.730-0.947 0.0741 0.722-0.958  0.47-1.49
PFS+EFS no-glioblastoma| 22 0.7907 0.0446 65.92  68 0.7904 0.703-0.889 0.0487 0.694-0.901  0.49-1.27
PFS+EFS add            | 19 0.7498 0.0243 40.19  55 0.7498 0.678-0.829 0.0242 0.668-0.842  0.53-1.06
PFS+EFS after          | 9  0.7275 0.0180 16.86  53 0.7276 0.640-0.827 0.0182 0.618-0.857  0.51-1.04
PFS+EFS during         | 15 0.8916 0.0868 63.47  78 0.8899 0.742-1.067 0.0928 0.721-1.098  0.45-1.77
PFS+EFS during add     | 10 0.7649 0.0325 20.22  55 0.7653 0.654-0.896 0.0320 0.628-0.933  0.49-1.20
PFS+EFS eni-no         | 7  0.6880 0.0300 13.40  55 0.6881 0.576-0.822 0.0278 0.546-0.867  0.42-1.12
PFS+EFS eni-yes        | 12 0.8572 0.0581 35.90  69 0.8565 0.720-1.018 0.0610 0.697-1.052  0.48-1.54
PFS+EFS eni-yes add    | 9  0.7886 0.0319 18.65  57 0.7890 0.673-0.925 0.0312 0.645-0.966  0.50-1.25
OS rt                  | 2  0.8745 0.0431 1.67   40 0.8745 0.561-1.364 0.0431 0.049-15.619 n/a
PFS rt                 | 2  0.8563 0.0000 0.73   0  0.8563 0.644-1.139 0.0000 0.176-4.158  n/a
""".strip().splitlines()
SELECTION = {
    "rt": {"pool": "rt"},
    "no-glioblastoma": {"without_disease": "glioblastoma"},
    "after": {"timing": "after"},
    "during": {"timing": "during"},
    "eni-yes": {"eni": "yes"},
    "eni-no": {"eni": "no"},
    "add": {"comparison_type": "add_ici"},
}


def printed(limits, digits):
    return "n/a" if limits is None else "-".join(f"{limit:.{digits}f}" for limit in limits)


@pytest.mark.parametrize("row", POOLS, ids=lambda row: row.split("|")[0].strip())
def test_pool_of_the_trial_table(row):
    chosen, expected = row.split("|")
    endpoint, *filters = chosen.split()
    arguments = {key: value for name in filters for key, value in SELECTION[name].items()}
    rows = select(endpoint=tuple(endpoint.split("+")), **arguments)
    dl, reml = pool(rows["log_hr"], rows["se"], "DL"), pool(rows["log_hr"], rows["se"])
    found = [
        str(reml.k), f"{dl.hr:.4f}", f"{dl.tau2:.4f}", f"{dl.q:.2f}", f"{dl.i2:.0f}", f"{reml.hr:.4f}",
        printed(reml.interval, 3), f"{reml.tau2:.4f}", printed(reml.hk_interval, 3),
        printed(reml.prediction_interval, 2),
    ]  # fmt: skip
    assert found == expected.split()


def test_there_are_twenty_nine_pools():
    assert len(POOLS) == 29


def test_two_study_intervals_are_as_wide_as_one_degree_of_freedom_makes_them():
    rows = select(endpoint="OS", pool="rt")
    low, high = pool(rows["log_hr"], rows["se"]).hk_interval
    assert math.log(high / low) > 5


# during/after ratio of hazard ratios: alone, and with an indicator of trials that swap the ICI for another drug
TIMING = {
    "OS": ("1.31 (1.05-1.63)", "1.17 (0.93-1.48)"),
    "PFS": ("1.51 (1.09-2.09)", "1.28 (0.96-1.72)"),
    "PFS+EFS": ("1.22 (0.92-1.61)", None),
}
ENI = ["1.33 (0.98-1.81)", "1.20 (0.81-1.76)", "1.14 (0.76-1.71)"]
EGGER = {"OS": ("-0.05", "0.96"), "PFS": ("0.95", "0.62"), "PFS+EFS": ("-0.13", "0.91")}


def text(slope):
    return f"{slope.ratio:.2f} ({slope.interval[0]:.2f}-{slope.interval[1]:.2f})"


def indicators(rows):
    return {
        "eni": (rows["eni"] == "yes").astype(float),
        "during": (rows["timing"] == "during").astype(float),
        "swap": (rows["comparison_type"] == "swap_ici").astype(float),
    }


@pytest.mark.parametrize("endpoint", TIMING)
def test_meta_regression_on_timing(endpoint):
    rows = select(endpoint=tuple(endpoint.split("+")))
    x, effects = indicators(rows), (rows["log_hr"], rows["se"])
    alone, adjusted = TIMING[endpoint]
    assert text(meta_regression(*effects, {"during": x["during"]}).slopes["during"]) == alone
    found = meta_regression(*effects, {"during": x["during"], "swap": x["swap"]}).slopes["during"]
    if adjusted is not None:
        assert text(found) == adjusted


def test_meta_regression_that_misses_its_target():
    """PFS+EFS with the swap indicator: 1.07 (0.85-1.33) is stated, the restricted maximum gives 1.0647."""
    rows = select(endpoint=("PFS", "EFS"))
    x = indicators(rows)
    found = meta_regression(rows["log_hr"], rows["se"], {"during": x["during"], "swap": x["swap"]})
    assert text(found.slopes["during"]) == "1.06 (0.85-1.33)"
    assert found.slopes["during"].ratio == pytest.approx(1.0647, abs=5e-5)


def test_meta_regression_on_elective_nodes():
    """Section 3.3: alone, with timing, with timing and control type."""
    rows = select(endpoint="OS")
    rows = rows.loc[rows["eni"] != ""]
    x = indicators(rows)
    found = [
        text(meta_regression(rows["log_hr"], rows["se"], {name: x[name] for name in names}).slopes["eni"])
        for names in (("eni",), ("eni", "during"), ("eni", "during", "swap"))
    ]
    assert found == ENI


@pytest.mark.parametrize("endpoint", EGGER)
def test_egger(endpoint):
    rows = select(endpoint=tuple(endpoint.split("+")))
    found = egger(rows["log_hr"], rows["se"])
    assert (f"{found.intercept:.2f}", f"{found.p:.2f}") == EGGER[endpoint]

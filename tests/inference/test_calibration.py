import csv
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from abscopal.domain.errors import InputError
from abscopal.inference.ablation import ABLATIONS, FULL, variant
from abscopal.inference.bench import Bench, effects_in_blocks
from abscopal.inference.diagnostics import effective_draws, learned, r_hat, waic
from abscopal.inference.observations import of_split
from abscopal.inference.optimise import ascend, mode_at
from abscopal.inference.parameters import Parameters, prior_parameters, sampled_names
from abscopal.inference.predictions import is_frozen, write_predictions
from abscopal.inference.report import write_page
from abscopal.inference.sampler import Chain, Settings
from abscopal.inference.scores import score_rows

ROWS = tuple(one for one in of_split("calibration") if one.row in {2, 91, 93, 96, 77})


def test_effects_do_not_depend_on_the_company_of_a_draw() -> None:
    bench, prior = Bench(variant(FULL), ROWS, threads=1), prior_parameters(5, 3, scatter=False)
    together = bench.effects(prior)
    assert together.shape == (len(ROWS), 5)
    assert np.isfinite(together).all()
    assert bench.effects(prior.rows(slice(2, 4))) == pytest.approx(together[:, 2:4], rel=1e-9)
    assert effects_in_blocks(bench, prior, 2) == pytest.approx(together, rel=1e-9)


def test_an_ablation_takes_its_mechanism_out_and_keeps_the_rest() -> None:
    full = {switch for switch, on in variant(FULL).switches.items() if on}
    for label, switch in ABLATIONS.items():
        left = {name for name, on in variant(label).switches.items() if on}
        assert full - left == ({switch} if switch else set())
    with pytest.raises(InputError, match="no-TREX1"):
        variant("no-TREX")


def test_lines_differ_and_the_scatter_of_a_draw_is_its_own() -> None:
    prior = prior_parameters(40, 1)
    tsa, other = prior.of_line("TSA"), prior.of_line("LLC")
    assert set(tsa) == set(other)
    assert (tsa["alpha"] != other["alpha"]).all()
    assert (tsa["kk"] == other["kk"]).all()
    assert prior.rows(slice(10, 20)).of_line("LLC")["alpha"] == pytest.approx(other["alpha"][10:20])
    ct26 = prior.of_line("CT26")["alpha"]
    assert np.median(ct26) == pytest.approx(0.146, rel=0.15)


def test_priors_have_their_percentiles() -> None:
    z = np.array([[-1.6448536269514722], [0.0], [1.6448536269514722]]) + np.zeros((3, len(sampled_names())))
    values = Parameters(z).of_line("TSA")
    assert values["alpha"] == pytest.approx([0.05, np.sqrt(0.05 * 0.35), 0.35])
    assert values["dX"] == pytest.approx([12.3, 15, 17.7])


def test_the_climb_finds_a_known_mode_and_its_curvature() -> None:
    random = np.random.default_rng(0)
    root = random.standard_normal((3, 3))
    likelihood = multivariate_normal(np.array([1.0, -2.0, 0.5]), root @ root.T + np.eye(3))
    precision = np.linalg.inv(root @ root.T + np.eye(3)) + np.eye(3)
    expected = np.linalg.solve(precision, np.linalg.inv(root @ root.T + np.eye(3)) @ [1.0, -2.0, 0.5])
    top = ascend(lambda z: np.atleast_1d(likelihood.logpdf(z)), np.zeros(3), 100)
    assert top == pytest.approx(expected, abs=0.05)
    mode = mode_at(lambda z: np.atleast_1d(likelihood.logpdf(z)), top)
    assert mode.covariance == pytest.approx(np.linalg.inv(precision), rel=1e-3, abs=1e-3)


def _chain(shift: float) -> Chain:
    random = np.random.default_rng(5)
    z = random.standard_normal((2, 100, 10, len(sampled_names())))
    z[0] += shift
    return Chain(z, -0.5 * (z * z).sum(axis=-1), 0.3, Settings(walkers=10, steps=200))


def test_r_hat_tells_ensembles_that_disagree() -> None:
    assert r_hat(_chain(0.0).z[..., 0]) < 1.01
    assert r_hat(_chain(2.0).z[..., 0]) > 1.3


def test_independent_steps_count_in_full_and_a_slow_walk_does_not() -> None:
    random = np.random.default_rng(1)
    free = random.standard_normal((1, 400, 20))
    slow = np.repeat(free[:, ::20], 20, axis=1)
    assert effective_draws(free) == pytest.approx(8000, rel=0.2)
    assert effective_draws(slow) < 1000


def test_what_was_learned_from_noise_is_nothing() -> None:
    found = learned(_chain(0.0))
    assert len(found) == len(sampled_names())
    assert all(abs(one.contraction) < 0.2 for one in found)


def test_waic_of_a_fixed_draw_is_its_log_likelihood() -> None:
    logs = np.repeat(np.array([[-1.0], [-2.0]]), 10, axis=1)
    found, by_row = waic(logs, [1.0, 0.5])
    assert by_row == pytest.approx([-1, -1])
    assert found.effective_parameters == pytest.approx(0)


def test_sealed_predictions_are_frozen(tmp_path: Path) -> None:
    rows = of_split("sealed")
    effects = np.random.default_rng(0).standard_normal((len(rows), 30)) * 0.1
    table = write_predictions({FULL: score_rows(rows, effects)}, tmp_path)
    assert is_frozen(tmp_path)
    with table.open(encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    assert {int(line["row"]) for line in lines} == {one.row for one in rows}
    table.write_text(table.read_text(encoding="utf-8") + "tampered\n", encoding="utf-8")
    with pytest.raises((ValueError, AssertionError)):
        assert is_frozen(tmp_path)


def test_the_generated_part_of_the_page_is_replaced_and_the_rest_kept(tmp_path: Path) -> None:
    page = tmp_path / "window.md"
    page.write_text("# Title\n", encoding="utf-8")
    for content in ("one", "two"):
        write_page(f"<!-- evidence: begin -->\n{content}\n<!-- evidence: end -->\n", page)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Title")
    assert "two" in text
    assert "one" not in text

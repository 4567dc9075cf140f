"""Matrices from pyRadPlan: units, axes, structures; the same objective as its own optimiser; bad input."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from abscopal.blood.immune_dose import edric_from_case
from abscopal.domain.errors import InputError, UnsupportedError
from abscopal.dose.dicom.intake import Anatomy, read_anatomy
from abscopal.dose.structures import Structure
from abscopal.planning import pyradplan as adapter
from abscopal.planning.beams import BeamSetup
from abscopal.planning.influence import InfluenceMatrix, Prescription
from abscopal.planning.optimise import Goal, even_weight, solve
from abscopal.planning.pyradplan import from_pyradplan, matrix_of_case, require_memory, tg119_matrix
from abscopal.planning.sweep import sweep_plans
from abscopal.planning.terms.dose import SquaredDeviation, SquaredOverdose
from abscopal.planning.terms.immune import Edric

COARSE = BeamSetup(gantry=(0.0, 72.0, 144.0, 216.0, 288.0), bixel_mm=15.0, grid_mm=8.0)
FIFTY = Prescription(50.0, 25)


@pytest.fixture(scope="module")
def engine():
    return pytest.importorskip("pyRadPlan", reason="pyRadPlan is not in this environment; `make test-planning` has it")


@pytest.fixture(scope="module")
def anatomy(thorax_case: Path) -> Anatomy:
    return read_anatomy(thorax_case)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("matrices")


@pytest.fixture(scope="module")
def phantom(engine, cache: Path) -> InfluenceMatrix:
    return tg119_matrix(FIFTY, COARSE, folder=cache)


@pytest.fixture(scope="module")
def thorax(engine, anatomy: Anatomy, cache: Path) -> InfluenceMatrix:
    return matrix_of_case(anatomy, Prescription(50.0, 5), replace(COARSE, gantry=(20.0, 60.0, 100.0, 140.0, 180.0)),
                         folder=cache)  # fmt: skip


@pytest.mark.planning
def test_the_dose_and_the_objective_are_those_of_pyradplan(engine, phantom: InfluenceMatrix) -> None:
    ct, cst = engine.load_tg119()
    plan = engine.PhotonPlan(radiation_mode="photons", machine="Generic")
    plan.prop_stf = {"gantry_angles": list(COARSE.gantry), "couch_angles": [0.0] * 5, "bixel_width": 15.0}
    plan.prop_dose_calc = {"dose_grid": {"resolution": {"x": 8.0, "y": 8.0, "z": 8.0}}}
    with adapter._quiet():
        stf = engine.generate_stf(ct, cst, plan)
        dij = engine.calc_dose_influence(ct, cst, stf, plan)
        info: dict = {}
        theirs = np.asarray(engine.fluence_optimization(ct, cst, stf, dij, plan, opt_info=info), dtype=float)
        on_grid = cst.apply_overlap_priorities().resample_on_new_ct(ct.resample_to_grid(dij.dose_grid))
    masks = {}
    for voi in on_grid.vois:
        inside = np.zeros(voi.mask.GetNumberOfPixels())
        inside[voi.indices_numpy] = 1.0
        masks[voi.name] = inside.reshape(phantom.shape)
    same = from_pyradplan(dij, masks, targets=("OuterTarget",), prescription=FIFTY)
    np.testing.assert_allclose(same.affine, phantom.affine)
    np.testing.assert_allclose(
        same.voxel_dose(theirs), np.asarray(dij.physical_dose.flat[0] @ theirs), rtol=1e-5, atol=1e-6
    )
    goals = (
        Goal(SquaredDeviation("OuterTarget", 50.0), 1000.0),
        Goal(SquaredOverdose("Core", 25.0), 300.0),
        Goal(SquaredOverdose("BODY", 30.0), 100.0),
    )
    value = sum(goal.weight * goal.term.value(same, theirs) for goal in goals)
    assert value == pytest.approx(float(info["fun"] if "fun" in info else min(info["obj_history"])), rel=1e-3)
    ours = solve(same, goals, tolerance=1e-4)
    assert ours.status == "converged"
    assert ours.objective <= value


@pytest.mark.planning
def test_the_phantom_has_its_structures_and_beams(phantom: InfluenceMatrix) -> None:
    assert set(phantom.regions) == {"PTV", "Core", "External"}
    assert phantom.region("External").volume_cm3 == pytest.approx(13_437, rel=0.02)
    assert sorted(set(phantom.bixels.gantry)) == list(COARSE.gantry)
    assert "pyRadPlan" in phantom.origin
    w = np.full(phantom.n_bixels, even_weight(phantom))
    assert phantom.mean_row("PTV") @ w == pytest.approx(50.0)


@pytest.mark.planning
def test_a_case_is_placed_where_its_ct_is(thorax: InfluenceMatrix, anatomy: Anatomy) -> None:
    for name in ("PTV", "Heart", "Lung_L", "LN_Mediast"):
        drawn = anatomy.structures[name].slabs().volume_cm3()
        assert thorax.region(name).volume_cm3 == pytest.approx(drawn, rel=0.03)
    dose = thorax.dose(np.full(thorax.n_bixels, even_weight(thorax)))
    k, j, i = np.unravel_index(int(dose.values.argmax()), dose.values.shape)
    hottest = (dose.affine @ [i, j, k, 1.0])[:3]
    ptv = np.concatenate(anatomy.structures["PTV"].contours)
    assert np.linalg.norm(hottest - ptv.mean(axis=0)) < 60.0
    assert dose.frame_of_reference_uid == anatomy.frame_of_reference_uid


@pytest.mark.planning
def test_sparing_on_the_thorax_case(thorax: InfluenceMatrix, tmp_path: Path) -> None:
    found = sweep_plans(thorax, ["lymphocytes"], weights=[1.0, 10.0], folder=tmp_path)
    first, last = found.reference, found.points[-1]
    assert all(point.plan.status == "converged" for point in found.points)
    assert [term.label for term in found.terms][:2] == ["EDRIC", "LN_Mediast mean"]
    assert last.immune[0] < first.immune[0]
    assert last.immune[1] < 0.7 * first.immune[1]
    for point in found.points:
        assert point.course.coverage == pytest.approx(50.0, rel=1e-3)
        dose = point.course.voxel_dose
        regions = {n: r for n, r in found.matrix.regions.items() if not n.startswith("Body")}
        means = {name: region.mean(dose) for name, region in regions.items()}
        volumes = {name: region.volume_cm3 for name, region in regions.items()}
        image = edric_from_case(means, volumes, means["External"] * volumes["External"], 5).value
        assert Edric().value(found.matrix, point.course.weights) == pytest.approx(image, rel=1e-5)
    again = sweep_plans(thorax, ["lymphocytes"], weights=[1.0, 10.0], folder=tmp_path)
    np.testing.assert_array_equal(again.points[-1].plan.weights, last.plan.weights)


@pytest.mark.planning
def test_a_finished_matrix_is_read_and_not_calculated(
    phantom: InfluenceMatrix, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(adapter, "_calculate", never)
    assert tg119_matrix(FIFTY, COARSE, folder=cache).digest() == phantom.digest()


@pytest.mark.planning
def test_protons_carry_their_rbe(engine, cache: Path) -> None:
    setup = BeamSetup(gantry=(45.0, 315.0), modality="protons", bixel_mm=20.0, grid_mm=10.0)
    matrix = tg119_matrix(FIFTY, setup, folder=cache)
    assert matrix.kind == "RBE"
    assert matrix.modality == "protons"
    assert any("RBE of 1.1" in note for note in matrix.notes)
    assert np.unique(matrix.bixels.energy).size > 3


@pytest.mark.planning
def test_a_matrix_that_does_not_fit_is_refused_before_it_is_calculated(engine, monkeypatch) -> None:
    with pytest.raises(InputError, match=r"million doses for \d+ bixels.*Try: wider bixels"):
        tg119_matrix(FIFTY, COARSE, memory=10_000_000)


@pytest.mark.planning
def test_the_estimate_of_memory_is_on_the_safe_side(thorax: InfluenceMatrix, anatomy: Anatomy) -> None:
    body = anatomy.structures["External"].slabs().volume_cm3()
    needed = require_memory(thorax.n_bixels, body, COARSE, limit=2**40)
    assert thorax.nbytes < needed < 12 * thorax.nbytes


def test_without_the_extra_the_error_names_it(anatomy: Anatomy, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(adapter.importlib, "import_module", absent)
    with pytest.raises(UnsupportedError, match=r"pip install 'abscopal\[planning\]'"):
        matrix_of_case(anatomy, FIFTY, COARSE)


def test_bad_cases_are_refused_before_the_engine_is_asked(anatomy: Anatomy) -> None:
    def without(*names: str) -> Anatomy:
        return replace(anatomy, structures={n: s for n, s in anatomy.structures.items() if n not in names})

    with pytest.raises(InputError, match=r"0 CTV, ITV or GTV and no PTV.*--target"):
        matrix_of_case(without("PTV", "GTV"), FIFTY, COARSE)
    with pytest.raises(InputError, match="no structure PTVx"):
        matrix_of_case(anatomy, FIFTY, COARSE, target="PTVx")
    with pytest.raises(InputError, match="no body contour"):
        matrix_of_case(without("External"), FIFTY, COARSE)
    moved = tuple(contour + np.array([300.0, 300.0, 0.0]) for contour in anatomy.structures["PTV"].contours)
    outside = replace(anatomy.structures["PTV"], contours=moved)
    with pytest.raises(InputError, match=r"0 % of PTV inside the body"):
        matrix_of_case(replace(anatomy, structures={**anatomy.structures, "PTV": outside}), FIFTY, COARSE)
    for values in (anatomy.ct.values * 0.0, anatomy.ct.values + 1000.0, np.full_like(anatomy.ct.values, -1000.0)):
        blank = replace(anatomy, ct=replace(anatomy.ct, values=values))
        with pytest.raises(InputError, match="turning the CT into densities"):
            matrix_of_case(blank, FIFTY, COARSE)


def test_of_several_targets_one_must_be_named() -> None:
    two = {name: Structure(k, name) for k, name in enumerate(("CTV", "GTV"))}
    with pytest.raises(InputError, match="2 CTV, ITV or GTV and no PTV"):
        adapter.choose_targets(two)
    assert adapter.choose_targets(two, "GTV") == ("GTV",)


def test_beams_that_cannot_be() -> None:
    with pytest.raises(InputError, match=r"no gantry angle, .*bixels of 0.1 mm"):
        BeamSetup(gantry=(), bixel_mm=0.1)

"""`abscopal blood CASE`: dose to circulating blood, lymphocyte forecast and immune dose indices."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abscopal.cli.console import JsonOption, print_json, print_table, progress_bars, screen
from abscopal.domain.errors import InputError

if TYPE_CHECKING:
    from abscopal.blood.analysis import BloodAnalysis
    from abscopal.blood.circulation import Network
    from abscopal.blood.compare import Scenario
    from abscopal.blood.delivery import Timing
    from abscopal.dose.dicom.plan import PlanFacts
    from abscopal.dose.dvh import DVH

LYMPHOPENIA = "ril_"  # how the toxicity table names its models of radiation-induced lymphopenia


class Sex(StrEnum):
    """Reference circulations."""

    male = "male"
    female = "female"


class TimingChoice(StrEnum):
    """Where the times come from."""

    rtplan = "rtplan"
    constant = "constant"


class MissingChoice(StrEnum):
    """What a compartment without a structure gets."""

    body = "body"
    zero = "zero"
    stop = "stop"


class OrderChoice(StrEnum):
    """Order of the fields."""

    plan = "plan"
    gantry = "gantry"


class OrganDoseChoice(StrEnum):
    """How an uneven organ gives dose to a particle."""

    visit = "visit"
    path = "path"
    step = "step"
    mean = "mean"


class FormChoice(StrEnum):
    """Forms of EDRIC."""

    chest = "chest"
    oesophagus = "oesophagus"


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("blood")(blood)


def blood(
    case: Annotated[Path, typer.Argument(help="Folder or zip of DICOM RT files.")],
    network: Annotated[Sex, typer.Option(help="Reference circulation.")] = Sex.male,
    volumes: Annotated[Path | None, typer.Option(help="CSV of a circulation of your own: volumes.")] = None,
    flows: Annotated[Path | None, typer.Option(help="CSV of a circulation of your own: flows.")] = None,
    head_neck: Annotated[bool, typer.Option("--head-neck", help="Add vessels of the head and neck.")] = False,
    weight: Annotated[float | None, typer.Option(help="Body weight [kg], to scale the circulation.")] = None,
    age: Annotated[float | None, typer.Option(help="Age [years], to scale the circulation.")] = None,
    cardiac_output: Annotated[float | None, typer.Option(help="Measured cardiac output [L/min].")] = None,
    timing: Annotated[TimingChoice, typer.Option(help="Times of the fields.")] = TimingChoice.rtplan,
    beam_on: Annotated[float | None, typer.Option(help="Beam-on time of a fraction [s], constant timing.")] = None,
    gap: Annotated[float | None, typer.Option(help="Pause between fields [s].")] = None,
    fraction_time: Annotated[float | None, typer.Option(help="First beam on to last beam off [s].")] = None,
    order: Annotated[OrderChoice, typer.Option(help="Fields as listed, or by gantry angle.")] = OrderChoice.plan,
    gate: Annotated[str, typer.Option(help="Gating as breathing period [s] and duty cycle, such as 4:0.3.")] = "",
    tumour: Annotated[
        str, typer.Option(help="Carve the GTV from a compartment: lung, or lung:density:perfusion relative to it.")
    ] = "",
    fractions: Annotated[int | None, typer.Option(min=1, max=100, help="Fractions; the plan's by default.")] = None,
    missing: Annotated[
        MissingChoice, typer.Option(help="Organs not contoured: dose of the rest of the body, zero, or stop.")
    ] = MissingChoice.body,
    alc: Annotated[float | None, typer.Option(help="Baseline lymphocyte count [1e9/L].")] = None,
    counts: Annotated[str, typer.Option(help="Counts so far as day:count, such as 7:1.2,14:0.9.")] = "",
    exchange: Annotated[bool, typer.Option("--exchange", help="Also with lymphocytes travelling to organs.")] = False,
    shape: Annotated[float, typer.Option(help="Weibull shape of transit times; 1 is Markov.")] = 1.0,
    organ_dose: Annotated[
        OrganDoseChoice,
        typer.Option(help="Dose of an uneven organ: once a visit, along a path, each step, or its mean."),
    ] = OrganDoseChoice.visit,
    form: Annotated[FormChoice, typer.Option(help="Form of EDRIC.")] = FormChoice.chest,
    compare: Annotated[bool, typer.Option("--compare", help="Also other dose rates, FLASH and fractions.")] = False,
    versus: Annotated[
        list[Path] | None, typer.Option(help="Another plan of this patient, such as protons; may be repeated.")
    ] = None,
    particles: Annotated[int, typer.Option(min=1000, max=5_000_000, help="Particles sampled.")] = 100_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the particles and draws.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for blood.html, blood.json and CSV files.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Dose to blood of a plan: blood DVH, lymphocyte course and immune dose indices."""
    from abscopal.assessment.organs import case_dvhs
    from abscopal.blood.analysis import analyse_blood
    from abscopal.cli.assess import check_out
    from abscopal.domain.regimen import Regimen
    from abscopal.dose.dicom.intake import read_case

    days, seen = parse_counts(counts)
    if seen and alc is None:
        raise InputError(
            doing="reading the lymphocyte counts", found="counts without a baseline", expected="--alc as well",
            try_="--alc 1.8",
        )  # fmt: skip
    if out is not None:
        check_out(out)
    circulation = _network(network, volumes, flows, head_neck, weight, age, cardiac_output)
    cycle = parse_gate(gate)

    def course_of(folder: Path) -> "_Course":
        read = read_case(folder)
        times = _timing(read.plan, timing, beam_on, gap, fraction_time, order, cycle)
        dvhs = case_dvhs(read)
        fitted, doses = _carved(circulation, dvhs, tumour)
        n = _fractions(read.plan, fractions)
        days = Regimen.equal_fractions(1.0, n, weekdays=True).fraction_days
        return _Course(read.plan, times, dvhs, doses, fitted, n, days)

    with progress_bars():
        course = course_of(case)
        others = [_scenario(folder, course_of(folder), missing) for folder in versus or []]
        analysis = analyse_blood(
            course.doses, course.n, course.network, course.timing,
            baseline=alc, fraction_days=course.days, count_days=days, counts=seen, exchange=exchange,
            missing=missing.value, form=form.value, shape=shape, organ_dose=organ_dose.value, particles=particles,
            seed=seed, compare=compare, others=others,
            dose_per_fraction=course.plan.dose_per_fraction if course.plan else None,
        )  # fmt: skip
    found = {**analysis.summary(), "severe_lymphopenia_models": _nomograms(course.dvhs, course.n, alc, network)}
    _write(analysis, found, out)
    if as_json:
        print_json(found)
    else:
        _show(found, out)


@dataclass(frozen=True)
class _Course:
    """A plan that was read, with the circulation it is computed on."""

    plan: "PlanFacts | None"
    timing: "Timing"
    dvhs: "dict[str, DVH]"
    doses: "dict[str, DVH]"
    network: "Network"
    n: int
    days: tuple[float, ...]


def parse_gate(text: str) -> tuple[float, float] | None:
    """Breathing period [s] and duty cycle written as `4:0.3`; None for no gating."""
    if not text:
        return None
    period, _, duty = text.partition(":")
    try:
        return float(period), float(duty)
    except ValueError as exc:
        raise InputError(
            doing="reading the gating", found=repr(text[:100]), expected="period in seconds:duty cycle", try_="4:0.3"
        ) from exc


def parse_counts(text: str) -> tuple[list[float], list[float]]:
    """Days and counts written as `7:1.2,14:0.9`."""
    try:
        pairs = [tuple(float(part) for part in pair.split(":")) for pair in text.split(",") if pair.strip()]
        days, seen = [day for day, _ in pairs], [count for _, count in pairs]
    except ValueError as exc:
        raise InputError(
            doing="reading the lymphocyte counts", found=repr(text[:100]), expected="day:count pairs with commas",
            try_="7:1.2,14:0.9",
        ) from exc  # fmt: skip
    return days, seen


def _network(
    sex: Sex, volumes: Path | None, flows: Path | None, head_neck: bool, weight: float | None, age: float | None,
    cardiac_output: float | None,
) -> "Network":  # fmt: skip
    from abscopal.blood.network_file import read_network
    from abscopal.blood.tailor import head_and_neck_network, patient_network

    if (volumes is None) != (flows is None):
        raise InputError(
            doing="choosing the circulation", found="one of --volumes and --flows", expected="both or neither",
            try_="giving both files",
        )  # fmt: skip
    if volumes is not None and flows is not None:
        if head_neck or any(value is not None for value in (weight, age, cardiac_output)):
            raise InputError(
                doing="choosing the circulation",
                found="a circulation of your own together with options that change the reference one",
                expected="one or the other", try_="leaving out --head-neck, --weight, --age and --cardiac-output",
            )  # fmt: skip
        return read_network(volumes, flows, name="circulation from file")
    network = patient_network(sex.value, weight_kg=weight, age_years=age, cardiac_output=cardiac_output)
    return head_and_neck_network(network) if head_neck else network


def _carved(network: "Network", dvhs: "dict[str, DVH]", tumour: str) -> "tuple[Network, dict[str, DVH]]":
    """The network and histograms with the tumour beside its host, where one is named."""
    from abscopal.blood.tumour import carve_contoured_tumour

    if not tumour:
        return network, dvhs
    host, *relative = tumour.split(":")
    try:
        density, perfusion = (float(value) for value in relative or ("1", "1"))
    except ValueError as exc:
        raise InputError(
            doing="carving the tumour from its host", found=repr(tumour[:100]),
            expected="a compartment, or compartment:density:perfusion", try_="lung:1:0.5",
        ) from exc  # fmt: skip
    return carve_contoured_tumour(network, dvhs, host, density=density, perfusion=perfusion)


def _fractions(plan: "PlanFacts | None", given: int | None) -> int:
    n = given or (plan.n_fractions if plan else None)
    if not n:
        raise InputError(
            doing="reading the course of radiotherapy",
            found="no RTPLAN" if plan is None else "an RTPLAN without a number of fractions",
            expected="a number of fractions", try_="--fractions 30",
        )  # fmt: skip
    return n


def _scenario(folder: Path, course: _Course, missing: MissingChoice) -> "Scenario":
    from abscopal.blood.compare import Scenario
    from abscopal.blood.plan_exposure import blood_dose_of_plan

    dose = blood_dose_of_plan(course.doses, course.n, course.network, course.timing, missing=missing.value)
    return Scenario(folder.name, dose, course.days)


def _timing(
    plan: "PlanFacts | None", choice: TimingChoice, beam_on: float | None, gap: float | None, whole: float | None,
    order: OrderChoice, cycle: tuple[float, float] | None,
) -> "Timing":  # fmt: skip
    from abscopal.blood.delivery import constant_timing, timing_from_plan

    wrong = (gap, whole) if choice is TimingChoice.constant else (beam_on,)
    if any(value is not None for value in wrong):
        raise InputError(
            doing="timing a fraction",
            found="--gap or --fraction-time with constant timing" if wrong[1:] else "--beam-on with rtplan timing",
            expected="--beam-on with --timing constant, --gap or --fraction-time with --timing rtplan",
            try_="--timing rtplan" if wrong[1:] else "--timing constant",
        )
    if choice is TimingChoice.rtplan:
        timing = timing_from_plan(plan, gap_s=gap, fraction_time_s=whole, order=order.value)
    else:
        timing = constant_timing(beam_on if beam_on is not None else (plan.beam_on_s if plan else None))
    return timing if cycle is None else timing.gated(*cycle)


def _nomograms(dvhs: "dict[str, DVH]", n: int, alc: float | None, sex: Sex) -> list[dict[str, Any]]:
    """Published models of severe lymphopenia, by their names in the toxicity table; what each lacks otherwise."""
    from abscopal.toxicity.assess import assess_toxicity

    known: dict[str, float | str | bool] = {"sex": sex.value, "female": sex is Sex.female}
    if alc is not None:
        known["alc"] = alc
    answer = assess_toxicity(dvhs, n, known)
    rows: list[dict[str, Any]] = [
        {"model": risk.model, "endpoint": risk.endpoint, "probability": risk.probability, "status": risk.status}
        for risk in answer.risks
        if risk.model.startswith(LYMPHOPENIA)
    ]
    return rows + [
        {"model": row.model, "endpoint": row.endpoint, "probability": None, "not_computable": row.reason}
        for row in answer.not_computable
        if row.model.startswith(LYMPHOPENIA)
    ]


def _write(analysis: "BloodAnalysis", found: dict[str, Any], out: Path | None) -> None:
    if out is None:
        return
    import json

    from abscopal.report.blood_page import write_blood_csv, write_blood_page
    from abscopal.report.html import write_whole

    write_blood_page(analysis, out / "blood.html")
    write_blood_csv(analysis, out)
    write_whole(out / "blood.json", json.dumps(found, indent=1, allow_nan=False) + "\n")


def _show(found: dict[str, Any], out: Path | None) -> None:
    one, all_ = found["fraction"], found["course"]
    rows = [
        ("mean blood dose [Gy]", f"{one['mean_gy']:.4g}", f"{all_['mean_gy']:.4g}"),
        ("spread (sd) [Gy]", f"{one['sd_gy']:.4g}", f"{all_['sd_gy']:.4g}"),
        ("blood touched [%]", f"{100 * one['touched']:.3g}", f"{100 * all_['touched']:.3g}"),
        ("D2 % [Gy]", f"{one['d2_gy']:.4g}", f"{all_['d2_gy']:.4g}"),
    ]
    rows += [
        (
            f"V{level} Gy [%]",
            f"{100 * share[0]:.3g} ± {100 * share[1]:.2g}",
            f"{100 * all_['volume_at_dose'][level]:.3g}",
        )
        for level, share in one["volume_at_dose"].items()
    ]
    print_table(f"Blood dose, {found['network']}", ("", "one fraction", f"{all_['n_fractions']} fractions"), rows)
    console = screen()
    for label, ahead in (("ALC", found["alc"]), ("ALC with exchange", found["alc_with_exchange"])):
        if ahead is not None:
            low, high = ahead["nadir"][1:]
            console.print(
                f"{label}  nadir {ahead['nadir'][0]:.2f} ({low:.2f} to {high:.2f}) 1e9/L, grade 3 or worse "
                f"{100 * ahead['p_grade3_or_worse']:.0f} %, grade 4 {100 * ahead['p_grade4']:.0f} % "
                f"({ahead['status']})",
                markup=False,
            )
    for row in found["subsets"]:
        console.print(f"{row['subset']}  nadir {row['nadir']:.2f} of {row['baseline']:.2f} 1e9/L ({row['status']})")
    if found["comparisons"]:
        _show_comparisons(found["comparisons"])
    for row in found["severe_lymphopenia_models"]:
        said = row["not_computable"] if row["probability"] is None else f"{100 * row['probability']:.0f} %"
        console.print(f"model  {row['model']} ({row['endpoint']}): {said}", markup=False)
    for note in found["notes"]:
        console.print(f"note  {note}", markup=False)
    console.print("Research use only. Not for clinical decisions.", style="yellow", markup=False)
    if out is not None:
        console.print(f"page  {out / 'blood.html'}", markup=False, soft_wrap=True)


def _show_comparisons(rows: list[dict[str, Any]]) -> None:
    cells = [
        (
            row["name"], str(row["n_fractions"]), f"{row['mean']:.3g}", f"{100 * row['v_any_fraction']:.3g}",
            "" if row["nadir"] is None else f"{row['nadir'][0]:.2f}",
            "" if row["p_grade3"] is None else f"{100 * row['p_grade3']:.0f}",
        )
        for row in rows
    ]  # fmt: skip
    head = ("delivery", "fractions", "mean [Gy]", "touched in one [%]", "nadir [1e9/L]", "grade 3+ [%]")
    print_table("Other ways of giving it", head, cells)

"""The page that holds every evidence row against the model: docs/validation/window.md."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from abscopal.inference.ablation import ABLATIONS, FULL
from abscopal.inference.diagnostics import Learned, Waic
from abscopal.inference.observations import unmodelled
from abscopal.inference.scores import RowScore, paired_difference, site, summarise
from abscopal.knowledge.schema import MARKS

BEGIN, END = "<!-- evidence: begin -->", "<!-- evidence: end -->"
COUNTER_EVIDENCE = {
    53: "durable remissions after 30 Gy × 1", 54: "fractionation abolishes them", 76: "20 Gy × 1 with two drugs",
    41: "12 Gy × 1 with anti-PD-L1", 64: "no effect of timing", 86: "negative trial, drug first",
    118: "iso-BED without drug", 119: "iso-BED without drug", 120: "iso-BED without drug", 136: "lymphopenia no effect",
    138: "CD8 not needed", 146: "15 Gy × 1 abscopal", 158: "conventional worse than ablative",
    159: "benefit rises to 22.5 Gy", 172: "5 Gy × 2 abscopal",
}  # fmt: skip
"""Rows that speak against the hypothesis, or against a bound that holds everywhere."""
WORSE = 2.0
"""Standard errors by which an ablation must lose to count as worse."""


def page(
    scores: Mapping[str, Sequence[RowScore]],
    waics: Mapping[str, Waic],
    diagnosis: Sequence[Learned],
    facts: Mapping[str, object],
) -> str:
    """The generated part of the page.

    Parameters
    ----------
    scores : mapping of variant to scores of all rows with an outcome
    waics : mapping of variant to WAIC on the calibration rows
    diagnosis : sequence of Learned
        Of the full model.
    facts : mapping
        Manifest of the posterior.
    """
    parts = [
        BEGIN,
        "",
        "## Targets",
        "",
        *_targets(scores[FULL]),
        "",
        "## Ablations",
        "",
        *_ablations(scores, waics),
        "",
    ]
    parts += [*_claim(scores, waics), ""]
    for split, title in (("validation", "Rows held out"), ("calibration", "Rows calibrated on")):
        rows = [score for score in scores[FULL] if score.one.split == split]
        parts += [f"## {title}", "", *_rows(rows, scores), ""]
    parts += ["## Counter-evidence", "", *_counter(scores[FULL]), "", "## Rows the model cannot speak to", ""]
    parts += ["| row | why |", "|---|---|", *(f"| {row} | {why} |" for row, why in unmodelled().items()), ""]
    parts += ["## Convergence and what the data taught", "", *_learned(diagnosis, facts), "", END]
    return "\n".join(parts) + "\n"


def write_page(text: str, path: Path) -> None:
    """Put the generated part into a page, between its marks, or after what is there."""
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    if BEGIN in before:
        head, _, rest = before.partition(BEGIN)
        _, _, tail = rest.partition(END)
        before = head.rstrip() + "\n\n"
        text = text.rstrip() + "\n" + tail.rstrip() + "\n" if tail.strip() else text
    path.write_text(before + text, encoding="utf-8")


def of_split(scores: Sequence[RowScore], split: str) -> list[RowScore]:
    """Scores of rows with one tag."""
    return [score for score in scores if score.one.split == split]


def _targets(full: Sequence[RowScore]) -> list[str]:
    held, fitted = summarise(of_split(full, "validation")), summarise(of_split(full, "calibration"))
    fitted_hits = fitted.signs[0] + fitted.numbers[0]
    fitted_rows = fitted.signs[1] + fitted.numbers[1]
    lines = ["| target | got | |", "|---|---|---|"]
    ratio = _one(full, 58, "tcd50")
    for what, got, met in (
        (
            "held-out directions, effects and orders right, at least 75 %",
            _share(held.signs),
            held.sign_accuracy >= 0.75,
        ),
        ("held-out numbers in their 90 % interval, 80 to 97 %", _share(held.numbers), 0.8 <= held.coverage <= 0.97),
        ("calibration rows met, at least 90 %", _share((fitted_hits, fitted_rows)), fitted_hits >= 0.9 * fitted_rows),
        ("dose of half control without T cells over with, 2.15", _range(ratio), bool(ratio.hit)),
    ):
        lines.append(_target(what, got, met))
    lines += _steep_fall(full)
    lines.append(
        "| PULSAR growth data, error no worse than 287 mm³ | not testable: no growth curves could be had | – |"
    )
    for where in ("distant", "local", "both", "immune"):
        rows = [score for score in of_split(full, "validation") if site(score.one) == where]
        found = summarise(rows) if rows else None
        if found:
            counts = f"directions {_share(found.signs)}, numbers {_share(found.numbers)}"
            lines.append(f"| held out, end point {where}, never pooled | {counts} | – |")
    return lines


def _steep_fall(full: Sequence[RowScore]) -> list[str]:
    three, five = _one(full, 93, "volume"), _one(full, 95, "volume")
    alone = [_one(full, row, "volume") for row in (96, 98, 100)]
    left = ", ".join(f"{score.median:.2f}" for score in alone)
    return [
        _target(
            "TSA, outside the field: 8 Gy × 3 far below 6 Gy × 5 (0.28 and 0.51 of untreated)",
            f"{_range(three)} and {_range(five)}",
            three.median < 0.75 * five.median,
        ),
        _target(
            "irradiated TSA not eradicated by radiation alone (20×1, 8×3, 6×5: 0.30, 0.22, 0.28)",
            left,
            min(score.median for score in alone) > 0.05,
        ),
    ]


def _range(score: RowScore) -> str:
    return f"{score.median:.2f} ({score.low:.2f}–{score.high:.2f})"


def _ablations(scores: Mapping[str, Sequence[RowScore]], waics: Mapping[str, Waic]) -> list[str]:
    full = summarise(of_split(scores[FULL], "validation"))
    lines = [
        "Each variant was calibrated anew on the same rows with the same sampler, in fewer steps. The difference is",
        "the log score of the full model less the variant's on held-out rows, with its standard error over rows:",
        "positive: the mechanism helps to predict. WAIC is on the calibration rows; rows whose variance is too large",
        "for WAIC to be trusted are counted.",
        "",
        "| variant | directions right | numbers covered | log score | full less variant | WAIC | doubtful rows |",
        "|---|---|---|---|---|---|---|",
    ]
    for label in ABLATIONS:
        if label not in scores:
            continue
        one = summarise(of_split(scores[label], "validation"))
        gap = "–" if label == FULL else "{:+.1f} ± {:.1f}".format(*paired_difference(full, one))
        w = waics[label]
        lines.append(
            f"| {label} | {_share(one.signs)} | {_share(one.numbers)} | {one.log_score:.1f} | {gap} "
            f"| {w.elpd:.1f} ± {w.standard_error:.1f} | {w.doubtful} |"
        )
    return lines


def _claim(scores: Mapping[str, Sequence[RowScore]], waics: Mapping[str, Waic]) -> list[str]:
    """What may be said, decided by the held-out rows."""
    full = summarise(of_split(scores[FULL], "validation"))
    lines = ["### The claim that survives", ""]
    for label in ABLATIONS:
        if label == FULL or label not in scores:
            continue
        gap, error = paired_difference(full, summarise(of_split(scores[label], "validation")))
        worse = gap > WORSE * error
        words = "are predicted worse" if worse else "do not miss it"
        lines.append(f"- {label}: held-out rows {words} ({gap:+.1f} ± {error:.1f}).")
        if label == "no-TREX1":
            lines += [*_trex1(worse), _deciding(scores[FULL], scores[label])]
            if waics[FULL].elpd > waics[label].elpd:
                lines.append(
                    "  On the calibration rows themselves it fits worse "
                    f"(WAIC {waics[label].elpd:.1f} against {waics[FULL].elpd:.1f}): what speaks for an upper bound "
                    "through TREX1 is the TSA experiments, which the hypothesis was made from."
                )
    lines += [
        "",
        "Every bound of a window speaks of one tumour line and one end point. Local and distant end points are",
        "not pooled. The only line with several doses per fraction and a distant end point is TSA, and both sides of",
        "its window (anti-CTLA-4: 8 Gy × 1 none, 8 Gy × 3 strong, 6 Gy × 5 less, 20 and 30 Gy × 1 none) were",
        "calibrated on.",
    ]  # fmt: skip
    return lines


def _trex1(worse: bool) -> list[str]:
    if worse:
        return ["  The upper bound through TREX1 is supported by rows that were not fitted, for the lines among them."]
    return [
        "  **The upper bound is an assumption**: a model without TREX1, calibrated alike, predicts the held-out rows",
        "  as well.",
        "  An upper bound that this model shows is seen in this model only.",
    ]


def _deciding(full: Sequence[RowScore], other: Sequence[RowScore], n: int = 6) -> str:
    """The held-out rows on which two variants differ most."""
    gaps = [
        (a.log_score - b.log_score, a.one)
        for a, b in zip(of_split(full, "validation"), of_split(other, "validation"), strict=True)
        if a.log_score is not None and b.log_score is not None
    ]
    largest = sorted(gaps, key=lambda pair: -abs(pair[0]))[:n]
    told = "; ".join(f"row {one.row} ({one.study}) {gap:+.1f}" for gap, one in largest)
    return f"  The rows that decide between the two: {told}."


def _rows(rows: Sequence[RowScore], scores: Mapping[str, Sequence[RowScore]]) -> list[str]:
    others = {(score.one.row, score.one.kind): score for score in scores.get("no-TREX1", ())}
    lines = [
        "| row | study | line | schedule | drug | end point | site | reported | predicted (90 %) | P | | no-TREX1 |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for score in rows:
        one, other = score.one, others.get((score.one.row, score.one.kind))
        cells = (
            str(one.row),
            f"{one.study} {one.year}{MARKS[one.confidence]}",
            _plain(one.line),
            one.schedule,
            _plain(one.drug),
            _plain(one.endpoint),
            site(one),
            _reported(score),
            _predicted(score),
            "–" if score.probability is None else f"{score.probability:.2f}",
            _mark(score),
            "" if other is None else _mark(other),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _mark(score: RowScore) -> str:
    return "hit" if score.hit else "**miss**"


def _counter(full: Sequence[RowScore]) -> list[str]:
    told = [score for score in full if score.one.row in COUNTER_EVIDENCE]
    return [
        "| row | study | what it says | predicted | |",
        "|---|---|---|---|---|",
        *(
            f"| {score.one.row} | {score.one.study} {score.one.year} | {COUNTER_EVIDENCE[score.one.row]} "
            f"| {_predicted(score)} | {_mark(score)} |"
            for score in told
        ),
    ]


def _learned(diagnosis: Sequence[Learned], facts: Mapping[str, object]) -> list[str]:
    lines = [
        f"Worst R̂ {facts['worst_r_hat']}, least effective number of draws {facts['least_effective']}, "
        f"accepted {facts['accepted']}, settings {facts['settings']}.",
        "",
        "On the prior's own scale (standard normal): median 0 and standard deviation 1 mean that the data taught",
        "nothing.",
        "*Bounded* says on which sides the profile falls by 1.92 from its top inside the chain.",
        "",
        "| number | median | sd | prior variance removed | bounded | R̂ | effective |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.name} | {one.median:+.2f} | {one.sd:.2f} | {max(0.0, one.contraction):.0%} | {one.verdict} "
        f"| {one.r_hat:.2f} | {one.effective:.0f} |"
        for one in sorted(diagnosis, key=lambda one: one.sd)
    ]
    return lines


def _target(what: str, got: str, met: bool) -> str:
    return f"| {what} | {got} | {'met' if met else '**missed**'} |"


def _share(counts: tuple[int, int]) -> str:
    return f"{counts[0]}/{counts[1]} ({counts[0] / counts[1]:.0%})" if counts[1] else "none"


def _one(scores: Sequence[RowScore], row: int, kind: str) -> RowScore:
    return next(score for score in scores if score.one.row == row and score.one.kind == kind)


def _reported(score: RowScore) -> str:
    one = score.one
    if one.reported is None:
        return "sealed"
    if one.kind == "cure":
        return f"{one.reported:.2f} against {one.control:.2f}"
    if one.numeric:
        return f"{math.exp(one.reported):.3g}"
    words = {"presence": {1: "effect", 0: "none"}, "sign": {1: "up", -1: "down"}, "change": {0: "no change"}}
    return words.get(one.kind, {}).get(int(one.reported), f"rank {one.reported:g}")


def _predicted(score: RowScore) -> str:
    if score.one.kind == "rank":
        return "order"
    return f"{score.median:.3g} ({score.low:.2g}–{score.high:.2g})"


def _plain(text: str) -> str:
    return text.replace("|", "/").replace("_", " ")

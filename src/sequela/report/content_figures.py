"""From content to figures: one function per kind of analysis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sequela.core.wording import interval, number, p_phrase
from sequela.report.figures import FlowStep, ForestRow, agreement, bars, flow, forest, kaplan_meier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sequela.core.estimate import Estimate
    from sequela.report.content import Agreed, Correction, LinesGiven, Regression, Selected, Survival, Term
    from sequela.report.content_tables import House
    from sequela.report.figures import Figure


def selection(steps: Sequence[Selected], groups: Sequence[tuple[str, int]], house: House) -> Figure:
    """The flow of patients through the criteria, to the sequence groups."""
    following = [*steps[1:], None]
    boxes = [
        FlowStep(step.name, step.kept, _excluded(after) if after else ())
        for step, after in zip(steps, following, strict=True)
    ]
    return flow(boxes, groups, id="selection", title="Selection of patients", banner=house.banner)


def _excluded(step: Selected) -> tuple[tuple[str, int], ...]:
    reasons = (("not met", step.failed), ("undecided: a value is missing", step.undecided))
    return tuple((reason, n) for reason, n in reasons if n)


def lines_per_patient(content: LinesGiven, house: House) -> Figure:
    """How many patients had how many lines."""
    values = {_lines(lines): [n] for lines, n in content.per_patient}
    return bars(
        values,
        id=f"{content.heading.id}-per-patient",
        title="Lines of therapy per patient",
        of=[content.patients],
        banner=house.banner,
    )


def _lines(lines: int) -> str:
    return "no line" if lines == 0 else f"{lines} line{'s' if lines > 1 else ''}"


def agreement_square(content: Agreed, house: House) -> Figure:
    """Charted against derived."""
    return agreement(
        content.counts,
        rows=content.labels,
        columns=content.labels,
        id=content.heading.id,
        title=content.heading.title,
        row_title="Charted",
        column_title="Derived",
        banner=house.banner,
    )


def curves(content: Survival, house: House) -> Figure:
    """Kaplan-Meier curves with the comparison in words."""
    drawn = {group.label: group.curve for group in content.groups}
    entries = {group.label: group.entry for group in content.groups} if content.delayed else None
    title = content.heading.title
    return kaplan_meier(
        drawn,
        id=content.heading.id,
        title=title,
        time_unit=house.unit,
        x_label=f"Time since {content.origin}",
        y_label=_outcome(content.endpoint),
        annotations=compared(content, house),
        landmarks=content.landmarks,
        entries=entries,
        style=house.style,
        banner=house.banner,
    )


def _outcome(label: str) -> str:
    return (
        "Progression-free survival"
        if label.startswith("Progression")
        else "Overall survival"
        if label.startswith("Overall")
        else "Survival"
    )


def compared(content: Survival, house: House) -> tuple[str, ...]:
    """`HR 1.79 (95% CI 1.23 to 2.61)`, `log-rank p = 0.002`."""
    words: list[str] = []
    if content.hazard_ratio is not None and content.hazard_ratio.reason is None:
        words.append(f"HR {_ratio(content.hazard_ratio, house)}")
    if content.test is not None and content.test.reason is None:
        words.append(f"log-rank {p_phrase(content.test.p, house.style)}")
    return ("; ".join(words),) if words else ()


def _ratio(ratio: Estimate, house: House) -> str:
    return (
        f"{number(ratio.value, 2, house.style)} (95% CI {interval(ratio.lower, ratio.upper, 2, house.style)})"
    )


def hazard_ratios(content: Regression, house: House) -> Figure:
    """Forest of the multivariable model where there is one, else of the univariate ones."""
    joint = bool(content.entered)
    terms = [term for term in content.terms if not joint or term.variable in content.entered]
    rows = [_forest_row(term, joint=joint) for term in terms]
    kind = "multivariable" if joint else "univariate"
    return forest(
        rows,
        id=content.heading.id,
        title=f"{content.heading.title}: {kind}",
        style=house.style,
        banner=house.banner,
    )


def _forest_row(term: Term, *, joint: bool) -> ForestRow:
    estimate, p = (
        (term.multivariable, term.multivariable_p) if joint else (term.univariate, term.univariate_p)
    )
    known = estimate is not None and estimate.reason is None
    return ForestRow(
        term.variable,
        term.level,
        term.n,
        term.events,
        estimate.value if estimate and known else None,
        estimate.lower if estimate and known else None,
        estimate.upper if estimate and known else None,
        p if known else None,
        reference=term.reference,
        reason=estimate.reason if estimate else None,
    )


def naive_and_corrected(content: Correction, house: House) -> Figure:
    """Hazard ratios of one contrast, as asked and corrected."""
    rows = [
        ForestRow(
            content.endpoint,
            row.label,
            row.n,
            row.events,
            row.hazard_ratio.value if row.hazard_ratio else None,
            row.hazard_ratio.lower if row.hazard_ratio else None,
            row.hazard_ratio.upper if row.hazard_ratio else None,
            row.p,
            reason=row.reason,
            tone="main" if place else "plain",
        )
        for place, row in enumerate(content.rows)
    ]
    title = f"{content.endpoint}: {content.groups[1]} against {content.groups[0]}, as asked and corrected"
    return forest(rows, id=content.heading.id, title=title, style=house.style, banner=house.banner)

"""Cox models: each variable alone, then those that enter together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from sequela.audit.design import time_zero
from sequela.estimates.cox import cox
from sequela.estimates.sensitivity import e_value
from sequela.report.content import Regression, Term
from sequela.walk.describe import order_of
from sequela.walk.selecting import selection_notes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sequela.core.estimate import Estimate, Model
    from sequela.core.outcome import Times
    from sequela.report.content import Heading
    from sequela.study.model import Cox, Study

THRESHOLD = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The columns of one variable in a design matrix: one per level but the reference, or one for a number."""

    name: str
    label: str
    levels: tuple[str, ...]
    columns: dict[str, NDArray[np.float64]]
    known: NDArray[np.bool_]


def regression(
    study: Study, analysis: Cox, frame: pl.DataFrame, groups: tuple[str, ...], times: Times, heading: Heading
) -> Regression:
    """Univariate models on everyone whose value is known; one multivariable model on those with all values known."""
    rows = pl.DataFrame({"patient": times.ids}).join(frame, on="patient", how="left", maintain_order="left")
    blocks = [block_of(study, name, rows, groups) for name in analysis.variables]
    single, entered, joint = _procedure(analysis, blocks, times, rows)

    def choose(some: Times, part: pl.DataFrame, drawn: list[Block]) -> tuple[list[Block], Model | None]:
        return _procedure(analysis, drawn, some, part)[1:]

    terms = tuple(term for block in blocks for term in _terms(block, times, single[block.name], joint))
    n, events = (joint.n, round(joint.events)) if joint else (len(times), int((times.state > 0).sum()))
    return Regression(
        heading,
        study.endpoints[analysis.endpoint].label,
        terms,
        n,
        events,
        joint.tests.get("likelihood_ratio") if joint else None,
        analysis.ties,
        tuple(block.label for block in entered),
        (
            *_notes(study, analysis, blocks, times, joint),
            *selection_notes(analysis, blocks, times, rows, choose),
        ),
    )


def _procedure(
    analysis: Cox, blocks: list[Block], times: Times, rows: pl.DataFrame
) -> tuple[dict[str, Model | None], list[Block], Model | None]:
    """Each variable alone, those that enter, and their joint model."""
    single = {block.name: _fit(analysis, [block], times, rows) for block in blocks}
    entered = [b for b in blocks if analysis.enter == "all" or _overall_p(single[b.name]) <= THRESHOLD]
    return single, entered, _fit(analysis, entered, times, rows) if entered else None


def block_of(study: Study, name: str, rows: pl.DataFrame, groups: tuple[str, ...]) -> Block:
    """The columns of one covariate, or of the groups (`sequence`), for the patients of `rows`."""
    column = rows[name]
    known = column.is_not_null().to_numpy()
    if name == "sequence":
        return _categorical(
            name, study.sequences.label, [g for g in groups if (column == g).any()], column, known
        )
    covariate = study.covariates[name]
    label = covariate.label or name
    if column.dtype.is_numeric():
        step = f"per {covariate.per:g} {covariate.unit or ''}".strip()
        values = column.cast(pl.Float64).fill_null(0.0).to_numpy() / covariate.per
        return Block(name, label, (step,), {f"{label}: {step}": values}, known)
    return _categorical(name, label, order_of(covariate, [column.drop_nulls()]), column, known)


def _categorical(
    name: str, label: str, levels: list[str], column: pl.Series, known: NDArray[np.bool_]
) -> Block:
    present = [level for level in levels if (column == level).any()]
    columns = {
        f"{label}: {level}": (column == level).fill_null(value=False).to_numpy().astype(float)
        for level in present[1:]
    }
    return Block(name, label, tuple(present), columns, known)


def _fit(analysis: Cox, blocks: list[Block], times: Times, rows: pl.DataFrame) -> Model | None:
    keep = np.logical_and.reduce([block.known for block in blocks])
    columns = {name: values[keep] for block in blocks for name, values in block.columns.items()}
    some = times.take(keep)
    if not columns or not int((some.state > 0).sum()):
        return None
    strata = [rows[name].fill_null("unknown").to_numpy()[keep] for name in analysis.strata]
    joined = np.array(["|".join(map(str, key)) for key in zip(*strata, strict=True)]) if strata else None
    cluster = rows[analysis.cluster].fill_null("unknown").to_numpy()[keep] if analysis.cluster else None
    return cox(some, columns, ties=analysis.ties, strata=joined, cluster=cluster)


def _overall_p(model: Model | None) -> float:
    return model.tests["likelihood_ratio"].p if model else 1.0


def _terms(block: Block, times: Times, single: Model | None, joint: Model | None) -> list[Term]:
    numeric = len(block.columns) == len(block.levels)
    found: list[Term] = []
    for i, level in enumerate(block.levels):
        name = f"{block.label}: {level}"
        inside = block.known if numeric or (i == 0 and not block.columns) else _inside(block, i)
        reference = not numeric and i == 0
        alone = None if reference else _ratio(single, name)
        adjusted = None if reference else _ratio(joint, name)
        n, events = int(inside.sum()), int((times.state[inside] > 0).sum())
        shown = adjusted or alone
        found.append(
            Term(
                block.label,
                level,
                n,
                events,
                reference,
                *(alone or (None, None)),
                *(adjusted or (None, None)),
                e_value(shown[0]) if shown is not None and shown[0].reason is None else None,
            )
        )
    return found


def _inside(block: Block, i: int) -> NDArray[np.bool_]:
    if i:
        return block.known & (block.columns[f"{block.label}: {block.levels[i]}"] == 1)
    return block.known & ~np.logical_or.reduce([values == 1 for values in block.columns.values()])


def _ratio(model: Model | None, name: str) -> tuple[Estimate, float] | None:
    if model is None or name not in model.names:
        return None
    ratio = model.hazard_ratios()[model.names.index(name)]
    return ratio, ratio.p


def _notes(study: Study, analysis: Cox, blocks: list[Block], times: Times, joint: Model | None) -> list[str]:
    notes: list[str] = []
    left = {block.label: int((~block.known).sum()) for block in blocks if not block.known.all()}
    if left:
        notes.append(
            "Left out for a missing value: " + ", ".join(f"{label} {n}" for label, n in left.items()) + "."
        )
    if joint and joint.n < len(times):
        notes.append(
            f"The multivariable model holds the {joint.n} of {len(times)} patients with every value known."
        )
    late = {
        fault.what
        for clock in time_zero(study)
        if clock.analysis == analysis.id
        for fault in clock.faults
        if fault.code == "GT003"
    }
    notes.extend(f"GT003: {what} is known only after the clock has started." for what in sorted(late))
    for model_reasons in [joint.reasons] if joint else []:
        notes.extend(f"{name}: {reason}." for name, reason in model_reasons.items())
    return notes

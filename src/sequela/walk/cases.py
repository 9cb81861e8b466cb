"""The patients of a corrected comparison with their covariates, and the rows that it prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from sequela.estimates.cox import cox
from sequela.estimates.curves import kaplan_meier
from sequela.estimates.sensitivity import e_value
from sequela.report.content import Adjusted, Corrected
from sequela.walk.regression import block_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sequela.core.estimate import Curve, Estimate
    from sequela.core.outcome import Times
    from sequela.report.content import Heading
    from sequela.walk.path import Walk


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """The patients of one analysis who have a time.

    Attributes:
        walk, heading: as given; `origin` when the clock starts, in words.
        times: n of them; `rows` their rows of `people`, in the same order.
        groups: those with patients, the reference first.
        scale: days in the report's unit of time.
    """

    walk: Walk
    heading: Heading
    endpoint: str
    origin: str
    times: Times
    rows: pl.DataFrame
    groups: tuple[str, ...]
    scale: float

    @property
    def group(self) -> NDArray[np.str_]:
        """The group of each patient."""
        return self.rows["sequence"].fill_null("").to_numpy().astype(str)

    def matrix(self, names: Sequence[str]) -> tuple[NDArray[np.float64], tuple[str, ...], NDArray[np.bool_]]:
        """Columns of covariates (n x p), their names, and who has every value."""
        blocks = [block_of(self.walk.study, name, self.rows, self.groups) for name in names]
        columns = {name: values for block in blocks for name, values in block.columns.items()}
        known = np.logical_and.reduce([np.ones(len(self.times), bool), *(block.known for block in blocks)])
        empty = np.zeros((len(self.times), 0))
        return np.column_stack([empty, *columns.values()]), tuple(columns), known

    def cluster(self, name: str | None) -> NDArray[Any] | None:
        """The centre of each patient, where errors are by centre."""
        return None if name is None else self.rows[name].fill_null("unknown").to_numpy().astype(str)

    def take(self, keep: NDArray[np.bool_]) -> Case:
        """Some patients."""
        rows = self.rows.filter(pl.Series(keep))
        present = set(rows["sequence"].drop_nulls().to_list())
        groups = tuple(name for name in self.groups if name in present)
        return Case(
            self.walk,
            self.heading,
            self.endpoint,
            self.origin,
            self.times.take(keep),
            rows,
            groups,
            self.scale,
        )


def size(times: Times) -> tuple[int, int]:
    """Patients and events."""
    return len(times), int((times.state > 0).sum())


def row(
    label: str, times: Times, ratio: Estimate | None, medians: tuple[Estimate, ...] = (), reason: str | None = None
) -> Corrected:  # fmt: skip
    """A row with a hazard ratio and its E-value, or with the reason why there is none."""
    known = ratio is not None and ratio.reason is None
    n, events = size(times)
    return Corrected(
        label, n, events, medians, ratio if known else None, ratio.p if ratio is not None and known else None,
        reason or (ratio.reason if ratio is not None else None),
        e_value(ratio) if ratio is not None and known else None,
    )  # fmt: skip


def contrasts(
    label: str, case: Case, ratios: Sequence[Estimate], curves: Sequence[Curve] = ()
) -> list[Corrected]:
    """A row for each group against the first; its name is given where there are several."""
    medians = tuple(curve.median() for curve in curves) if len(curves) == 2 else ()
    several = len(case.groups) > 2
    return [
        row(f"{label}: {group}" if several else label, case.times, ratio, medians)
        for group, ratio in zip(case.groups[1:], ratios, strict=True)
    ]


def crude(label: str, case: Case) -> list[Corrected]:
    """The comparison without any correction, on the same patients."""
    columns = (case.group[:, None] == np.array(case.groups[1:])).astype(float)
    ratios = cox(case.times, columns, names=case.groups[1:]).hazard_ratios()
    curves = [kaplan_meier(case.times.take(case.group == name)) for name in case.groups]
    return contrasts(label, case, ratios, curves)


def left_out(known: NDArray[np.bool_]) -> tuple[str, ...]:
    """How many lack a covariate, in words; nothing where nobody does."""
    gone = int((~known).sum())
    return (f"Left out for a missing covariate: {gone} of {len(known)}.",) if gone else ()


def closed(case: Case, label: str) -> Adjusted | None:
    """The refusal of a comparison that lacks a group or an event, or None."""
    missing = "fewer than two groups have patients" if len(case.groups) < 2 else ""
    missing = missing or ("no events" if not (case.times.state > 0).any() else "")
    if not missing:
        return None
    rows = (row(label, case.times, None, reason=f"cannot be estimated: {missing}"),)
    return Adjusted(case.heading, case.endpoint, case.origin, case.groups, rows, rows)

"""From long arrays to curves: checked, split by group and experiment, replicates collapsed to dose means.

With equal variances the fit to dose means weighted by their numbers is the fit to the wells; what the means
lose is the sum of squares within doses (`pure`), which no curve can change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.core.errors import DataError, UsageError
from sequela.core.finding import Finding, Where

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from sequela.estimates.doseresponse.models import Array


@dataclass(frozen=True, eq=False)
class Wells:
    """One curve's wells, in the order given: dose, response, and which group and experiment they are."""

    group: str
    experiment: str
    dose: Array
    response: Array


@dataclass(frozen=True, eq=False)
class Means:
    """Curves as rows of equal length (padding has weight 0); `pure` with `pure_df` is the scatter of replicates."""

    dose: Array
    y: Array
    weight: Array
    pure: Array
    pure_df: Array


def _error(code: str, field: str, message: str, found: str, allowed: str, remedy: str) -> Finding:
    return Finding(code, "error", message, Where(field=field), found=found, allowed=allowed, remedy=remedy)


def split(
    dose: ArrayLike, response: ArrayLike, by: ArrayLike | None, experiment: ArrayLike | None
) -> list[Wells]:
    """The wells of every group and experiment, in order of appearance.

    Raises UsageError when lengths differ and DataError for doses or responses that cannot be fitted.
    """
    x, y = np.asarray(dose, float).ravel(), np.asarray(response, float).ravel()
    keys: list[list[str]] = []
    for name, column in (("response", y), ("by", by), ("experiment", experiment)):
        size = len(x) if column is None else np.size(np.asarray(column))
        if size != len(x):
            raise UsageError(
                _error(
                    "E213", name, "One value is needed for each dose.",
                    f"{size} values", f"{len(x)}", "Give arrays of the same length.",
                )
            )  # fmt: skip
    for column in (by, experiment):
        texts = ["" for _ in x] if column is None else [str(value) for value in np.asarray(column).ravel()]
        keys.append(texts)
    _check(x, y)
    rows: dict[tuple[str, str], list[int]] = {}
    for i, key in enumerate(zip(*keys, strict=True)):
        rows.setdefault(key, []).append(i)
    return [Wells(*key, x[index], y[index]) for key, index in rows.items()]


def _check(dose: Array, response: Array) -> None:
    if not len(dose):
        raise DataError(
            _error(
                "E214",
                "dose",
                "There are no wells.",
                "0 values",
                "1 or more",
                "Give the wells.",
            )
        )
    for field, bad, allowed in (
        ("dose", ~np.isfinite(dose) | (dose < 0), "0 (the control) or a positive number"),
        ("response", ~np.isfinite(response), "a finite number"),
    ):
        if bad.any():
            first = int(np.flatnonzero(bad)[0])
            value: Any = dose[first] if field == "dose" else response[first]
            raise DataError(
                _error(
                    "E215", field, f"{int(bad.sum())} wells have no usable {field}.",
                    f"{value:g} in row {first}", allowed,
                    f"Correct the {field}, or leave out the wells and say why.",
                )
            )  # fmt: skip


def collapse(wells: list[Wells]) -> Means:
    """Dose means of each curve, with the number of wells as weight."""
    parts = [np.unique(curve.dose, return_inverse=True, return_counts=True) for curve in wells]
    width = max(len(doses) for doses, _, _ in parts)
    dose, y, weight = (np.zeros((len(wells), width)) for _ in range(3))
    pure, freedom = np.zeros(len(wells)), np.zeros(len(wells))
    for i, (curve, (doses, inverse, counts)) in enumerate(zip(wells, parts, strict=True)):
        mean = np.bincount(inverse, curve.response) / counts
        m = len(doses)
        dose[i, :m], y[i, :m], weight[i, :m] = doses, mean, counts
        dose[i, m:], y[i, m:] = doses[-1], mean[-1]
        pure[i] = ((curve.response - mean[inverse]) ** 2).sum()
        freedom[i] = len(curve.dose) - m
    return Means(dose, y, weight, pure, freedom)


def raw(wells: list[Wells]) -> Means:
    """The wells themselves, for a robust fit, which must see each of them."""
    width = max(len(curve.dose) for curve in wells)
    dose, y, weight = (np.zeros((len(wells), width)) for _ in range(3))
    for i, curve in enumerate(wells):
        m = len(curve.dose)
        dose[i, :m], y[i, :m], weight[i, :m] = curve.dose, curve.response, 1.0
        dose[i, m:], y[i, m:] = curve.dose[-1], curve.response[-1]
    return Means(dose, y, weight, np.zeros(len(wells)), np.zeros(len(wells)))

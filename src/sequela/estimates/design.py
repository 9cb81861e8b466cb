"""Columns of a regression: from an array, a frame, a dict or a formula to a matrix with names."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sequela.core.errors import UsageError
from sequela.core.finding import Finding, Where

Matrix = tuple[NDArray[np.float64], tuple[str, ...]]


def design(
    X: Any, n: int, names: Any = None, data: Any = None, reference: dict[str, Any] | None = None
) -> Matrix:
    """An n x p matrix and the names of its p columns.

    Args:
        X: n numbers, an n x p array, a frame, a dict of columns, or a formula ("age + C(stage)").
        n: number of rows asked for.
        names: names for an array's columns.
        data: frame or dict behind a formula.
        reference: {column: level} of text columns; by default the first level in sorted order.

    A column of text becomes one 0/1 column per level other than the reference, named "column: level".

    Raises:
        UsageError: wrong shape, missing or infinite values, unknown reference level, formulaic missing.
    """
    if isinstance(X, str):
        matrix = _formula(X, data)
    elif isinstance(X, dict):
        matrix = _columns({str(name): np.asarray(column) for name, column in X.items()}, reference or {})
    elif hasattr(X, "columns"):
        matrix = _columns(_frame(X), reference or {})
    else:
        matrix = _array(X, names)
    values, labels = matrix
    if values.ndim != 2 or values.shape[0] != n:
        message = f"the covariates have shape {values.shape}, the times have {n} rows"
        raise UsageError(Finding("E140", "error", message, remedy="give one row of covariates per subject"))
    _refuse_missing(values, labels)
    return np.ascontiguousarray(values), labels


def _array(X: Any, names: Any) -> Matrix:
    values = np.asarray(X, float)
    values = values[:, None] if values.ndim == 1 else values
    width = values.shape[1]
    labels = tuple(f"x{i + 1}" for i in range(width)) if names is None else tuple(str(name) for name in names)
    if len(labels) != width:
        raise UsageError(Finding("E141", "error", f"{len(labels)} names for {width} columns"))
    return values, labels


def _frame(X: Any) -> dict[str, NDArray[Any]]:
    import narwhals as nw

    frame = nw.from_native(X, eager_only=True)
    return {str(name): frame[name].to_numpy() for name in frame.columns}


def _columns(columns: dict[str, NDArray[Any]], reference: dict[str, Any]) -> Matrix:
    parts: list[NDArray[np.float64]] = []
    labels: list[str] = []
    for name, column in columns.items():
        if column.dtype.kind in "biuf":
            parts.append(column.astype(float))
            labels.append(name)
            continue
        levels = _levels(name, column, reference)
        parts.extend((column == level).astype(float) for level in levels)
        labels.extend(f"{name}: {level}" for level in levels)
    return np.column_stack(parts) if parts else np.zeros((0, 0)), tuple(labels)


def _levels(name: str, column: NDArray[Any], reference: dict[str, Any]) -> list[Any]:
    """Levels other than the reference, which is the first in sorted order unless it is named."""
    missing = [row for row, value in enumerate(column) if value is None or value != value]
    if missing:
        where = Where(field=name)
        remedy = "leave these subjects out, and count them, or name a level for the missing"
        raise UsageError(Finding("E142", "error", f"{len(missing)} values are missing", where, remedy=remedy))
    levels = sorted(set(column.tolist()))
    base = reference.get(name, levels[0])
    if base not in levels:
        allowed = ", ".join(map(str, levels))
        raise UsageError(
            Finding("E143", "error", "no such reference level", Where(field=name), str(base), allowed)
        )
    return [level for level in levels if level != base]


def _formula(formula: str, data: Any) -> Matrix:
    try:
        from formulaic import model_matrix
    except ImportError as absent:
        message = "a formula needs the package formulaic"
        remedy = "pip install 'sequela[formula]', or pass columns"
        raise UsageError(Finding("E144", "error", message, remedy=remedy)) from absent
    if data is None:
        raise UsageError(
            Finding("E145", "error", "a formula needs `data`", found=formula, remedy="pass data=frame")
        )
    built: Any = model_matrix(formula, _native(data), output="pandas", na_action="ignore")
    built = built.drop(columns=[name for name in built.columns if name == "Intercept"])
    return built.to_numpy(dtype=float), tuple(str(name) for name in built.columns)


def _native(data: Any) -> Any:
    """What formulaic reads: a pandas frame."""
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return data
    return pd.DataFrame(data if isinstance(data, dict) else _frame(data))


def _refuse_missing(values: NDArray[Any], labels: tuple[str, ...]) -> None:
    if np.isfinite(values.sum()):
        return
    bad = ~np.isfinite(values)
    if bad.any():
        column = int(np.flatnonzero(bad.any(axis=0))[0])
        rows = np.flatnonzero(bad[:, column])
        where = Where(field=f"{labels[column]}, rows " + ", ".join(map(str, rows[:5])))
        remedy = "leave these subjects out, and count them"
        message = f"{len(rows)} covariate values are missing or infinite"
        raise UsageError(Finding("E142", "error", message, where, remedy=remedy))

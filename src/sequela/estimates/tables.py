"""Tables of counts: chi-square family, McNemar, kappa, binomial intervals. Fisher's test is in `fisher`.

Sources: Pearson (1900); McNemar (1947); Fleiss, Cohen and Everitt (1969); Clopper and Pearson (1934); Wilson
(1927); Agresti and Coull (Am Stat 1998).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.special import bdtr, betaincinv, chdtrc

from sequela.core.errors import UsageError
from sequela.core.estimate import Estimate, Test, normal_p, normal_quantile
from sequela.core.finding import Finding

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def counts(table: ArrayLike) -> NDArray[np.float64]:
    """The table without empty rows and columns.

    Raises:
        UsageError: not two-dimensional, or a cell is negative or no whole number.
    """
    cells = np.asarray(table, float)
    if (
        cells.ndim != 2
        or not np.isfinite(cells).all()
        or (cells < 0).any()
        or (cells != np.floor(cells)).any()
    ):
        message = "a table of counts has two dimensions and whole numbers from 0"
        raise UsageError(Finding("E162", "error", message, found=f"shape {cells.shape}"))
    return cells[cells.sum(axis=1) > 0][:, cells.sum(axis=0) > 0]


def degenerate(cells: NDArray[Any], name: str) -> Test | None:
    """The test that cannot be made because only one row or column holds counts, else None."""
    if min(cells.shape, default=0) < 2:
        return Test(
            math.nan, 0, math.nan, name, int(cells.sum()), "fewer than two rows or columns hold counts"
        )
    return None


def _expected(cells: NDArray[Any]) -> NDArray[Any]:
    return np.outer(cells.sum(axis=1), cells.sum(axis=0)) / cells.sum()


def chi_square(table: ArrayLike, correction: bool = False) -> Test:
    """Pearson's chi-square; `correction` is Yates' for 2 x 2 tables, bounded as in R's `chisq.test`."""
    cells = counts(table)
    name = "chi-square test" + (" with continuity correction" if correction else "")
    if missing := degenerate(cells, name):
        return missing
    expected = _expected(cells)
    away = np.abs(cells - expected)
    if correction and cells.shape == (2, 2):
        away = away - min(0.5, float(away.min()))
    df = (cells.shape[0] - 1) * (cells.shape[1] - 1)
    statistic = float((away**2 / expected).sum())
    return Test(statistic, df, float(chdtrc(df, statistic)), name, int(cells.sum()))


def likelihood_ratio(table: ArrayLike) -> Test:
    """The likelihood-ratio chi-square, 2 sum O log(O/E)."""
    cells = counts(table)
    if missing := degenerate(cells, "likelihood-ratio chi-square test"):
        return missing
    ratio = np.where(cells > 0, cells / _expected(cells), 1.0)
    statistic = 2 * float((cells * np.log(ratio)).sum())
    df = (cells.shape[0] - 1) * (cells.shape[1] - 1)
    return Test(
        statistic, df, float(chdtrc(df, statistic)), "likelihood-ratio chi-square test", int(cells.sum())
    )


def linear_by_linear(
    table: ArrayLike, rows: ArrayLike | None = None, columns: ArrayLike | None = None
) -> Test:
    """Linear-by-linear association (Mantel-Haenszel), (n - 1) r^2, scores 1, 2, 3... unless given."""
    full = np.asarray(table, float)
    cells = counts(table)
    name = "linear-by-linear association"
    if missing := degenerate(cells, name):
        return missing
    u = (np.arange(full.shape[0]) if rows is None else np.asarray(rows, float))[full.sum(axis=1) > 0]
    v = (np.arange(full.shape[1]) if columns is None else np.asarray(columns, float))[full.sum(axis=0) > 0]
    n = cells.sum()
    u = u - u @ cells.sum(axis=1) / n
    v = v - v @ cells.sum(axis=0) / n
    spread = float((u**2 @ cells.sum(axis=1)) * (v**2 @ cells.sum(axis=0)))
    statistic = float((n - 1) * (u @ cells @ v) ** 2 / spread)
    return Test(statistic, 1, float(chdtrc(1, statistic)), name, int(n))


def mcnemar(table: ArrayLike, correction: bool = False, exact: bool = False) -> Test:
    """McNemar's test of a paired 2 x 2 table: chi-square (b - c)^2 / (b + c), or exactly binomial."""
    cells = np.asarray(table, float)
    if cells.shape != (2, 2):
        raise UsageError(
            Finding("E164", "error", "McNemar's test needs a 2 x 2 table", found=str(cells.shape))
        )
    b, c, n = cells[0, 1], cells[1, 0], int(cells.sum())
    name = "exact McNemar test" if exact else "McNemar test"
    if b + c == 0:
        return Test(math.nan, 0, math.nan, name, n, "no discordant pairs")
    if exact:
        p = min(1.0, 2 * float(bdtr(min(b, c), int(b + c), 0.5)))
        return Test(float(b), 0, p, name, n)
    away = max(0.0, abs(b - c) - (1 if correction else 0))
    statistic = float(away**2 / (b + c))
    return Test(statistic, 1, float(chdtrc(1, statistic)), name, n)


def kappa(
    table: ArrayLike, weights: Literal["none", "linear", "quadratic"] = "none", level: float = 0.95
) -> Estimate:
    """Cohen's kappa of a square agreement table, with the error of Fleiss, Cohen and Everitt (1969)."""
    cells = np.asarray(table, float)
    if cells.ndim != 2 or cells.shape[0] != cells.shape[1]:
        raise UsageError(Finding("E165", "error", "kappa needs a square table", found=str(cells.shape)))
    k, n = len(cells), cells.sum()
    apart = np.abs(np.subtract.outer(np.arange(k), np.arange(k))) / max(k - 1, 1)
    w = {"none": (apart == 0) * 1.0, "linear": 1 - apart, "quadratic": 1 - apart**2}[weights]
    share = cells / n
    a, b = share.sum(axis=1), share.sum(axis=0)
    agreed, chance = float((w * share).sum()), float(a @ w @ b)
    name, method = "kappa", "Cohen" if weights == "none" else f"Cohen, {weights} weights"
    if chance >= 1:
        return Estimate(
            name, math.nan, n=int(n), method=method, reason="agreement by chance alone is certain"
        )
    value = (agreed - chance) / (1 - chance)
    mean = (w @ b)[:, None] + (a @ w)[None, :]
    inner = float((share * (w - mean * (1 - value)) ** 2).sum()) - (value - chance * (1 - value)) ** 2
    se = math.sqrt(max(0.0, inner) / n) / (1 - chance)
    half = normal_quantile(level) * se
    null = float((np.outer(a, b) * (w - mean) ** 2).sum()) - chance**2
    p = normal_p(value * (1 - chance) / math.sqrt(null / n)) if null > 0 else math.nan
    return Estimate(
        name, value, se, max(-1.0, value - half), min(1.0, value + half), level, int(n), method=method, p=p
    )


def binomial_interval(
    events: int,
    n: int,
    level: float = 0.95,
    method: Literal["exact", "wilson", "agresti-coull", "jeffreys"] = "exact",
) -> Estimate:
    """A share with its interval: exact (Clopper and Pearson), Wilson, Agresti and Coull, or Jeffreys.

    Brown, Cai and DasGupta (Stat Sci 2001) compare them: the exact interval covers at least `level`, the
    others about `level` on average.
    """
    if not 0 <= events <= n:
        raise UsageError(Finding("E166", "error", "events lie between 0 and n", found=f"{events} of {n}"))
    if n == 0:
        return Estimate("share", math.nan, level=level, reason="nobody was counted")
    share = events / n
    z, tail = normal_quantile(level), (1 - level) / 2
    if method == "wilson":
        middle, half = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        lower, upper = (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)
    elif method == "agresti-coull":
        middle = (events + z * z / 2) / (n + z * z)
        half = z * math.sqrt(middle * (1 - middle) / (n + z * z))
        lower, upper = max(0.0, middle - half), min(1.0, middle + half)
    elif method == "jeffreys":
        lower = float(betaincinv(events + 0.5, n - events + 0.5, tail)) if events else 0.0
        upper = float(betaincinv(events + 0.5, n - events + 0.5, 1 - tail)) if events < n else 1.0
    else:
        lower = float(betaincinv(events, n - events + 1, tail)) if events else 0.0
        upper = float(betaincinv(events + 1, n - events, 1 - tail)) if events < n else 1.0
    se = math.sqrt(share * (1 - share) / n)
    return Estimate("share", share, se, lower, upper, level, n, events, method=method)


def odds_ratio(table: ArrayLike, level: float = 0.95) -> Estimate:
    """Sample odds ratio of a 2 x 2 table with Woolf's interval; `se` is that of its logarithm."""
    cells = np.asarray(table, float)
    if cells.shape != (2, 2):
        raise UsageError(
            Finding("E164", "error", "an odds ratio needs a 2 x 2 table", found=str(cells.shape))
        )
    n = int(cells.sum())
    if (cells == 0).any():
        return Estimate("odds ratio", math.nan, level=level, n=n, method="Woolf", reason="a cell is empty")
    log_ratio = float(np.log(cells[0, 0] * cells[1, 1] / (cells[0, 1] * cells[1, 0])))
    se = math.sqrt(float((1 / cells).sum()))
    half = normal_quantile(level) * se
    limits = math.exp(log_ratio - half), math.exp(log_ratio + half)
    return Estimate(
        "odds ratio", math.exp(log_ratio), se, *limits, level, n, method="Woolf", p=normal_p(log_ratio / se)
    )

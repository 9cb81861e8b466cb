"""Comparison of conditions with one value an experiment: Student, Welch, paired, mixed, exact permutation.

Wells of one experiment are first averaged (`Readings.means`): they share a day, a passage and a pipette, and
treating them as repeats makes false positives. On the log scale the effect is a ratio of geometric means.
Sources: Lazic, BMC Neurosci 2010; 11: 5; Lord et al., J Cell Biol 2020; 219: e202001064 (superplots);
Edgington, Randomization Tests, 1995.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np
from scipy.special import fdtrc, stdtr, stdtrit

from sequela.core.errors import UsageError
from sequela.core.estimate import Estimate, Test
from sequela.core.finding import Finding
from sequela.estimates.mixed import Contrast, random_intercept
from sequela.estimates.multiplicity import Adjustment, adjust

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sequela.core.readings import Readings

Trial = Literal["paired", "welch", "student", "mixed", "permutation"]
LEAST: Final = 3  # experiments a side without which nothing is tested
MANY: Final = 20  # experiments from which the exact permutation is too large

NAMES: Final[dict[str, str]] = {
    "paired": "paired t on experiments",
    "welch": "Welch t on experiments",
    "student": "Student t on experiments",
    "mixed": "random experiments, REML",
    "permutation": "exact permutation of experiments",
}


@dataclass(frozen=True, slots=True)
class Compared:
    """One condition against the reference.

    Attributes:
        condition, reference: their names.
        effect: ratio (log scale) or difference, with interval and raw p; `reason` where there is none.
        n: experiments of the condition and of the reference; of pairs both are the number of pairs.
        readings: wells of the condition and of the reference.
        df: of the test; NaN for a permutation.
        adjusted: the p-value adjusted for the number of comparisons.
        least_p: the smallest p that a permutation of this size can reach; NaN otherwise.
    """

    condition: str
    reference: str
    effect: Estimate
    n: tuple[int, int]
    readings: tuple[int, int]
    df: float
    adjusted: float = math.nan
    least_p: float = math.nan


def against_reference(
    readings: Readings,
    reference: str | None = None,
    *,
    test: Trial = "paired",
    scale: Literal["log", "linear"] = "log",
    adjustment: Adjustment = "holm",
    level: float = 0.95,
) -> tuple[Compared, ...]:
    """Every other condition against `reference` (the first by default), on one mean an experiment.

    With fewer than three experiments a side, experiments that are not named, values that are not positive on
    the log scale, or a reference that was set to one value in every experiment (and a test that needs its
    scatter), there is no p, and the estimate's `reason` says why.

    Raises:
        UsageError: E216, there is no such condition, test or scale.
    """
    first = readings.conditions[0] if reference is None and len(readings) else reference
    if first not in readings.conditions:
        raise _usage("condition", str(first), readings.conditions)
    if test not in get_args(Trial):
        raise _usage("test", test, get_args(Trial))
    if scale not in ("log", "linear"):
        raise _usage("scale", scale, ("log", "linear"))
    others = [name for name in readings.conditions if name != first]
    wells = {name: int((readings.condition == name).sum()) for name in readings.conditions}
    cells = _cells(readings, scale)
    if isinstance(cells, str):
        found = [_nothing(name, str(first), readings, cells, test, level) for name in others]
    elif test == "mixed":
        found = _mixed(cells, str(first), others, wells, scale, level)
    else:
        found = [
            _pair(cells, str(first), name, (wells[name], wells[str(first)]), test, scale, level)
            for name in others
        ]
    adjusted = adjust([one.effect.p for one in found], adjustment) if found else np.zeros(0)
    return tuple(replace(one, adjusted=float(p)) for one, p in zip(found, adjusted, strict=True))


def anova(readings: Readings, *, blocked: bool = False, scale: Literal["log", "linear"] = "log") -> Test:
    """One F test over all conditions on experiment means; `blocked` takes the experiments out as blocks.

    Blocks need every condition in every experiment; the reason says so where that is not the case.
    """
    method = f"ANOVA on experiments{', blocked' if blocked else ''}"
    cells = _cells(readings, scale)
    if isinstance(cells, str):
        return Test(math.nan, math.nan, math.nan, method, len(readings), cells)
    groups = [np.array(list(values.values())) for values in cells.values()]
    n = sum(map(len, groups))
    if blocked:
        repeats = set.intersection(*(set(values) for values in cells.values()))
        if any(set(values) != repeats for values in cells.values()):
            return Test(math.nan, math.nan, math.nan, method, n, "not every condition is in every experiment")
        table = np.array([[values[name] for name in sorted(repeats)] for values in cells.values()])
        between = table.shape[1] * ((table.mean(1) - table.mean()) ** 2).sum()
        left = ((table - table.mean(1, keepdims=True) - table.mean(0) + table.mean()) ** 2).sum()
        df1, df2 = len(table) - 1, (len(table) - 1) * (table.shape[1] - 1)
    else:
        mean = np.concatenate(groups).mean()
        between = sum(len(group) * (group.mean() - mean) ** 2 for group in groups)
        left = sum(((group - group.mean()) ** 2).sum() for group in groups)
        df1, df2 = len(groups) - 1, n - len(groups)
    if df1 < 1 or df2 < 1 or left <= 0:
        return Test(math.nan, df1, math.nan, method, n, "the experiments do not differ among themselves")
    statistic = float(between / df1 / (left / df2))
    return Test(statistic, df1, float(fdtrc(df1, df2, statistic)), f"{method}, {df2} residual df", n)


def _usage(what: str, found: str, known: Sequence[str]) -> UsageError:
    return UsageError(
        Finding("E216", "error", f"there is no such {what}", found=found, allowed=", ".join(known))
    )


def _cells(readings: Readings, scale: str) -> dict[str, dict[str, float]] | str:
    """Mean of each condition in each experiment (of logarithms: of the mean), or why there is none."""
    if any(count == 0 for count in readings.n.values()) or (readings.experiment == "").any():
        return "experiments are not named: wells are no repeats"
    means = readings.means()
    cells: dict[str, dict[str, list[float]]] = {name: {} for name in readings.conditions}
    for value, name, repeat in zip(means.value, means.condition, means.experiment, strict=True):
        cells[str(name)].setdefault(str(repeat), []).append(float(value))
    whole = {name: {k: sum(v) / len(v) for k, v in values.items()} for name, values in cells.items()}
    if scale == "log":
        if min(min(values.values()) for values in whole.values()) <= 0:
            return "a mean is 0 or less: a ratio needs positive values"
        return {name: {k: math.log(v) for k, v in values.items()} for name, values in whole.items()}
    return whole


def _nothing(name: str, first: str, readings: Readings, reason: str, test: str, level: float) -> Compared:
    wells = tuple(int((readings.condition == one).sum()) for one in (name, first))
    effect = Estimate(f"{name} against {first}", math.nan, level=level, method=NAMES[test], reason=reason)
    return Compared(
        name, first, effect, (readings.n[name], readings.n[first]), (wells[0], wells[1]), math.nan
    )


def _pair(
    cells: dict[str, dict[str, float]], first: str, name: str, wells: tuple[int, int], test: str, scale: str,
    level: float,
) -> Compared:  # fmt: skip
    a, b = cells[first], cells[name]
    if test == "paired":
        shared = [repeat for repeat in a if repeat in b]
        x, y = np.array([a[k] for k in shared]), np.array([b[k] for k in shared])
    else:
        x, y = np.array(list(a.values())), np.array(list(b.values()))
    n = (len(y), len(x))
    facts: dict[str, Any] = {"level": level, "n": sum(n) if test != "paired" else n[0], "method": NAMES[test]}
    label = f"{name} {'/' if scale == 'log' else '−'} {first}"
    reason = _reason(x, y, test)
    mean = float(y.mean() - x.mean()) if min(n) else math.nan
    if reason:
        value = math.exp(mean) if scale == "log" else mean
        return Compared(name, first, Estimate(label, value, reason=reason, **facts), n, wells, math.nan)
    if test == "permutation":
        p, least = _permutation(a, b)
        effect = Estimate(label, math.exp(mean) if scale == "log" else mean, p=p, **facts)
        return Compared(name, first, effect, n, wells, math.nan, least_p=least)
    se, df = _error(x, y, test)
    return Compared(name, first, _effect(label, mean, se, df, scale, facts), n, wells, df)


def _reason(x: NDArray[Any], y: NDArray[Any], test: str) -> str | None:
    if min(len(x), len(y)) < LEAST:
        what = "shared experiments" if test == "paired" else "experiments a side"
        return f"a test needs {LEAST} {what}; there are {len(y)} and {len(x)}"
    if test == "paired":
        return "the differences do not scatter" if np.ptp(y - x) < 1e-12 else None
    if test == "permutation":
        return "too many experiments for an exact permutation" if max(len(x), len(y)) > MANY else None
    if np.ptp(x) < 1e-12:
        return "the reference was set to one value in every experiment: compare pairs"
    return "the experiments do not differ among themselves" if np.ptp(y) < 1e-12 else None


def _error(x: NDArray[Any], y: NDArray[Any], test: str) -> tuple[float, float]:
    """Standard error of the difference of means, and degrees of freedom."""
    if test == "paired":
        return float((y - x).std(ddof=1)) / math.sqrt(len(x)), len(x) - 1
    parts = [float(v.var(ddof=1)) / len(v) for v in (x, y)]
    if test == "welch":
        total = sum(parts)
        return math.sqrt(total), total**2 / (parts[0] ** 2 / (len(x) - 1) + parts[1] ** 2 / (len(y) - 1))
    df = len(x) + len(y) - 2
    pooled = float(((x - x.mean()) ** 2).sum() + ((y - y.mean()) ** 2).sum()) / df
    return math.sqrt(pooled * (1 / len(x) + 1 / len(y))), df


def _effect(label: str, mean: float, se: float, df: float, scale: str, facts: dict[str, Any]) -> Estimate:
    half = float(stdtrit(df, 0.5 + facts["level"] / 2)) * se
    p = 2 * float(stdtr(df, -abs(mean / se)))
    limits = (mean - half, mean, mean + half)
    low, value, high = (math.exp(v) for v in limits) if scale == "log" else limits
    return Estimate(label, value, se * value if scale == "log" else se, low, high, p=p, **facts)


def _permutation(a: dict[str, float], b: dict[str, float]) -> tuple[float, float]:
    """Two-sided exact p and the smallest possible: signs of differences where experiments are shared, else labels."""
    if set(a) == set(b):
        gaps = np.array([b[key] - a[key] for key in a])
        signs = np.array(list(product((1, -1), repeat=len(gaps))))
        means = np.abs(signs @ gaps)
        return float((means >= means[0] * (1 - 1e-12)).mean()), 2.0 ** (1 - len(gaps))
    pool = np.array([*a.values(), *b.values()])
    chosen = np.array(list(combinations(range(len(pool)), len(a))))
    sums = pool[chosen].sum(1)
    gaps = np.abs(sums / len(a) - (pool.sum() - sums) / len(b))
    ways = 2 if len(a) == len(b) else 1
    return float((gaps >= gaps[0] * (1 - 1e-12)).mean()), ways / len(chosen)


def _mixed(
    cells: dict[str, dict[str, float]], first: str, others: list[str], wells: dict[str, int], scale: str,
    level: float,
) -> list[Compared]:  # fmt: skip
    names = [first, *others]
    rows = [(value, names.index(name), repeat) for name in names for repeat, value in cells[name].items()]
    values, groups, repeats = zip(*rows, strict=True)
    counts = {name: len(cells[name]) for name in names}
    fits: list[Contrast] | str = "a test needs three experiments a side"
    if min(counts.values()) >= LEAST:
        fits = random_intercept(np.array(values), np.array(groups), np.array(repeats))
    found: list[Compared] = []
    for place, name in enumerate(others):
        facts: dict[str, Any] = {"level": level, "n": counts[name] + counts[first], "method": NAMES["mixed"]}
        label, n = f"{name} {'/' if scale == 'log' else '−'} {first}", (counts[name], counts[first])
        sizes = (wells[name], wells[first])
        if isinstance(fits, str):
            found.append(
                Compared(name, first, Estimate(label, math.nan, reason=fits, **facts), n, sizes, math.nan)
            )
            continue
        one = fits[place]
        found.append(
            Compared(name, first, _effect(label, one.value, one.se, one.df, scale, facts), n, sizes, one.df)
        )
    return found

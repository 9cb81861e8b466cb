"""Fisher's exact test of r x c tables.

Sources: Fisher (1935); Freeman and Halton (1951); Mehta and Patel (JASA 1983) for the bounds that spare most of
the enumeration.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import gammaln

from sequela.core.errors import UsageError
from sequela.core.estimate import Test
from sequela.core.finding import Finding
from sequela.estimates.tables import counts, degenerate

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

WAYS = 20_000_000  # paths held at once, beyond which the enumeration is refused


def fisher(table: ArrayLike, draws: int = 0, rng: np.random.Generator | None = None) -> Test:
    """Fisher's exact test of an r x c table (Freeman-Halton): tables no more likely than the observed.

    The statistic is the probability of the observed table. With `draws`, the p-value is simulated from
    `draws` tables with the same margins by `rng`: (1 + hits) / (1 + draws).

    Raises:
        UsageError: the table is too large to enumerate and no draws are asked for.
    """
    cells = counts(table).astype(int)
    if missing := degenerate(cells.astype(float), "Fisher's exact test"):
        return missing
    if cells.shape[0] > cells.shape[1]:
        cells = cells.T
    rows, columns = cells.sum(axis=1), cells.sum(axis=0)
    n = int(cells.sum())
    base = float(gammaln(rows + 1).sum() + gammaln(columns + 1).sum() - gammaln(n + 1))
    observed = -float(gammaln(cells + 1).sum())
    if draws:
        generator = rng or np.random.default_rng(0)
        hits = _simulated(rows, columns, observed, draws, generator)
        p = (1 + hits) / (1 + draws)
        return Test(math.exp(base + observed), 0, p, f"Fisher's exact test, {draws} draws", n)
    p = _enumerated(tuple(sorted(rows.tolist())), tuple(sorted(columns.tolist())), observed, base)
    return Test(math.exp(base + observed), 0, min(1.0, p), "Fisher's exact test", n)


def _simulated(rows: Any, columns: Any, observed: float, draws: int, rng: np.random.Generator) -> int:
    left = np.repeat(np.arange(len(rows)), rows)
    right = np.repeat(np.arange(len(columns)), columns)
    hits = 0
    for _ in range(draws):
        code = left * len(columns) + rng.permutation(right)
        cells = np.bincount(code, minlength=len(rows) * len(columns))
        hits += -float(gammaln(cells + 1).sum()) <= observed + 1e-7
    return hits


def _enumerated(rows: tuple[int, ...], columns: tuple[int, ...], observed: float, base: float) -> float:
    """Probability of the tables whose 1/product of cell factorials is at most the observed one.

    Columns are filled one by one, the last two together; a node is the row margins still to be filled,
    sorted. Paths that reach a node with the same past value are one. The least and greatest value of what
    may follow decide most paths at once: all their ends count, or none.
    """
    log_factorial = gammaln(np.arange(sum(rows) + 2) + 1.0)
    stages = _stages(rows, columns, log_factorial)
    low, high = _bounds(stages)
    total, limit = 0.0, observed + 1e-7
    node, past, count = np.zeros(1, np.intp), np.zeros(1), np.ones(1)
    for k, stage in enumerate(stages):
        left = stage.nodes
        rest = log_factorial[left.sum(axis=1)] - log_factorial[left].sum(axis=1)
        rest -= log_factorial[list(columns[k:])].sum()
        alive = past + low[k][node] <= limit
        node, past, count = node[alive], past[alive], count[alive]
        done = past + high[k][node] <= limit
        total += float((count[done] * np.exp(past[done] + rest[node[done]] + base)).sum())
        node, past, count = node[~done], past[~done], count[~done]
        if k < len(stages) - 1:
            node, past, count = _advance(stage, node, past, count)
    return total + _closed(stages[-1], node, past, count, limit, base)


def _closed(stage: _Stage, node: Any, past: Any, count: Any, limit: float, base: float) -> float:
    """Probability of the ends within `limit` of the paths that no bound decided."""
    first = np.searchsorted(stage.source, np.arange(len(stage.nodes) + 1))
    total = 0.0
    for i, p, c in zip(node.tolist(), past.tolist(), count.tolist(), strict=True):
        ways = slice(first[i], first[i + 1])
        value = stage.value[ways] + p
        total += c * float(np.exp(value[value <= limit] + base).sum())
    return total


@dataclass(frozen=True, eq=False)
class _Stage:
    """Nodes (N x r row margins left) and the ways on: from node `source` to next node `target`, with a value.

    The last stage fills two columns at once and has no targets.
    """

    nodes: NDArray[Any]
    source: NDArray[Any]
    target: NDArray[Any]
    value: NDArray[Any]


def _stages(rows: tuple[int, ...], columns: tuple[int, ...], log_factorial: NDArray[Any]) -> list[_Stage]:
    nodes, stages = np.array([rows]), []
    size = (sum(rows) + 1) ** np.arange(len(rows), dtype=float)
    if size[-1] * sum(rows) > 2**53:
        raise _too_large(len(rows), max(rows))
    for column in columns[:-2]:
        taken, source = _fillings(nodes, column)
        left = np.sort(nodes[source] - taken, axis=1)
        _, place, target = np.unique(left @ size, return_index=True, return_inverse=True)
        stages.append(_Stage(nodes, source, target, -log_factorial[taken].sum(axis=1)))
        nodes = left[place]
    taken, source = _fillings(nodes, columns[-2])
    value = -log_factorial[taken].sum(axis=1) - log_factorial[nodes[source] - taken].sum(axis=1)
    return [*stages, _Stage(nodes, source, np.zeros(0, np.intp), value)]


def _fillings(nodes: NDArray[Any], column: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """All ways to take `column` in total from each node's margins: amounts (M x r), and the node of each."""
    source, taken = np.arange(len(nodes)), np.zeros((len(nodes), 0), np.intp)
    need = np.full(len(nodes), column)
    for i in range(nodes.shape[1]):
        room = nodes[source, i + 1 :].sum(axis=1)
        least, most = np.maximum(0, need - room), np.minimum(nodes[source, i], need)
        width = np.maximum(most - least + 1, 0)
        if width.sum() > WAYS:
            raise _too_large(nodes.shape[1], int(nodes.max()))
        again = np.repeat(np.arange(len(source)), width)
        amount = np.arange(len(again)) - np.repeat(np.cumsum(width) - width, width) + least[again]
        source, need = source[again], need[again] - amount
        taken = np.column_stack([taken[again], amount])
    return taken, source


def _bounds(stages: list[_Stage]) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """Least and greatest value of what may follow each node, from the last stage back."""
    low: list[NDArray[Any]] = []
    high: list[NDArray[Any]] = []
    for stage in reversed(stages):
        first = np.searchsorted(stage.source, np.arange(len(stage.nodes)))
        after = (low[0][stage.target], high[0][stage.target]) if low else (0.0, 0.0)
        least = np.minimum.reduceat(stage.value + after[0], first)
        greatest = np.maximum.reduceat(stage.value + after[1], first)
        low.insert(0, least)
        high.insert(0, greatest)
    return low, high


def _advance(
    stage: _Stage, node: NDArray[Any], past: NDArray[Any], count: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Every path one column on; paths at one node with one past value (to 1e-10) become one."""
    first = np.searchsorted(stage.source, np.arange(len(stage.nodes) + 1))
    width = (first[1:] - first[:-1])[node]
    if width.sum() > WAYS:
        raise _too_large(stage.nodes.shape[1], int(stage.nodes.max()))
    path = np.repeat(np.arange(len(node)), width)
    way = first[node][path] + np.arange(len(path)) - np.repeat(np.cumsum(width) - width, width)
    target, value = stage.target[way], past[path] + stage.value[way]
    order = np.lexsort((value, target))
    target, value, mass = target[order], value[order], count[path][order]
    if not len(order):
        return target, value, mass
    new = np.concatenate([[True], (np.diff(target) != 0) | (np.diff(value) > 1e-10)])
    return target[new], value[new], np.add.reduceat(mass, np.flatnonzero(new))


def _too_large(rows: int, largest: int) -> UsageError:
    message = "the table is too large for the exact enumeration"
    found = f"{rows} rows, margins up to {largest}"
    return UsageError(
        Finding("E163", "error", message, found=found, remedy="fisher(table, draws=100_000, rng=...)")
    )

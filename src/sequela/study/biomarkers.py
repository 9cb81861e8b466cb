"""Biomarker rules: published tables as data, read row by row, for patients and for biopsies alike.

A rule is an ordered table; the first row whose conditions hold gives the result. A missing input makes a row
possible, neither true nor false: the result is known only where all rows that may hold agree (Kleene's strong
three-valued logic), otherwise it stays unknown and the reason names what is missing. The tables stand in
`sequela/data/biomarkers/*.toml` with their source and version.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from sequela.core.errors import UsageError
from sequela.core.finding import Finding, Where

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

LIMITS = {
    "at_least": np.greater_equal,
    "above": np.greater,
    "below": np.less,
    "at_most": np.less_equal,
}


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a rule: named levels, or a number between two limits.

    `blank` is the level that an empty cell stands for (a test that was not done); without one an empty cell is
    unknown. `words` are spellings that may stand for several levels, such as a dash.
    """

    name: str
    levels: tuple[str, ...] = ()
    blank: str | None = None
    words: tuple[tuple[str, tuple[str, ...]], ...] = ()
    least: float = -np.inf
    most: float = np.inf

    def level(self, word: str) -> str | None:
        """The level that a word spells, whatever its case, with spaces for underscores; None for none."""
        known = (*self.levels, *(name for name, _ in self.words))
        return next((name for name in known if _spelt(name) == _spelt(word)), None)

    @property
    def allowed(self) -> str:
        """What a cell may hold, in words."""
        if self.levels:
            return ", ".join((*self.levels, *(word for word, _ in self.words)))
        return f"a number from {self.least:g}" + (f" to {self.most:g}" if np.isfinite(self.most) else "")


@dataclass(frozen=True, slots=True)
class RuleRow:
    """Conditions that must all hold (input, levels or limits), the result (None: unknown), and why."""

    levels: tuple[tuple[str, tuple[str, ...]], ...]
    limits: tuple[tuple[str, tuple[tuple[str, float], ...]], ...]
    result: str | None
    because: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A published table: inputs, sums of inputs, ordered rows, with its title, version and source."""

    name: str
    title: str
    version: str
    source: str
    inputs: tuple[Input, ...]
    sums: tuple[tuple[str, tuple[str, ...]], ...]
    rows: tuple[RuleRow, ...]

    def input(self, name: str) -> Input:
        """The input of that name."""
        return next(one for one in self.inputs if one.name == name)

    @property
    def results(self) -> tuple[str, ...]:
        """Every result that the table can give."""
        return tuple(dict.fromkeys(row.result for row in self.rows if row.result is not None))


@dataclass(frozen=True, slots=True, eq=False)
class Called:
    """What a rule says of every row: `value` is null where it is unknown; `reason` is never null."""

    rule: Rule
    value: pl.Series
    reason: pl.Series

    def __repr__(self) -> str:
        known = len(self.value) - self.value.null_count()
        return f"<Called {self.rule.name}: {known} of {len(self.value)} known>"

    def frame(self) -> pl.DataFrame:
        """Columns `value` and `reason`."""
        return pl.DataFrame({"value": self.value, "reason": self.reason})


def rule_names() -> tuple[str, ...]:
    """The names of all shipped rules."""
    return tuple(_tables())


@cache
def biomarker_rule(name: str) -> Rule:
    """A shipped rule by its name, such as `her2-2018`.

    Raises:
        UsageError: M101, there is none of that name.
    """
    tables = _tables()
    if name not in tables:
        raise UsageError(
            Finding(
                "M101", "error", f"there is no biomarker rule {name!r}", found=name, allowed=", ".join(tables)
            )
        )
    table = tables[name]
    content = tables[table["same_as"]] if "same_as" in table else table
    inputs = tuple(_input(key, told) for key, told in content["inputs"].items())
    sums = tuple((key, tuple(parts)) for key, parts in content.get("sums", {}).items())
    rows = tuple(map(_row, content["rows"]))
    return Rule(name, table["title"], table["version"], table["source"], inputs, sums, rows)


def call(rule: str | Rule, **columns: Any) -> Called:
    """What a rule says of columns of equal length (or of single values).

    Args:
        rule: a rule or its name.
        columns: one an input of the rule: numbers, or levels as text; None and NaN are missing. An input that
            is not given is missing everywhere.

    Raises:
        UsageError: M102 an input that the rule has not, or columns of unequal length; M103 a value that an
            input does not allow (a level the table does not know, a percentage over 100).
    """
    table = biomarker_rule(rule) if isinstance(rule, str) else rule
    n = _length(table, columns)
    facts: dict[str, NDArray[Any]] = {}
    for one in table.inputs:
        given = columns.get(one.name)
        values = [None] * n if given is None else _listed(given)
        facts[one.name] = _possible(table, one, values) if one.levels else _numbers(table, one, values)
    for name, parts in table.sums:
        facts[name] = np.sum([facts[part] for part in parts], axis=0)
    _whole(table, facts)
    return _first(table, facts, n)


def _first(table: Rule, facts: Mapping[str, NDArray[Any]], n: int) -> Called:
    """The first row that holds, where no earlier row that may hold says otherwise."""
    open_ = np.ones(n, bool)  # no row was certain yet
    unlike = np.zeros(n, bool)  # rows that may hold give different results
    result = np.full(n, -1)
    missing = {one.name: np.zeros(n, bool) for one in table.inputs}
    for place, row in enumerate(table.rows):
        certain, may, lacking = _holds(table, row, facts, n)
        counts = open_ & may
        first = counts & (result < 0)
        unlike |= counts & ~first & _other(table, result, place)
        result = np.where(
            first | (counts & certain & ~unlike), place, result
        )  # the surest row gives the reason
        for name, mask in lacking.items():
            missing[name] |= counts & mask
        open_ &= ~certain
    unlike |= open_ & (result >= 0)  # rows that may hold, and none that must
    return _told(table, result, unlike, missing)


def _other(table: Rule, result: NDArray[Any], place: int) -> NDArray[np.bool_]:
    """Where the row found so far gives another result than the row at `place`."""
    own = table.rows[place].result
    differs = np.array([row.result != own or own is None for row in table.rows] + [False])
    return differs[result]


def _told(
    table: Rule, result: NDArray[Any], unlike: NDArray[np.bool_], missing: Mapping[str, NDArray[np.bool_]]
) -> Called:
    values = [*(row.result for row in table.rows), None]
    reasons = [*(row.because for row in table.rows), "no row of the table holds"]
    unknown = np.where(unlike)[0]
    value = [values[place] for place in result.tolist()]
    reason = [reasons[place] for place in result.tolist()]
    for at in unknown.tolist():
        value[at] = None
        reason[at] = "not known: " + ", ".join(name for name, mask in missing.items() if mask[at])
    return Called(table, pl.Series("value", value, pl.String), pl.Series("reason", reason, pl.String))


def _holds(
    table: Rule, row: RuleRow, facts: Mapping[str, NDArray[Any]], n: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
    """Where a row certainly holds, where it may, and by which inputs it is not certain."""
    certain, may = np.ones(n, bool), np.ones(n, bool)
    lacking: dict[str, Any] = {}
    parts = dict(table.sums)
    levels = {one.name: one.levels for one in table.inputs}
    for name, wanted in row.levels:
        inside = np.isin(levels[name], wanted)
        could = facts[name][:, inside].any(axis=1)
        must = could & ~facts[name][:, ~inside].any(axis=1)
        certain, may = certain & must, may & could
        lacking[name] = could & ~must
    for name, limits in row.limits:
        known = ~np.isnan(facts[name])
        fits = known & np.logical_and.reduce([LIMITS[key](facts[name], limit) for key, limit in limits])
        certain, may = certain & fits, may & (fits | ~known)
        for part in parts.get(name, (name,)):
            lacking[part] = lacking.get(part, np.zeros(n, bool)) | np.isnan(facts[part])
    return certain, may, lacking


def _possible(table: Rule, one: Input, values: list[Any]) -> NDArray[np.bool_]:
    """n x levels: which levels each value may stand for."""
    meanings: dict[Any, tuple[str, ...]] = {level: (level,) for level in one.levels} | dict(one.words)
    meanings[None] = (one.blank,) if one.blank else one.levels
    strange = [value for value in values if value not in meanings]
    if strange:
        raise UsageError(_unfit(table, one, strange))
    kinds = list(meanings)
    rows = np.array([[level in meanings[kind] for level in one.levels] for kind in kinds])
    place = {kind: at for at, kind in enumerate(kinds)}
    return rows[np.array([place[value] for value in values], int)]


def _numbers(table: Rule, one: Input, values: list[Any]) -> NDArray[np.float64]:
    try:
        numbers = np.array([np.nan if value is None else float(value) for value in values])
    except (TypeError, ValueError):
        raise UsageError(_unfit(table, one, [v for v in values if isinstance(v, str)])) from None
    out = (numbers < one.least) | (numbers > one.most)
    if out.any():
        raise UsageError(_unfit(table, one, numbers[out].tolist()))
    return numbers


def _whole(table: Rule, facts: Mapping[str, NDArray[Any]]) -> None:
    """Classes of cells that are summed cannot be more than all cells."""
    for _, parts in table.sums:
        whole = np.nansum([facts[part] for part in parts], axis=0)
        if bool(np.any(whole > 100 + 1e-9)):
            rows = int(np.sum(whole > 100 + 1e-9))
            message = f"{' + '.join(parts)} is over 100 % in {rows} rows of {table.name}"
            raise UsageError(
                Finding("M103", "error", message, found=f"{whole.max():g}", allowed="at most 100",
                        remedy="each cell belongs to one class: give the share of each class alone")
            )  # fmt: skip


def _length(table: Rule, columns: Mapping[str, Any]) -> int:
    names = [one.name for one in table.inputs]
    strange = [name for name in columns if name not in names]
    lengths = {len(_listed(column)) for column in columns.values() if column is not None}
    if strange or len(lengths) != 1:
        message = (
            f"the rule {table.name} has no input {strange[0]!r}"
            if strange
            else "the columns are not of one length"
        )
        raise UsageError(
            Finding("M102", "error", message, found=", ".join(columns), allowed=", ".join(names))
        )
    return lengths.pop()


def _spelt(word: str) -> str:
    return word.casefold().replace("_", " ").strip()


def _listed(column: Any) -> list[Any]:
    """Any column, or one value, as a list with None for what is missing."""
    if column is None or isinstance(column, (str, int, float)):
        column = [column]
    values = column.to_list() if hasattr(column, "to_list") else list(column)
    return [None if value is None or value != value else value for value in values]


def _unfit(table: Rule, one: Input, strange: list[Any]) -> Finding:
    shown = ", ".join(dict.fromkeys(repr(value) for value in strange[:5]))
    message = f"{len(strange)} values of `{one.name}` are none that {table.name} knows"
    return Finding("M103", "error", message, Where(field=one.name), shown, one.allowed,
                   "map your codes to these, or leave the cell empty where the value is missing")  # fmt: skip


@cache
def _tables() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    files = resources.files("sequela") / "data" / "biomarkers"
    for file in sorted(files.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            found |= tomllib.loads(file.read_text("utf-8"))
    return found


def _input(name: str, told: dict[str, Any]) -> Input:
    words = tuple((word, tuple(levels)) for word, levels in told.get("words", {}).items())
    limits = (float(told.get("from", -np.inf)), float(told.get("to", np.inf)))
    return Input(name, tuple(told.get("levels", ())), told.get("blank"), words, *limits)


def _row(told: dict[str, Any]) -> RuleRow:
    levels: list[tuple[str, tuple[str, ...]]] = []
    limits: list[tuple[str, tuple[tuple[str, float], ...]]] = []
    for name, condition in told.items():
        if name in ("result", "because"):
            continue
        if isinstance(condition, dict):
            limits.append((name, tuple((key, float(limit)) for key, limit in condition.items())))
        else:
            levels.append((name, (condition,) if isinstance(condition, str) else tuple(condition)))
    return RuleRow(tuple(levels), tuple(limits), told.get("result"), told["because"])

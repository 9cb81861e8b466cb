"""Tables typed into a TOML file: the shape, and how it becomes a document.

    [study]
    patients = 555
    median_follow_up_months = 41

    [table_2]                                    # one group; its size is what most variables add up to
    er = { negative = 202, positive = 353 }

    [table_3]
    groups = { "T" = 194, "P+T" = 177 }          # optional
    caption = "... (N = 371)"                    # optional
    [table_3.er]
    levels = { positive = [132, 114], negative = ["62 (32.0%)", "63 (35.6%)"] }
    p = 0.46
    note = "Of patients with early disease"      # optional: the text of its footnote

    [survival.second_line]
    os = { median = [74, 52], p = 0.0006 }

    [cox.second_line.pertuzumab]
    os = { hr = 1.79, ci95 = [1.23, 2.61], p = 0.002 }

Decimals count: 1.00 is not 1.0. Parts of other names are left alone.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sequela.audit.printed.content import Caption, Document, Group, Level, Median, Ratio, Table, Variable
from sequela.audit.printed.grids import SIZE
from sequela.audit.printed.numbers import Count, Printed, Span, count, decimal, p_value, whole
from sequela.core.errors import UsageError
from sequela.core.finding import Finding, Where

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_RATIO = re.compile(r"^(hr|or|rr)$")
_CI = re.compile(r"^ci_?(\d\d)?$")
_SUMMARY = re.compile(r"(^|_)(median|mean|months|years|days|range)(_|$)")


def read_typed(path: Path) -> Document:
    """The document of a TOML file.

    Raises:
        UsageError: P101, the file is no TOML.
    """
    try:
        whole_file = tomllib.loads(path.read_text("utf-8"), parse_float=Decimal)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        remedy = "mend the line that the message names; docs/recheck.md shows the shape"
        where = Where(file=str(path))
        raise UsageError(Finding("P101", "error", f"no TOML: {fault}", where, remedy=remedy)) from fault
    return typed_document(whole_file, str(path))


def typed_document(content: Mapping[str, Any], file: str | None = None) -> Document:
    """The document of a parsed TOML file (floats as `Decimal`, so that 1.00 keeps its zeros)."""
    study = content.get("study", {})
    patients = study.get("patients")
    tables = [
        _table(name, part, file, patients)
        for name, part in content.items()
        if isinstance(part, dict) and (name == "study" or name.startswith("table") or name.endswith("groups"))
    ]
    captions = tuple(
        Caption(name, tuple(whole(n) for n in SIZE.findall(str(part["caption"]))), Where(file, field=name))
        for name, part in content.items()
        if isinstance(part, dict) and "caption" in part
    )
    follow_up = _printed(study.get("median_follow_up_months"))
    longest = _printed((study.get("follow_up_range_months") or [None])[-1])
    return Document(
        file or "typed tables",
        tuple(table for table in tables if table.variables),
        tuple(_ratios(content.get("cox", {}), "cox", file)),
        tuple(_medians(content.get("survival", {}), "survival", file, follow_up, longest)),
        captions,
        patients if isinstance(patients, int) else None,
        len(tables),
    )


def _table(name: str, part: Mapping[str, Any], file: str | None, patients: object) -> Table:
    if name.endswith("groups"):
        part = {name: part}
    variables = tuple(found for label, body in part.items() if (found := _variable(name, label, body, file)))
    stated = part.get("groups")
    width = max((len(level.cells) for v in variables for level in v.levels), default=0)
    if isinstance(stated, dict) and len(stated) == width:
        groups = tuple(Group(label, n) for label, n in stated.items())
    else:
        groups = tuple(Group(f"column {j + 1}", _usual(variables, j)) for j in range(width))
    if (name == "study" or name.endswith("groups")) and isinstance(patients, int) and width == 1:
        groups = (Group("all patients", patients),)
    return Table(name, groups, variables, Where(file, field=name))


def _usual(variables: tuple[Variable, ...], j: int) -> int | None:
    """The size that most variables of a column add up to: at least two, and half of them."""
    sums = Counter(
        sum(cell.value for level in v.levels if (cell := level.cells[j]))
        for v in variables
        if not v.summary and len(v.levels) > 1 and len(v.levels[0].cells) > j
    )
    if not sums:
        return None
    size, times = sums.most_common(1)[0]
    return size if times >= 2 and 2 * times >= sums.total() else None


def _variable(table: str, label: str, body: object, file: str | None) -> Variable | None:
    where = Where(file, field=f"{table}.{label}")
    if isinstance(body, int) and not isinstance(body, bool) and table.startswith("table"):
        return Variable(label, (Level(label, (Count(body),)),), None, where, listed=False)
    if not isinstance(body, dict) or label == "groups":
        return None
    levels = body.get("levels", body)
    if not isinstance(levels, dict) or len(levels) < 2:
        return None
    rows = tuple(Level(str(name), _cells(cells)) for name, cells in levels.items())
    if not all(row.cells and all(row.cells) for row in rows) or len({len(row.cells) for row in rows}) > 1:
        return None
    notes: tuple[str, ...] = (str(body["note"]),) if "note" in body and "levels" in body else ()
    p = _printed(body.get("p")) if "levels" in body else None
    return Variable(label, rows, p, where, notes, summary=bool(_SUMMARY.search(label)))


def _cells(cells: object) -> tuple[Count | None, ...]:
    return tuple(count(str(cell)) for cell in (cells if isinstance(cells, list) else [cells]))


def _printed(value: object) -> Printed | None:
    """A number of the file, with the decimals it was typed with; None for words and nothing."""
    if isinstance(value, str):
        return p_value(value)
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return decimal(format(value, "f") if isinstance(value, Decimal) else str(value))
    return None


def _leaves(part: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """All tables below a part that hold no table themselves, with their dotted names."""
    inner = {name: body for name, body in part.items() if isinstance(body, dict)}
    if not inner:
        yield path, part
    for name, body in inner.items():
        yield from _leaves(body, f"{path}.{name}")


def _ratios(part: Mapping[str, Any], path: str, file: str | None) -> Iterator[Ratio]:
    for name, leaf in _leaves(part, path):
        value = next((_printed(v) for k, v in leaf.items() if _RATIO.match(k)), None)
        stated = next(((found, v) for k, v in leaf.items() if (found := _CI.match(k))), None)
        if value is None or stated is None or not isinstance(stated[1], list) or len(stated[1]) != 2:
            continue
        lower, upper = (_printed(limit) for limit in stated[1])
        if lower and upper:
            level = int(stated[0][1] or 95) / 100
            where = Where(file, field=name)
            yield Ratio(name, Span(value, lower, upper), _printed(leaf.get("p")), where, level)


def _medians(
    part: Mapping[str, Any], path: str, file: str | None, follow_up: Printed | None, longest: Printed | None
) -> Iterator[Median]:
    for name, leaf in _leaves(part, path):
        stated: list[Any] = []
        for label, body in leaf.items():
            if label.startswith("median") or "median" in label.split("_"):
                stated += body if isinstance(body, list) else [body]
        for value in map(_printed, stated):
            if value is not None and value.sign == "=":
                yield Median(name, value, Where(file, field=name), None, follow_up, longest)

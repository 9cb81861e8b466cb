"""Grids of text to what they print: which columns are groups, p-values, ratios and medians; which rows belong together.

A column is a group when its heading says `n = 194` or `N (%)`, or when most of its cells are `91 (46.9%)`. A row
without counts opens a variable; the rows below it are its levels, until the next such row, or until every group is
full. A row with a p-value of its own, below a variable that has one, stands alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sequela.audit.printed.content import Caption, Document, Group, Level, Median, Ratio, Table, Variable, key
from sequela.audit.printed.numbers import (
    Printed,
    count,
    decimal,
    is_whole,
    marks,
    p_value,
    span,
    unmarked,
    whole,
)
from sequela.core.finding import Where

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sequela.audit.printed.numbers import Count
    from sequela.records.documents import Grid

SIZE = re.compile(r"\(?\b[nN]\s*[=:]\s*(\d[\d,]*)\)?")
_SHARES = re.compile(r"\bn\b\.?,?\s*\(\s*%\s*\)|\bno\.?\s*\(\s*%\s*\)", re.I)
_P = re.compile(r"(^|[\s–-])p([\s-]?values?)?\.?$|\bp[\s-]values?\b", re.I)
_RATIO = re.compile(r"\b(a?hr|a?or|rr|hazard ratio|odds ratio|risk ratio)s?\b", re.I)
_LEVEL = re.compile(r"(\d\d(?:\.\d)?)\s*%?\s*(?:CI|confidence)", re.I)
_SUMMARY = re.compile(r"\b(median|mean|sd|iqr|range|average|quartiles?)\b", re.I)
_NOTE = re.compile(r"\^([a-z*†‡§]{1,2})\^|(?:^|(?<=[.\s]))([*†‡§])(?=\s*[A-Z])")


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which columns of a grid are what; `p_of` maps a ratio's column to that of its p-value."""

    heads: tuple[str, ...]
    groups: tuple[int, ...]
    p: int | None
    ratios: tuple[int, ...]
    medians: tuple[int, ...]
    p_of: dict[int, int]


@dataclass(slots=True)
class _Block:
    """A variable while its rows are read."""

    label: str
    line: int
    p: Printed | None
    levels: list[Level] = field(default_factory=list)
    marks: tuple[str, ...] = ()
    listed: bool = True


def document(name: str, grids: Sequence[Grid], file: str | None = None) -> Document:
    """The contents of the grids of one document."""
    tables, ratios, medians, captions = list[Table](), list[Ratio](), list[Median](), list[Caption]()
    for number, grid in enumerate(grids, 1):
        columns = _columns(grid)
        title = _title(grid, number)
        sizes = tuple(whole(n) for n in SIZE.findall(grid.caption))
        captions.append(Caption(title, sizes, Where(file, field=title)))
        if columns.groups:
            tables.append(_table(grid, columns, captions[-1]))
        ratios += _ratios(grid, columns, title, file)
        medians += _medians(grid, columns, title, file)
    read = tuple(tables), tuple(ratios), tuple(medians), tuple(captions)
    return Document(name, *read, grids=len(grids))


def _title(grid: Grid, number: int) -> str:
    named = re.match(r"(?:supplementary )?table\s*[\w.]+", grid.caption, re.I)
    return named[0].rstrip(".") if named else (unmarked(grid.caption)[:60] or f"table {number}")


def _columns(grid: Grid) -> _Columns:
    heads = _heads(grid)
    body = grid.rows[grid.heads :]
    cells = [[row[j] for row in body if row[j]] for j in range(len(heads))]
    p = tuple(j for j, head in enumerate(heads) if j and _P.search(unmarked(head)))
    ratios = tuple(
        j for j, head in enumerate(heads) if j and _RATIO.search(head) and any(map(span, cells[j]))
    )
    medians = tuple(
        j for j, head in enumerate(heads) if j and "median" in head.lower() and "follow" not in head.lower()
    )
    taken = {*p, *ratios, *medians}
    groups = tuple(j for j in range(1, len(heads)) if j not in taken and _is_group(heads[j], cells[j]))
    p_of = {
        j: next((k for k in p if k > j), -1)
        for j in ratios
        if not any(j < r < next((k for k in p if k > j), -1) for r in ratios)
    }
    return _Columns(heads, groups, p[0] if groups and p else None, ratios, medians, p_of)


def _heads(grid: Grid) -> tuple[str, ...]:
    """For every column its headings, from top to bottom, without repetition."""
    columns = zip(*grid.rows[: grid.heads], strict=True) if grid.rows else ()
    return tuple(" – ".join(dict.fromkeys(cell for cell in column if cell)) for column in columns)


def _is_group(head: str, cells: Sequence[str]) -> bool:
    shares = [cell for cell in cells if (found := count(unmarked(cell))) and found.percent]
    counts = [cell for cell in cells if count(unmarked(cell))]
    if SIZE.search(head) or _SHARES.search(head):
        return bool(counts)
    return bool(shares) and 2 * len(shares) >= len(cells)


def _table(grid: Grid, columns: _Columns, caption: Caption) -> Table:
    stated = [SIZE.search(columns.heads[j]) for j in columns.groups]
    sizes = [whole(found[1]) if found else None for found in stated]
    if not any(sizes) and len(caption.sizes) == len(sizes):
        sizes = list(caption.sizes)
    labels = [_SHARES.sub("", SIZE.sub("", columns.heads[j])) for j in columns.groups]
    groups = tuple(
        Group(unmarked(label).strip(" –[],") or caption.title, n)
        for label, n in zip(labels, sizes, strict=True)
    )
    notes = _notes(grid.notes or "")
    file, title = caption.where.file, caption.title
    blocks = [block for block in _blocks(grid, columns, groups) if block.levels]
    shares = any(_has_share(block) for block in blocks)
    variables = tuple(
        _variable(
            block,
            Where(file, block.line, f"{title}: {block.label}"),
            tuple(notes[mark] for mark in block.marks if mark in notes),
            counted=_has_share(block) or not shares,
        )
        for block in blocks
    )
    return Table(title, groups, variables, caption.where, grid.notes is not None)


def _has_share(block: _Block) -> bool:
    return any(cell and (cell.percent or cell.of) for level in block.levels for cell in level.cells)


def _notes(text: str) -> dict[str, str]:
    """Footnotes by their mark, each up to the next mark or the end of its sentence."""
    found = list(_NOTE.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)]
    texts: dict[str, str] = {}
    for match, end in zip(found, ends[: len(found)], strict=True):
        words = re.split(r"(?<=[.)])\s|Abbreviations", text[match.end() : end].strip())
        texts.setdefault(match[1] or match[2], words[0].strip())
    return texts


def _variable(block: _Block, where: Where, notes: tuple[str, ...], *, counted: bool) -> Variable:
    """The variable of a block; whole numbers without a percentage, where others have one, are no counts."""
    labels = [block.label, *(level.label for level in block.levels)]
    summary = not counted or any(_SUMMARY.search(label) for label in labels)
    return Variable(block.label, tuple(block.levels), block.p, where, notes, block.listed, summary)


def _blocks(grid: Grid, columns: _Columns, groups: Sequence[Group]) -> Iterator[_Block]:
    """The rows of the body, gathered into variables."""
    rows = list(zip(grid.rows[grid.heads :], grid.lines[grid.heads :], strict=True))
    sections = any(row[0] and not _counts(row, columns) for row, _ in rows)
    alone = sections or columns.p is not None
    block = None if alone else _Block(columns.heads[0], grid.lines[0], None)
    for row, line in rows:
        label = unmarked(row[0])
        p = p_value(unmarked(row[columns.p])) if columns.p is not None else None
        if not _counts(row, columns):
            if block:
                yield block
            block = _Block(label, line, p, marks=marks(row[0]))
            continue
        level = Level(label, tuple(_cell(row[j]) for j in columns.groups), line)
        if block is None or _closed(block, level, groups) or (p and (block.p or block.levels)):
            if block:
                yield block
            block = None
            yield _Block(label, line, p, [level], marks(row[0]), listed=False)
            continue
        block.levels.append(level)
        block.p = block.p or p
    if block:
        yield block


def _counts(row: Sequence[str], columns: _Columns) -> bool:
    return any(_cell(row[j]) for j in columns.groups)


def _cell(text: str) -> Count | None:
    return count(unmarked(text))


def _closed(block: _Block, following: Level, groups: Sequence[Group]) -> bool:
    """Whether the levels so far are all of the variable, so that the row below stands alone.

    They are when they hold all patients of every group, or when in every one of several groups they have room in
    it, and the row below has not: one count may be mistyped, all of them are not.
    """
    sizes = [group.n for group in groups if group.n]
    if len(block.levels) < 2 or len(sizes) < len(groups):
        return False
    sums = [sum(cell.value for level in block.levels if (cell := level.cells[j])) for j in range(len(groups))]
    more = [total + (cell.value if cell else 0) for total, cell in zip(sums, following.cells, strict=True)]
    fitted = all(total <= n for total, n in zip(sums, sizes, strict=True))
    beyond = all(total > n for total, n in zip(more, sizes, strict=True))
    return sums == sizes or (len(groups) > 1 and fitted and beyond)


def _ratios(grid: Grid, columns: _Columns, title: str, file: str | None) -> Iterator[Ratio]:
    for row, line, label in _labelled(grid):
        for j in columns.ratios:
            if found := span(unmarked(row[j])):
                k = columns.p_of.get(j, -1)
                level = _LEVEL.search(columns.heads[j])
                yield Ratio(
                    f"{label}, {columns.heads[j]}" if len(columns.ratios) > 1 else label,
                    found,
                    p_value(unmarked(row[k])) if k > 0 else None,
                    Where(file, line, f"{title}: {label}"),
                    float(level[1]) / 100 if level else 0.95,
                )


def _medians(grid: Grid, columns: _Columns, title: str, file: str | None) -> Iterator[Median]:
    follow = next((j for j, head in enumerate(columns.heads) if "follow" in head.lower()), None)
    for row, line, label in _labelled(grid):
        followed, longest = (
            _follow_up(row[follow], columns.heads[follow]) if follow is not None else (None, None)
        )
        for j in columns.medians:
            text, where = unmarked(row[j]), Where(file, line, f"{title}: {label}")
            found = span(text)
            value = found.value if found else _number(text)
            if value is not None:
                yield Median(f"{label}, {columns.heads[j]}", value, where, found, followed, longest)


def _follow_up(text: str, head: str) -> tuple[Printed | None, Printed | None]:
    """Median follow-up, and the longest where the heading says that the range stands beside it."""
    found = span(unmarked(text))
    if found is None:
        return _number(unmarked(text)), None
    return found.value, found.upper if "range" in head.lower() else None


def _number(text: str) -> Printed | None:
    return decimal(text) if is_whole(text) or re.fullmatch(r"\d+[.·]\d+", text) else None


def _labelled(grid: Grid) -> Iterator[tuple[Sequence[str], int, str]]:
    """Rows of the body with their line and their full label: the heading row above, and their own."""
    section = ""
    for row, line in zip(grid.rows[grid.heads :], grid.lines[grid.heads :], strict=True):
        label = unmarked(row[0])
        if all(key(cell) in ("", key(label)) for cell in row[1:]):
            section = label
        yield row, line, f"{section}: {label}" if section and section != label else label

"""What the wells of a plate hold: a layout as grids of a spreadsheet, or as ranges in TOML."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from sequela.core.errors import DataError
from sequela.core.finding import Finding, Where
from sequela.records.grids import SHAPES, find_grids, read_rows, well_place
from sequela.records.source import Source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def read_layout(path: Path, wells: int, fields: tuple[str, ...]) -> dict[tuple[int, int], dict[str, str]]:
    """What each well holds, one text a field, from a CSV of grids or from TOML.

    CSV: one grid a field, with the name of the field left of the 1.

    TOML: `[[fill]]` tables with `wells = "B2:G11"` (or a list) and the fields they hold; later ones win.

    Raises:
        DataError: B103, the layout is missing, names no field, or a range that is no range.
    """
    if not path.is_file():
        raise DataError(_fault(path, fields, "the layout is missing", None))
    if path.suffix == ".toml":
        return _from_toml(path, wells, fields)
    held: dict[tuple[int, int], dict[str, str]] = {}
    grids = find_grids(read_rows(Source("layout", (path.name,), ()), path), wells)
    for grid in grids:
        if grid.title not in fields:
            raise DataError(
                _fault(path, fields, "a grid of the layout names no field", grid.title or "no title")
            )
        for place, (text, _) in grid.cells.items():
            held.setdefault(place, {})[grid.title] = text
    if not grids:
        raise DataError(_fault(path, fields, "the layout holds no grid", None))
    return held


def _from_toml(path: Path, wells: int, fields: tuple[str, ...]) -> dict[tuple[int, int], dict[str, str]]:
    try:
        fills = tomllib.loads(path.read_text("utf-8"))["fill"]
    except (tomllib.TOMLDecodeError, KeyError) as fault:
        raise DataError(
            _fault(path, fields, "the layout has no [[fill]] that can be read", str(fault))
        ) from None
    held: dict[tuple[int, int], dict[str, str]] = {}
    for fill in fills:
        told = {key: str(value) for key, value in fill.items() if key != "wells"}
        unknown = sorted(told.keys() - set(fields))
        if unknown:
            raise DataError(_fault(path, fields, "a fill of the layout names no field", unknown[0]))
        ranges = fill.get("wells", "")
        for text in [ranges] if isinstance(ranges, str) else ranges:
            for place in _range(path, text, wells, fields):
                held.setdefault(place, {}).update(told)
    return held


def _range(path: Path, text: str, wells: int, fields: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    first, _, last = text.partition(":")
    corners = (well_place(first), well_place(last or first))
    height, width = SHAPES[wells]
    if corners[0] is None or corners[1] is None or corners[1][0] > height or corners[1][1] > width:
        raise DataError(_fault(path, fields, f"no range of wells of a plate of {wells}", text))
    for row in range(corners[0][0], corners[1][0] + 1):
        for column in range(corners[0][1], corners[1][1] + 1):
            yield row, column


def _fault(path: Path, fields: tuple[str, ...], message: str, found: str | None) -> Finding:
    return Finding(
        "B103",
        "error",
        message,
        Where(str(path)),
        found,
        f"fields: {', '.join(fields)}",
        "see the page on the bench: plates and layouts",
    )

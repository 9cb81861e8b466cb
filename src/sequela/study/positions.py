"""Where a key stands in a TOML file: errors point into the user's own text."""

from __future__ import annotations

import re
from typing import Final

Path = tuple[str | int, ...]

_HEADER: Final = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]\]?")
_KEY: Final = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*")(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"))*)\s*=""")
_INLINE: Final = re.compile(r"""([A-Za-z0-9_-]+|"[^"]*")\s*=""")


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip('"') for part in re.findall(r'"[^"]*"|[^.\s]+', dotted))


def lines_of(text: str) -> dict[Path, int]:
    """Line number (from 1) of every header and key in `text`, by path; array tables count from 0."""
    found: dict[Path, int] = {}
    counts: dict[tuple[str, ...], int] = {}
    table: Path = ()
    open_key: Path = ()
    item = -1
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _table(_parts(header[2]), counts, array=header[1] == "[[")
            found.setdefault(table, number)
            open_key = ()
        elif key := _KEY.match(line):
            path = (*table, *_parts(key[1]))
            found.setdefault(path, number)
            for inner in _INLINE.findall(line[key.end() :]):
                found.setdefault((*path, inner.strip('"')), number)
            open_key, item = path, -1
        elif open_key and line.lstrip().startswith("{"):
            item += 1
            found.setdefault((*open_key, item), number)
    return found


def _table(parts: tuple[str, ...], counts: dict[tuple[str, ...], int], *, array: bool) -> Path:
    if array:
        counts[parts] = counts.get(parts, -1) + 1
    path: list[str | int] = []
    for depth, part in enumerate(parts, 1):
        path.append(part)
        if parts[:depth] in counts:
            path.append(counts[parts[:depth]])
    return tuple(path)


def nearest_line(found: dict[Path, int], path: Path) -> int | None:
    """The line of `path`, or of the closest part of it that has one."""
    for depth in range(len(path), 0, -1):
        if path[:depth] in found:
            return found[path[:depth]]
    return None


def line_in(file: str, path: Path) -> int | None:
    """The line of a key in a study file on disk; None where there is no file any more."""
    try:
        with open(file, encoding="utf-8") as text:  # noqa: PTH123  (`Path` is a key's path here)
            return nearest_line(lines_of(text.read()), path)
    except OSError:
        return None

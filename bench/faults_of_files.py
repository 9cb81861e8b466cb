"""Files that are broken as a whole, and files that only look odd: spoilt in place."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

Spoil = Callable[[Path, np.random.Generator], Path]
TABLES = ("patients", "treatments", "progressions", "follow_up", "visits")
ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)")


@dataclass(frozen=True)
class FileFault:
    """A name, the codes of which one must be said of the file, and what spoils it."""

    name: str
    codes: tuple[str, ...]
    spoil: Spoil


def _text(change: Callable[[list[str], np.random.Generator], list[str]], name: str | None = None) -> Spoil:
    """Change the lines of one file: the banner, the header and the rows."""

    def spoil(data: Path, rng: np.random.Generator) -> Path:
        file = data / f"{name or rng.choice(TABLES)}.csv"
        lines = change(file.read_text("utf-8").splitlines(), rng)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
        return file

    return spoil


def _bytes(change: Callable[[bytes, np.random.Generator], bytes], name: str | None = None) -> Spoil:
    def spoil(data: Path, rng: np.random.Generator) -> Path:
        file = data / f"{name or rng.choice(TABLES)}.csv"
        file.write_bytes(change(file.read_bytes(), rng))
        return file

    return spoil


def _some_row(lines: list[str], rng: np.random.Generator) -> int:
    return int(rng.integers(2, len(lines) - 1))


def _cut(whole: bytes, rng: np.random.Generator) -> bytes:
    """The copy stopped in the middle of a row."""
    lines = whole.splitlines(keepends=True)
    at = int(rng.integers(3, len(lines)))
    return b"".join(lines[:at]) + lines[at][: lines[at].index(b",")]


def _row(change: Callable[[str], str]) -> Callable[[list[str], np.random.Generator], list[str]]:
    def spoil(lines: list[str], rng: np.random.Generator) -> list[str]:
        at = _some_row(lines, rng)
        return [*lines[:at], change(lines[at]), *lines[at + 1 :]]

    return spoil


def _column(change: Callable[[str], str], name: str) -> Callable[[list[str], np.random.Generator], list[str]]:
    """Change the filled cells of one column."""

    def spoil(lines: list[str], _: np.random.Generator) -> list[str]:
        at = lines[1].split(",").index(name)
        rows = [line.split(",") for line in lines[2:]]
        for row in rows:
            row[at] = change(row[at]) if row[at] else ""
        return [*lines[:2], *map(",".join, rows)]

    return spoil


def _other_order(lines: list[str], rng: np.random.Generator) -> list[str]:
    """A third of the rows with dates as 02/03/2014."""
    turned = rng.random(len(lines)) < 1 / 3
    turned[2] = True
    return [
        ISO.sub(r"\3/\2/\1", line) if turn and i > 1 else line
        for i, (line, turn) in enumerate(zip(lines, turned, strict=True))
    ]


def _serial(cell: str) -> str:
    return str((date.fromisoformat(cell) - date(1899, 12, 30)).days)


def _gone(data: Path, rng: np.random.Generator) -> Path:
    file = data / f"{rng.choice(TABLES)}.csv"
    file.unlink()
    return file


FILE_FAULTS = (
    FileFault("the file is missing", ("R101",), _gone),
    FileFault("no bytes", ("R102",), _bytes(lambda *_: b"")),
    FileFault("a header and no rows", ("R102",), _text(lambda lines, _: lines[:2])),
    FileFault("cut short in the middle of a row", ("R103",), _bytes(_cut)),
    FileFault("a quotation mark that is not closed", ("R103",), _text(_row(lambda line: line.replace(",", ',"', 1)))),
    FileFault("accents in Windows' encoding", ("R104",), _bytes(lambda b, _: b.replace(b"P001,", "P001\xe9,".encode("cp1252"), 1))),
    FileFault("UTF-16", ("R104",), _bytes(lambda b, _: b.decode().encode("utf-16"))),
    FileFault("semicolons for commas", ("R105",), _text(lambda lines, _: [line.replace(",", ";") for line in lines])),
    FileFault("tabs for commas", ("R105",), _text(lambda lines, _: [line.replace(",", "\t") for line in lines])),
    FileFault("a row with a cell too many", ("R106",), _text(_row(lambda line: f"{line},x"))),
    FileFault("merged cells: a row with a cell too few", ("R106",), _text(_row(lambda line: line.replace(",", "", 1)))),
    FileFault("a column is missing", ("R107",), _text(lambda lines, _: [line.split(",", 1)[1] if i else line for i, line in enumerate(lines)])),
    FileFault("a title above the header", ("R107", "R105", "R106"), _text(lambda lines, _: [lines[0], "Export of the registry", *lines[1:]])),
    FileFault("a header with one name twice", ("R108",), _text(lambda lines, _: [lines[0], f"{lines[1]},patient", *(f"{line},x" for line in lines[2:])])),
    FileFault("decimal commas", ("R109", "R201"), _text(_column(lambda cell: f'"{cell},5"', "ki67_percent"), "patients")),
    FileFault("a number with its unit", ("R109",), _text(_column(lambda cell: f"{cell} years", "age"), "patients")),
    FileFault("dates as a spreadsheet's serial numbers", ("R109",), _text(_column(_serial, "start_date"), "treatments")),
    FileFault("dates with two figures of the year", ("R109", "R110"), _text(_column(lambda cell: cell[2:], "metastatic_date"), "patients")),
    FileFault("dates in two formats", ("R110",), _text(_other_order)),
    FileFault("all dates in another format", ("R110",), _text(_column(lambda cell: ISO.sub(r"\3.\2.\1", cell), "start_date"), "treatments")),
)  # fmt: skip
HARMLESS: dict[str, Spoil] = {
    "a byte order mark": _bytes(lambda b, _: b"\xef\xbb\xbf" + b),
    "line ends of Windows": _bytes(lambda b, _: b.replace(b"\n", b"\r\n")),
    "every cell in quotation marks": _text(lambda lines, _: [lines[0], *(",".join(f'"{cell}"' for cell in line.split(",")) for line in lines[1:])]),
    "spaces around the cells": _text(lambda lines, _: [*lines[:2], *(line.replace(",", " , ") for line in lines[2:])]),
    "no line end at the end": _bytes(lambda b, _: b.rstrip(b"\n")),
    "columns in another order": _text(lambda lines, _: [lines[0], *(",".join(reversed(line.split(","))) for line in lines[1:])]),
}  # fmt: skip

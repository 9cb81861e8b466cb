"""Bad inputs, each made from the template study: the tests run them, and the documentation prints their messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sequela.cli.examples import copy_template


@dataclass(frozen=True)
class Bad:
    title: str
    exit_code: int
    code: str
    spoil: Callable[[Path], None]


def _edit(name: str, old: str, new: str, times: int = 1) -> Callable[[Path], None]:
    def spoil(directory: Path) -> None:
        path = directory / name
        text = path.read_text("utf-8")
        assert old in text, (name, old)
        path.write_text(text.replace(old, new, times), encoding="utf-8")

    return spoil


def _truncate(directory: Path) -> None:
    path = directory / "data" / "treatments.csv"
    whole = path.read_text("utf-8").splitlines()[:30]
    path.write_text("\n".join([*whole[:-1], whole[-1][:14]]), encoding="utf-8")


def _semicolons(directory: Path) -> None:
    path = directory / "data" / "patients.csv"
    path.write_text(path.read_text("utf-8").replace(",", ";"), encoding="utf-8")


def _latin(directory: Path) -> None:
    path = directory / "data" / "treatments.csv"
    path.write_bytes(
        path.read_text("utf-8").replace("T-DM1", "T-DM1 (trastuzumab-emtansina, perché)").encode("latin-1")
    )


def _column(column: int, change: Callable[[int, str], str], name: str) -> Callable[[Path], None]:
    """Change one column of a CSV file, row by row."""

    def spoil(directory: Path) -> None:
        path = directory / "data" / name
        comment, header, *rows = path.read_text("utf-8").splitlines()
        cells = [row.split(",") for row in rows]
        for i, row in enumerate(cells):
            row[column] = change(i, row[column])
        path.write_text("\n".join([comment, header, *map(",".join, cells)]) + "\n", encoding="utf-8")

    return spoil


def _italian(i: int, text: str) -> str:
    year, month, day = text.split("-")
    return f"{day}/{month}/{year}" if i % 2 else text


def _empty(directory: Path) -> None:
    (directory / "data" / "patients.csv").write_bytes(b"")


def _nobody_dies(directory: Path) -> None:
    path = directory / "data" / "follow_up.csv"
    rows = [
        row.replace("dead", "alive").rsplit(",", 1)[0] + "," if row[0] == "P" else row
        for row in path.read_text("utf-8").splitlines()
    ]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def _without_pertuzumab(directory: Path) -> None:
    path = directory / "data" / "treatments.csv"
    kept = [
        row
        for row in path.read_text("utf-8").splitlines()
        if "pertuzumab" not in row and "Perjeta" not in row
    ]
    path.write_text("\n".join(kept) + "\n", encoding="utf-8")


STUDY, PATIENTS, TREATMENTS = "study.toml", "data/patients.csv", "data/treatments.csv"
BAD = (
    Bad("A truncated file", 1, "R103", _truncate),
    Bad("Another delimiter", 1, "R105", _semicolons),
    Bad("Another encoding", 1, "R104", _latin),
    Bad("A missing column", 1, "R107", _edit(PATIENTS, "er_percent", "er_percentage")),
    Bad("A column that changed type", 1, "R109", _column(2, lambda _, text: f"{text} years", "patients.csv")),
    Bad("An empty file", 1, "R102", _empty),
    Bad("A missing file", 1, "R101", lambda d: (d / "data" / "follow_up.csv").rename(d / "data" / "followup.csv") and None),
    Bad("Dates in two formats", 1, "R110", _column(2, _italian, "treatments.csv")),
    Bad("An endpoint without events", 1, "C406", _nobody_dies),
    Bad("One group only", 1, "C407", _without_pertuzumab),
    Bad("Nobody is left in the cohort", 1, "C404", _edit(STUDY, 'where = "lines >= 1"', 'where = "lines >= 9"')),
    Bad("A misspelt key", 2, "S103", _edit(STUDY, "lookback_days = 14", "lookback_day = 14")),
    Bad("A missing key", 2, "S104", _edit(STUDY, 'index = "metastatic"', "")),
    Bad("A wrong value", 2, "S105", _edit(STUDY, 'time_unit = "month"', 'time_unit = "fortnight"')),
    Bad("An expression that cannot be read", 2, "S106", _edit(STUDY, 'where = "lines >= 1"', 'where = "lines => 1"')),
    Bad("An unknown anchor", 2, "S107", _edit(STUDY, 'at = "last_contact.date"', 'at = "last_contct.date"')),
    Bad("Overlapping groups", 2, "S112", _edit(STUDY, 'where = "not line[1] has pertuzumab"', 'where = "lines >= 1"')),
    Bad("Groups that leave a gap", 2, "S113", _edit(STUDY, 'where = "not line[1] has pertuzumab"', 'where = "line[1] has lapatinib and not line[1] has pertuzumab"')),
    Bad("A text compared with a number", 2, "S116", _edit(STUDY, 'where = "lines >= 1"', 'where = "visceral >= 1"')),
    Bad("An unknown drug or class", 2, "S122", _edit(STUDY, "has pertuzumab", "has pertuzumap", 2)),
    Bad("An unknown rule set", 2, "S120", _edit(STUDY, 'rules = "her2-abc"', 'rules = "her2-abd"')),
    Bad("No TOML", 2, "S102", _edit(STUDY, 'title = "My study"', "title = My study")),
)  # fmt: skip


def make(bad: Bad, directory: Path) -> Path:
    """The template study in `directory`, spoilt."""
    copy_template(directory)
    bad.spoil(directory)
    return directory

"""Lines decided by hand: a table beside the study file, each row with who decided, when and why."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final, Literal, get_args

from sequela.core.errors import DataError, StudyError
from sequela.core.finding import Finding, Where

if TYPE_CHECKING:
    from pathlib import Path

Decision = Literal["new line", "same line", "leave out"]
COLUMNS: Final = ("patient", "day", "decision", "user", "date", "reason")
DECISIONS: Final = get_args(Decision)


@dataclass(frozen=True, slots=True)
class Override:
    """One decision about everything that a patient started on one day, and the line of the file it stands in."""

    patient: str
    day: int
    decision: Decision
    user: str
    date: str
    reason: str
    line: int


def read_overrides(file: Path, *, dates: bool, where: Where) -> tuple[Override, ...]:
    """The decisions of a CSV file with the columns of `COLUMNS`.

    Args:
        file: where it stands.
        dates: whether `day` is a calendar date (YYYY-MM-DD), else a whole number of days.
        where: the key of the study file that names it.

    Raises:
        StudyError: S127, there is no such file, or a column is missing.
        DataError: C319, rows without a day, an allowed decision, or who decided, when and why; two for one day.
    """
    try:
        text = file.read_text("utf-8-sig")
    except FileNotFoundError:
        raise StudyError(_finding("S127", "the file of overrides does not exist", where, str(file))) from None
    reader = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    absent = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if absent:
        message = f"the file of overrides has no column {', '.join(absent)}"
        raise StudyError(_finding("S127", message, where, ", ".join(reader.fieldnames or ())))
    skipped = sum(line.startswith("#") for line in text.splitlines())
    found: dict[tuple[str, int], Override] = {}
    faults: list[Finding] = []
    for row in reader:
        place = Where(str(file), reader.line_num + skipped, patient=row["patient"] or None)
        one = _override({key: (row[key] or "").strip() for key in COLUMNS}, place, dates=dates)
        if isinstance(one, Override) and (one.patient, one.day) in found:
            faults.append(_fault("a second decision about the same day", place, one.decision))
        elif isinstance(one, Override):
            found[one.patient, one.day] = one
        else:
            faults.append(one)
    if faults:
        raise DataError(faults)
    return tuple(found.values())


def _override(row: dict[str, str], place: Where, *, dates: bool) -> Override | Finding:
    empty = [name for name in COLUMNS if not row[name]]
    if empty:
        return _fault(f"an override says no {', '.join(empty)}", place, None)
    decision = next((one for one in DECISIONS if one == row["decision"]), None)
    if decision is None:
        return _fault("unknown decision", place, row["decision"])
    try:
        day = (date.fromisoformat(row["day"]) - date(1970, 1, 1)).days if dates else int(row["day"])
    except ValueError:
        return _fault("the day of an override cannot be read", place, row["day"])
    return Override(row["patient"], day, decision, row["user"], row["date"], row["reason"], place.line or 0)


def _fault(message: str, place: Where, found: str | None) -> Finding:
    return Finding(
        "C319",
        "error",
        message,
        place,
        found=found,
        allowed=f"patient, day, {' / '.join(DECISIONS)}, user, date and reason; one decision for a day",
        remedy="fill in the row: a decision without its author and reason cannot be checked",
    )


def _finding(code: str, message: str, where: Where, found: str) -> Finding:
    return Finding(
        code, "error", message, where, found=found, allowed=", ".join(COLUMNS),
        remedy="give the path beside the study file, with these columns",
    )  # fmt: skip

"""What a rule is, and what it may look at.

The rules stand in `data/codes_checks.toml`: one definition for `sequela check`, for a form that is being typed, and
for the manual.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, Literal

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sequela.clinic.drugs import Dictionary
    from sequela.clinic.tables import Registry
    from sequela.core.finding import Severity
    from sequela.core.sequence import Sequences
    from sequela.records.reading import Table
    from sequela.study.model import Study

MOST: Final = 1000  # breaks of one rule that are listed one by one
Scope = Literal["cell", "row", "patient", "registry", "centre"]


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """What a rule may look at.

    Attributes:
        study, tables, registry, lines: the protocol, its sources as read, joined, and as lines of therapy.
        dictionary: names of drugs.
        today: the clock, for dates in the future.
    """

    study: Study
    tables: Mapping[str, Table]
    registry: Registry
    lines: Sequences
    dictionary: Dictionary
    today: date

    @property
    def death(self) -> str | None:
        """The anchor with a status: the end of the patient's life."""
        return next((name for name, anchor in self.study.anchors.items() if anchor.status), None)

    @property
    def dated(self) -> bool:
        """Whether the study's clock has dates; else it counts days."""
        return self.study.study.time == "dates"


@dataclass(frozen=True, slots=True)
class Rule:
    """One definition.

    Attributes:
        code, severity, message, allowed, remedy: as a finding prints them.
        scope: what it looks at.
        field: what the finding points to.
        rows, needs, any, broken, shows: of a rule that is a statement about one row of a sheet: the sheet, the columns
            it needs (all, and one of `any`), an SQL condition that is true of rows that break it, and what is printed.
            `rows` is empty where the rule is a function.
        example: values that break it, or words.
    """

    code: str
    title: str
    severity: Severity
    scope: Scope
    message: str
    field: str
    allowed: str
    text: str
    remedy: str
    example: Mapping[str, Any] | str
    rows: str = ""
    needs: tuple[str, ...] = ()
    any: tuple[str, ...] = ()
    broken: str = ""
    shows: tuple[str, ...] = ()

    @property
    def condition(self) -> pl.Expr:
        """True of a row that breaks the rule; unknown where a value is."""
        return pl.sql_expr(self.broken)


@dataclass(frozen=True, slots=True)
class Break:
    """Where a rule that is a function was broken."""

    found: str
    file: str | None = None
    line: int | None = None
    patient: str | None = None
    centre: str | None = None
    field: str | None = None


def uncounted(broken: int) -> list[Break]:
    """What is said of the breaks that are not listed one by one."""
    return [Break(f"{broken - MOST} more, besides the {MOST} listed")] if broken > MOST else []


def spoken(text: str) -> str:
    """A title or a sentence as a finding says it: no capital unless of an acronym, no full stop."""
    first = text if text[1:2].isupper() or text[1:2].isdigit() else text[:1].lower() + text[1:]
    return first.strip().removesuffix(".")


@cache
def rules() -> Mapping[str, Rule]:
    """Every rule by its code, in order."""
    told = tomllib.loads((files("sequela") / "data" / "codes_checks.toml").read_text("utf-8"))
    return {code: _rule(code, entry) for code, entry in sorted(told.items())}


def _rule(code: str, entry: dict[str, Any]) -> Rule:
    needs, either = tuple(entry.pop("needs", ())), tuple(entry.pop("any", ()))
    return Rule(
        code=code,
        needs=needs,
        any=either,
        shows=tuple(entry.pop("shows", (*needs, *either))),
        message=spoken(entry.pop("message", entry["title"])),
        remedy=spoken(entry.pop("remedy")),
        **entry,
    )


def day_of(value: date) -> int:
    """Days since 1970-01-01."""
    return (value - date(1970, 1, 1)).days

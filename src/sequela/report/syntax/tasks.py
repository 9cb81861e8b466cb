"""What a program is to compute: one frozen noun per kind of table. Names are those of the exported analysis set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from sequela.records.labelled import Labelled


@dataclass(frozen=True, slots=True)
class Factor:
    """A variable: `levels` in order (the first is the reference), or none for a number, modelled per `per` units.

    `only` is a flag of the patients among whom it is described; `summary` says how a number is.
    """

    name: str
    label: str
    levels: tuple[str, ...] = ()
    per: float = 1.0
    only: str | None = None
    summary: Literal["median_iqr", "median_range", "mean_sd"] = "median_iqr"


@dataclass(frozen=True, slots=True)
class Clock:
    """An endpoint: days, event (0 censored), and entry where somebody enters later."""

    label: str
    days: str
    event: str
    entry: str | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """Characteristics, over all or by group."""

    id: str
    title: str
    use: str
    by: Factor | None
    variables: tuple[Factor, ...]
    test: bool


@dataclass(frozen=True, slots=True)
class Survival:
    """Kaplan-Meier curves with medians, log-rank and hazard ratio."""

    id: str
    title: str
    use: str
    clock: Clock
    by: Factor | None


@dataclass(frozen=True, slots=True)
class Medians:
    """Medians of several endpoints by group, over all and within the levels of a variable."""

    id: str
    title: str
    use: str
    clocks: tuple[Clock, ...]
    by: Factor
    within: Factor | None


@dataclass(frozen=True, slots=True)
class Cox:
    """Cox models of each variable alone, and of those that entered together."""

    id: str
    title: str
    use: str
    clock: Clock
    terms: tuple[Factor, ...]
    joint: tuple[Factor, ...]
    ties: Literal["efron", "breslow", "exact"]
    strata: tuple[str, ...]
    cluster: str | None


@dataclass(frozen=True, slots=True)
class Left:
    """An analysis that these programs do not repeat, and why."""

    id: str
    title: str
    why: str


Task = Counts | Survival | Medians | Cox | Left


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Everything a program needs: the table, its file stem, what to compute, and the unit that medians are shown in."""

    table: Labelled
    stem: str
    tasks: tuple[Task, ...]
    unit: str
    days: float
    notes: tuple[str, ...]

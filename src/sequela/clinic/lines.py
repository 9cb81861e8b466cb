"""Lines of therapy of all patients: treatments in, sequences with a reason for every boundary out. See `fold`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals as nw
import polars as pl

from sequela.clinic.drugs import read_dictionary
from sequela.clinic.fold import Course, Line, Treatment, fold
from sequela.clinic.rules import RuleSet, read_rules
from sequela.core.errors import UsageError
from sequela.core.finding import Finding, Where
from sequela.core.sequence import Sequences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

LINE_SCHEMA: dict[str, Any] = {
    "subject": pl.String,
    "step": pl.Int32,
    "start": pl.Int32,
    "end": pl.Int32,
    "agents": pl.Int64,
    "start_reason": pl.String,
    "end_reason": pl.String,
    "rule": pl.String,
    "regimen": pl.List(pl.String),
    "companions": pl.List(pl.String),
    "maintenance_start": pl.Int32,
    "stop_reason": pl.String,
    "beyond_progression": pl.Int32,
}


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of all patients, and where each treatment row went (`row`, `agent`, `step` or null, `rule`)."""

    sequences: Sequences
    placed: pl.DataFrame


MOST_AGENTS = 63
OTHER = "other_agents"
NO_COURSE = Course()


def lines_of_therapy(
    treatments: pl.DataFrame,
    rules: RuleSet,
    classes: Callable[[str], frozenset[str]],
    asked: frozenset[str] = frozenset(),
    courses: Mapping[str, Course] | None = None,
) -> Lines:
    """Lines of every patient.

    Args:
        treatments: one row per agent given: `row` (its number), `patient`, `agent`, `start`, `end` (days; null
            is ongoing), `stop_reason`. Rows that do not count are left out beforehand.
        rules: the rule set.
        classes: the classes of an agent.
        asked: agents that somebody asks for: each keeps a bit of its own in the mask. Where more than 63 agents
            were given, the rarest of the others share the bit `OTHER`; the lists of names stay whole.
        courses: progressions and decisions by hand, by patient; none by default.

    Raises:
        ValueError: more than 62 of the agents given are asked for.
    """
    found: list[tuple[str, Line]] = []
    placed: list[tuple[int, int | None, str]] = []
    for patient, rows in _by_patient(treatments):
        mine, outside = fold(rows, rules, classes, (courses or {}).get(patient, NO_COURSE))
        placed.extend((row, None, rule) for row, rule in outside)
        placed.extend((row, line.number, rule) for line in mine for row, rule in line.rows)
        found.extend((patient, line) for line in mine)
    legend = _legend(Counter(agent for _, line in found for agent in line.agents), asked)
    bits = {agent: 1 << bit for bit, agent in enumerate(legend)}
    table = pl.DataFrame([_record(who, line, bits) for who, line in found], schema=LINE_SCHEMA, orient="row")
    where = pl.DataFrame(placed, schema={"row": pl.Int64, "step": pl.Int32, "rule": pl.String}, orient="row")
    return Lines(Sequences(table, legend, rules.stamp), where.sort("row"))


def _legend(counts: Counter[str], asked: frozenset[str]) -> tuple[str, ...]:
    if len(counts) <= MOST_AGENTS:
        return tuple(sorted(counts))
    kept = sorted(asked & set(counts))
    common = [agent for agent, _ in counts.most_common() if agent not in asked]
    return (*sorted([*kept, *common[: MOST_AGENTS - 1 - len(kept)]]), OTHER)


def _record(patient: str, line: Line, bits: Mapping[str, int]) -> tuple[Any, ...]:
    mask = 0
    for agent in line.agents:
        mask |= bits.get(agent, bits.get(OTHER, 0))
    return (
        *(patient, line.number, line.start, line.end, mask, line.start_reason, line.end_reason, line.rule),
        *(list(line.regimen), list(line.companions), line.maintenance_start, line.stop_reason),
        line.beyond_progression,
    )


def lines(treatments: Any, rules: str | RuleSet = "generic-28-120") -> Sequences:
    """Lines of therapy from a frame of treatments.

    Args:
        treatments: any data frame with the columns `patient`, `drug` (free text), `start` and `end` (whole days, or
            dates, which become days since 1970-01-01; a missing end is ongoing), and optionally `stop_reason`.
        rules: a shipped rule set by name, the path of a rule-set file, or a `RuleSet`.

    Returns:
        The lines with the reason of every boundary; see `Sequences`.

    Raises:
        UsageError: a column is missing, a drug is unknown, a start is missing, or an end lies before its start; every
            such row is named.
        StudyError: there is no such rule set.
    """
    frame = _given(treatments)
    dictionary = read_dictionary()
    matches = {text: dictionary.match(text) for text in frame["drug"].unique().to_list() if text is not None}
    agents = {text: list(match.agents) for text, match in matches.items() if match is not None}
    named = frame.with_columns(
        pl.col("drug").replace_strict(agents, default=None, return_dtype=pl.List(pl.String)).alias("agent")
    )
    _refuse_rows(named)
    chosen = read_rules(rules) if isinstance(rules, str) else rules
    found = lines_of_therapy(named.explode("agent"), chosen, dictionary.classes)
    return found.sequences


def _given(treatments: Any) -> pl.DataFrame:
    frame: pl.DataFrame = nw.from_native(treatments, eager_only=True).to_polars()
    absent = [name for name in ("patient", "drug", "start", "end") if name not in frame.columns]
    if absent:
        raise UsageError(
            Finding(
                "T110",
                "error",
                f"the treatments have no column {', '.join(map(repr, absent))}",
                found=", ".join(frame.columns),
                allowed="patient, drug, start, end, and optionally stop_reason",
                remedy="rename the columns of the frame",
            )
        )
    if "stop_reason" not in frame.columns:
        frame = frame.with_columns(pl.lit(None, pl.String).alias("stop_reason"))
    days = [
        pl.col(n).cast(pl.Date).cast(pl.Int32) if frame[n].dtype.is_temporal() else pl.col(n).cast(pl.Int32)
        for n in ("start", "end")
    ]
    return (
        frame.select(pl.col("patient").cast(pl.String), pl.col("drug").cast(pl.String), *days, "stop_reason")
        .with_row_index("row")
        .with_columns(pl.col("row").cast(pl.Int64))
    )


def _refuse_rows(frame: pl.DataFrame) -> None:
    reason = (
        pl.when(pl.col("patient").is_null())
        .then(pl.lit("no patient"))
        .when(pl.col("agent").is_null())
        .then(pl.format("unknown drug {}", pl.col("drug").fill_null("(missing)")))
        .when(pl.col("start").is_null())
        .then(pl.lit("no start"))
        .when(pl.col("end") < pl.col("start"))
        .then(pl.lit("end before start"))
    )
    bad = frame.with_columns(reason.alias("reason")).filter(pl.col("reason").is_not_null())
    if bad.is_empty():
        return
    rows = bad.select("row", "patient", "reason").iter_rows()
    raise UsageError(
        [
            Finding(
                "T111",
                "error",
                why,
                Where(line=row, patient=patient),
                allowed="a known drug, a start, and an end not before it",
                remedy="correct the row, or leave it out and count it",
            )
            for row, patient, why in rows
        ]
    )


def _by_patient(treatments: pl.DataFrame) -> Iterator[tuple[str, list[Treatment]]]:
    ordered = treatments.sort("patient", "start", "agent", "row")
    columns = ordered.select("patient", "row", "agent", "start", "end", "stop_reason")
    patient: str | None = None
    rows: list[Treatment] = []
    for name, *values in columns.iter_rows():
        if name != patient:
            if patient is not None:
                yield patient, rows
            patient, rows = name, []
        rows.append(Treatment(*values))
    if patient is not None:
        yield patient, rows

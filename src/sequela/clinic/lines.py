"""Lines of therapy: a fold over each patient's treatments, ordered by start.

The state is the open line: its first day, its last end, its regimen, its companions. For every treatment the
first rule that applies decides; each boundary keeps the rule's name.

    ignored       supportive drugs, never in a line
    companion     endocrine and the like: attached to the open line, never open one, never hold one open
    gap           the pause since the last end is longer than the rule's gap: the line ends, a new one starts
    window        first given within the window after the line's start: joins the regimen
    continuation  already in the regimen
    substitution  replaces a member of its own set (docetaxel for paclitaxel): joins the regimen
    new drug      anything else: the line ends, a new one starts

Source: the parameters published for oncology line-of-therapy algorithms (Meng et al., JMIR Med Inform 2021;
9(10):e29017), and Saini and Twelves, Br J Cancer 2021;125:155 (maintenance belongs to its line).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

import narwhals as nw
import polars as pl

from sequela.clinic.drugs import read_dictionary
from sequela.clinic.rules import RuleSet, read_rules
from sequela.core.errors import UsageError
from sequela.core.finding import Finding, Where
from sequela.core.sequence import Sequences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

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
}


@dataclass(frozen=True, slots=True)
class Treatment:
    """One agent given from `start` to `end` (days); `end` None is ongoing."""

    row: int
    agent: str
    start: int
    end: int | None
    stop_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of therapy of one patient; `rows` are the treatments in it with the rule that placed each."""

    number: int
    start: int
    end: int | None
    regimen: tuple[str, ...]
    companions: tuple[str, ...]
    start_reason: str
    end_reason: str
    rule: str
    maintenance_start: int | None
    stop_reason: str | None
    rows: tuple[tuple[int, str], ...]

    @property
    def agents(self) -> tuple[str, ...]:
        """Regimen and companions."""
        return (*self.regimen, *self.companions)


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of all patients, and where each treatment row went (`row`, `agent`, `step` or null, `rule`)."""

    sequences: Sequences
    placed: pl.DataFrame


_NEVER = 10**9
MOST_AGENTS = 63
OTHER = "other_agents"
OPENING = frozenset({"first treatment", "gap", "new drug"})


@dataclass(slots=True)
class _Open:
    """The line that is open while the fold runs."""

    start: int
    last: int
    reason: str
    rule: str
    regimen: list[Treatment] = field(default_factory=list[Treatment])
    companions: list[Treatment] = field(default_factory=list[Treatment])
    rows: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])

    def add(self, treatment: Treatment, rule: str, *, companion: bool = False) -> None:
        (self.companions if companion else self.regimen).append(treatment)
        self.rows.append((treatment.row, rule))
        if not companion:
            self.last = max(self.last, _last_day(treatment))

    def has(self, agent: str) -> bool:
        return any(other.agent == agent for other in self.regimen)


def _last_day(treatment: Treatment) -> int:
    return _NEVER if treatment.end is None else treatment.end


def fold(
    treatments: Iterable[Treatment], rules: RuleSet, classes: Callable[[str], frozenset[str]]
) -> tuple[list[Line], list[tuple[int, str]]]:
    """The lines of one patient, and the rows that belong to no line with the rule that said so.

    Args:
        treatments: in any order; sorted here by start, then agent.
        rules: the rule set.
        classes: the classes of an agent.
    """
    lines: list[Line] = []
    outside: list[tuple[int, str]] = []
    current: _Open | None = None
    ordered = sorted(treatments, key=lambda t: (t.start, t.agent, t.row))
    for _, today in groupby(ordered, key=lambda t: t.start):
        ruled = [
            (treatment, _rule(treatment, classes(treatment.agent) | {treatment.agent}, current, rules))
            for treatment in today
        ]
        opening = next(((treatment, rule) for treatment, rule in ruled if rule in OPENING), None)
        if opening is not None:
            reason = _why(opening[1], opening[0], current)
            if current is not None:
                lines.append(_close(current, len(lines) + 1, reason, rules))
            current = _Open(opening[0].start, opening[0].start, reason, opening[1])
        for treatment, rule in ruled:
            if current is None or rule == "ignored":
                outside.append((treatment.row, rule))
            else:
                # Whatever else starts on the day a line opens belongs to the new line, not to the one it ends.
                joins = (
                    "window" if opening is not None and rule not in OPENING and rule != "companion" else rule
                )
                current.add(treatment, joins, companion=rule == "companion")
    if current is not None:
        lines.append(
            _close(current, len(lines) + 1, "ongoing" if current.last == _NEVER else "last treatment", rules)
        )
    return lines, outside


def _rule(treatment: Treatment, kinds: frozenset[str], current: _Open | None, rules: RuleSet) -> str:
    """The name of the first rule that applies."""
    if kinds & set(rules.ignored.classes):
        return "ignored"
    if kinds & set(rules.companion.classes):
        return "companion"
    if current is None:
        return "first treatment"
    if treatment.start - current.last > rules.gap.days and not kinds & set(rules.gap.exempt_classes):
        return "gap"
    if treatment.start - current.start <= rules.regimen.window_days:
        return "window"
    if current.has(treatment.agent):
        return "continuation"
    if any(
        treatment.agent in group and any(map(current.has, group)) for group in rules.new_drug.substitutions
    ):
        return "substitution"
    return "new drug"


def _why(rule: str, treatment: Treatment, current: _Open | None) -> str:
    if current is None:
        return "first treatment"
    if rule == "gap":
        return f"gap of {treatment.start - current.last} days"
    return f"new drug {treatment.agent}"


def _close(line: _Open, number: int, end_reason: str, rules: RuleSet) -> Line:
    regimen = tuple(dict.fromkeys(t.agent for t in line.regimen))
    final = max(line.regimen, key=lambda t: (_last_day(t), t.row))
    return Line(
        number,
        line.start,
        None if line.last == _NEVER else line.last,
        regimen,
        tuple(dict.fromkeys(t.agent for t in line.companions)),
        line.reason,
        end_reason,
        line.rule,
        _maintenance(line, rules),
        final.stop_reason,
        tuple(line.rows),
    )


def _maintenance(line: _Open, rules: RuleSet) -> int | None:
    """First day after a drug of the regimen was dropped, when the others went on long enough.

    A drug that another of its substitution set replaced was not dropped.
    """
    ends: dict[str, int] = {}
    for treatment in line.regimen:
        group = next((s for s in rules.new_drug.substitutions if treatment.agent in s), (treatment.agent,))
        ends[group[0]] = max(ends.get(group[0], treatment.start), _last_day(treatment))
    first_dropped = min(ends.values())
    return first_dropped + 1 if max(ends.values()) - first_dropped >= rules.maintenance.min_days else None


def lines_of_therapy(
    treatments: pl.DataFrame,
    rules: RuleSet,
    classes: Callable[[str], frozenset[str]],
    asked: frozenset[str] = frozenset(),
) -> Lines:
    """Lines of every patient.

    Args:
        treatments: one row per agent given: `row` (its number), `patient`, `agent`, `start`, `end` (days; null
            is ongoing), `stop_reason`. Rows that do not count are left out beforehand.
        rules: the rule set.
        classes: the classes of an agent.
        asked: agents that somebody asks for: each keeps a bit of its own in the mask. Where more than 63 agents
            were given, the rarest of the others share the bit `OTHER`; the lists of names stay whole.

    Raises:
        ValueError: more than 62 of the agents given are asked for.
    """
    found: list[tuple[str, Line]] = []
    placed: list[tuple[int, int | None, str]] = []
    for patient, rows in _by_patient(treatments):
        mine, outside = fold(rows, rules, classes)
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

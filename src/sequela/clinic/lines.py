"""Lines of therapy of all patients: treatments in, sequences with a reason for every boundary out. See `kernel`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import narwhals as nw
import numpy as np
import polars as pl

from sequela.clinic.drugs import read_dictionary
from sequela.clinic.folding import NO_COURSES, Courses, coded, course, fold, limits, traits
from sequela.clinic.kernel import GAP, NEVER, NEW_DRUG, NEW_LINE, PROGRESSION, RULES
from sequela.clinic.refolding import settled
from sequela.clinic.rules import RuleSet, read_rules
from sequela.core.errors import UsageError
from sequela.core.finding import Finding, Where
from sequela.core.sequence import Sequences

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from sequela.clinic.folding import Coded, Engine, Folded

LINE_SCHEMA: Final = pl.Schema(
    {
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
)


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of all patients, and where each treatment row went (`row`, `agent`, `step` or null, `rule`)."""

    sequences: Sequences
    placed: pl.DataFrame


MOST_AGENTS = 63
OTHER = "other_agents"


def lines_of_therapy(
    treatments: pl.DataFrame,
    rules: RuleSet,
    classes: Callable[[str], frozenset[str]],
    asked: frozenset[str] = frozenset(),
    courses: Courses = NO_COURSES,
    engine: Engine | None = None,
) -> Lines:
    """Lines of every patient.

    Args:
        treatments: one row per agent given: `row` (its number), `patient`, `agent`, `start`, `end` (days; null
            is ongoing), `stop_reason`. Rows that do not count are left out beforehand.
        rules: the rule set.
        classes: the classes of an agent.
        asked: agents that somebody asks for: each keeps a bit of its own in the mask. Where more than 63 agents
            were given, the rarest of the others share the bit `OTHER`; the lists of names stay whole.
        courses: progressions and decisions by hand; none by default.
        engine: the fold as plain Python or compiled; by the number of rows unless given.

    Raises:
        ValueError: more than 62 of the agents given are asked for.
    """
    if not rules.looks_back:
        return _folded(treatments, rules, classes, asked, courses, engine)

    def again(kept: pl.DataFrame, chosen: RuleSet, told: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        decisions = pl.concat([courses.decisions.cast(told.schema), told])
        found = _folded(kept, chosen, classes, asked, Courses(courses.progressions, decisions), engine)
        return found.sequences.table, found.placed

    table, placed = settled(treatments, rules, classes, courses.progressions, courses.decisions, again)
    masks, legend = masks_of(table, asked)
    table = table.with_columns(agents=masks).select(*LINE_SCHEMA).cast(LINE_SCHEMA)
    return Lines(Sequences(table, legend, rules.stamp), placed)


def _folded(
    treatments: pl.DataFrame,
    rules: RuleSet,
    classes: Callable[[str], frozenset[str]],
    asked: frozenset[str],
    courses: Courses,
    engine: Engine | None,
) -> Lines:
    """The lines of one fold, without the rules that look back."""
    given = coded(treatments)
    wanted = traits(given.agents, rules, classes)
    folded = fold(given.rows, wanted, limits(rules), course(given.patients, courses), engine)
    table, legend = line_table(given, folded, asked)
    stops = treatments["stop_reason"][given.order[folded.found.final]]
    table = (
        table.with_columns(_lists(given, folded), stop_reason=stops).select(*LINE_SCHEMA).cast(LINE_SCHEMA)
    )
    return Lines(Sequences(table, legend, rules.stamp), _where(treatments, given, folded, table["step"]))


def line_table(
    given: Coded,
    folded: Folded,
    asked: frozenset[str] = frozenset(),
    legend: tuple[str, ...] | None = None,
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """The lines without their lists of drugs, and the legend of the masks: all that millions of patients need.

    The legend is made of the agents that stand in lines, unless one is given.

    Columns `subject`, `step`, `start`, `end`, `agents` (mask), `start_reason`, `end_reason`, `rule`,
    `maintenance_start`, `beyond_progression`.
    """
    found, opening = folded.found, folded.found.opening
    patient = given.patient[opening]
    place = np.arange(folded.count)
    first = np.r_[True, patient[1:] != patient[:-1]][: folded.count]
    step = place - np.maximum.accumulate(np.where(first, place, 0)) + 1
    began, ended = _reasons(given, folded, step)
    masks, legend = _masks(given, folded, asked, legend)
    table = pl.DataFrame(
        {
            "subject": given.patients[patient],
            "step": step.astype(np.int32),
            "start": given.rows.start[opening],
            "end": found.last,
            "agents": masks,
            "start_reason": began,
            "end_reason": ended,
            "rule": _named(RULES, folded.placed.rule[opening]),
            "maintenance_start": found.maintenance,
            "beyond_progression": found.beyond,
        }
    )
    dated = ("end", "maintenance_start", "beyond_progression")
    known = (pl.when(pl.col(name) != NEVER).then(pl.col(name)).alias(name) for name in dated)
    return table.with_columns(known), legend


def _named(names: Sequence[str], codes: NDArray[Any]) -> pl.Series:
    return pl.Series(names, dtype=pl.String)[codes]


def _reasons(given: Coded, folded: Folded, step: NDArray[Any]) -> tuple[pl.Series, pl.Series]:
    """Why each line began and why it ended, in words: each sentence is made once, whatever the number of lines."""
    found, opening = folded.found, folded.found.opening
    rule, agent = folded.placed.rule[opening], given.rows.agent[opening]
    words = ["decided by hand" if code == NEW_LINE else name for code, name in enumerate(RULES)]
    began = rule.astype(np.int64)
    for kind, said in ((NEW_DRUG, "new drug"), (PROGRESSION, "progression, then")):
        mine = rule == kind
        began[mine] = len(words) + agent[mine]
        words += [f"{said} {name}" for name in given.agents]
    mine = rule == GAP
    spans, place = np.unique(found.pause[mine], return_inverse=True)
    began[mine] = len(words) + place
    words += [*(f"gap of {days} days" for days in spans.tolist()), "ongoing", "last treatment"]
    last = np.append(step[1:] == 1, True)[: len(step)]
    ended = np.where(found.last == NEVER, len(words) - 2, len(words) - 1)
    ended[~last] = began[np.flatnonzero(~last) + 1]
    return _named(words, began), _named(words, ended)


def _masks(
    given: Coded, folded: Folded, asked: frozenset[str], legend: tuple[str, ...] | None
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """The agents of each line as a mask, regimen and companions, and the legend."""
    new = np.flatnonzero(folded.placed.fresh > 0)
    agent, line = given.rows.agent[new], folded.placed.line[new]
    if legend is None:
        counts = np.bincount(agent, minlength=len(given.agents)).tolist()
        legend = legend_of(dict(zip(given.agents, counts, strict=True)), asked)
    bits = {name: 1 << bit for bit, name in enumerate(legend)}
    bit = np.array([bits.get(name, bits.get(OTHER, 0)) for name in given.agents], np.int64)
    starts = np.flatnonzero(np.r_[True, line[1:] != line[:-1]][: len(line)])
    masks = np.bitwise_or.reduceat(bit[agent], starts) if len(starts) else np.zeros(0, np.int64)
    return masks, legend


def masks_of(table: pl.DataFrame, asked: frozenset[str] = frozenset()) -> tuple[pl.Series, tuple[str, ...]]:
    """The agents of each line as a mask, and the legend, from the lists of names in a table of lines."""
    drugs = pl.concat_list("regimen", "companions").alias("drug")
    named = table.select(drugs, pl.int_range(pl.len()).alias("line")).explode("drug")
    legend = legend_of(dict(named["drug"].value_counts().iter_rows()), asked)
    bits = {name: 1 << bit for bit, name in enumerate(legend)}
    other = bits.get(OTHER, 0)
    bit = pl.col("drug").replace_strict(bits, default=other, return_dtype=pl.Int64)
    masks = named.group_by("line", maintain_order=True).agg(bit.bitwise_or().alias("agents"))
    return masks["agents"], legend


def legend_of(counts: Mapping[str, int], asked: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """The agents that have a bit of their own, by their bit: all, or those asked for and the commonest."""
    given = sorted(agent for agent, n in counts.items() if n)
    if len(given) <= MOST_AGENTS:
        return tuple(given)
    kept = [agent for agent in given if agent in asked]
    common = sorted(set(given) - set(kept), key=lambda agent: (-counts[agent], agent))
    return (*sorted([*kept, *common[: MOST_AGENTS - 1 - len(kept)]]), OTHER)


def _lists(given: Coded, folded: Folded) -> list[pl.Series]:
    """The regimen and the companions of each line, each drug once, in the order in which they were given."""
    found: list[pl.Series] = []
    for name, kind in (("regimen", 1), ("companions", 2)):
        new = np.flatnonzero(folded.placed.fresh == kind)
        drugs = pl.DataFrame(
            {"line": folded.placed.line[new], name: _named(given.agents, given.rows.agent[new])}
        )
        lists = drugs.set_sorted("line").group_by("line", maintain_order=True).agg(name)
        every = pl.DataFrame({"line": np.arange(folded.count, dtype=np.int32)})
        whole = every.join(lists, on="line", how="left", maintain_order="left")[name]
        found.append(whole.fill_null(pl.Series([[]], dtype=pl.List(pl.String))))
    return found


def _where(treatments: pl.DataFrame, given: Coded, folded: Folded, step: pl.Series) -> pl.DataFrame:
    """Where each row went: `row`, `step` (null: in no line), `rule`, sorted by row."""
    line = np.empty_like(folded.placed.line)
    rule = np.empty_like(folded.placed.rule)
    line[given.order], rule[given.order] = folded.placed.line, folded.placed.rule
    steps = np.append(step.to_numpy(), np.int32(0))[line]  # -1 reads the last
    found = pl.DataFrame({"row": treatments["row"], "step": steps, "rule": _named(RULES, rule)})
    found = found.with_columns(pl.when(pl.col("step") > 0).then(pl.col("step")))
    return found if found["row"].is_sorted() else found.sort("row", maintain_order=True)


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

"""Lines of therapy on Spark: its workers run the same fold, each on whole patients, and give the same lines.

Spark reads, filters, names the drugs and brings each patient's rows together; what a line is, it does not know.
"""

# pyright: reportMissingImports=false
# (pyspark is large, and is not installed where types are checked)

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from sequela.clinic.folding import NO_COURSES, Courses
from sequela.clinic.lines import LINE_SCHEMA, Lines, legend_of, lines_of_therapy, masks_of
from sequela.clinic.outofcore import FIELDS, REASONS, Account, lines_of_rows, no_days, nothing_used
from sequela.clinic.rules import require_forward
from sequela.core.sequence import Sequences
from sequela.records.buckets import require_columns
from sequela.records.spark import answering, by_patient, session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sequela.clinic.drugs import Dictionary
    from sequela.clinic.rules import RuleSet

PROGRESSION: Final = -1  # in place of an agent: the row is a progression on its `start`
WHO, DRUG = REASONS[1:3]
LINES: Final = {
    "step": "int", "start": "int", "end": "int", "drugs": "string", "agents": "bigint", "start_reason": "string",
    "end_reason": "string", "rule": "string", "maintenance_start": "int", "beyond_progression": "int",
}  # fmt: skip
FOLDED: Final = {
    "subject": "string", "step": "int", "start": "int", "end": "int", "start_reason": "string", "end_reason": "string",
    "rule": "string", "regimen": "array<string>", "companions": "array<string>", "maintenance_start": "int",
    "stop_reason": "string", "beyond_progression": "int", "row": "bigint", "place": "bigint",
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """Lines as a Spark frame, and what became of the rows.

    Attributes:
        lines: one row a line, as `lines_of_files` writes them, in no order; computed when it is asked for.
        unused: the rows that make no line: patient, drug, start, end (days), reason.
        rows: read.
        left: how many were not used, by reason.
        unknown: the commonest texts that are no drug of the dictionary, and how often each stands.
        legend: the drugs by their bit in the column `agents`.
    """

    lines: Any
    unused: Any
    rows: int
    left: Mapping[str, int]
    unknown: tuple[tuple[str, int], ...]
    legend: tuple[str, ...]


def lines_of_frame(
    treatments: Any,
    rules: RuleSet,
    dictionary: Dictionary,
    *,
    columns: Mapping[str, str] | None = None,
    progressions: Any = None,
) -> Spread:
    """Lines of every patient of a Spark frame.

    The rows are counted at once, by drug; the fold runs when the lines are written or collected.

    Args:
        treatments: a Spark frame, one row a drug given: patient, drug (free text), start, end (whole days, dates or
            timestamps; null is ongoing).
        rules: the rule set.
        dictionary: names of drugs.
        columns: our field (patient, drug, start, end; for progressions patient and day) = the frame's column.
        progressions: a Spark frame with one row a progression: patient, day.

    Raises:
        UsageError: pyspark or Java is missing; X121, rules that look back.
        DataError: a column is missing (R107) or holds no days (T112), no row can be used (T111), or Spark fails (R118).
    """
    require_forward(rules)
    named = {name: (columns or {}).get(name, name) for name in (*FIELDS, "day")}
    agents = tuple(sorted(dictionary.agents))
    with answering():
        rows = _fields(treatments, {name: named[name] for name in FIELDS})
        counts = _counted(rows)
        texts = counts["drug"].unique().drop_nulls()
        matches = {text: match for text in texts if (match := dictionary.match(text))}
        codes = {text: [agents.index(name) for name in match.agents] for text, match in matches.items()}
        known = counts["drug"].is_in(list(codes)).fill_null(value=False)
        counts = counts.with_columns(
            pl.when(known | (pl.col("reason") == WHO)).then("reason").otherwise(pl.lit(DRUG))
        )
        left = {why: int(n) for why in REASONS[1:] if (n := counts.filter(reason=why)["count"].sum())}
        used = counts.filter(reason="")
        if used.is_empty():
            raise nothing_used("", left)
        good, bad = _told_apart(rows, codes)
        if progressions is not None:
            dated = _fields(progressions, {name: named[name] for name in ("patient", "day")})
            good = good.unionByName(_as_rows(dated, good))
        legend = legend_of(_given(used, codes, agents))
        bucket = _Bucket(rules, agents, {name: dictionary.classes(name) for name in agents}, legend)
        kinds = {"subject": dict(good.dtypes)["patient"], **LINES}
        lines = by_patient(good, ("start", "agent", "end"), bucket, kinds)
    strange = counts.filter(~known & counts["drug"].is_not_null()).group_by("drug").agg(pl.col("count").sum())
    ordered = strange.sort(["count", "drug"], descending=[True, False])[:20]
    return Spread(lines, bad, int(counts["count"].sum()), left, tuple(ordered.iter_rows()), legend)


def lines_of_files_on_spark(
    files: Sequence[str],
    rules: RuleSet,
    dictionary: Dictionary,
    out: str,
    *,
    columns: Mapping[str, str] | None = None,
    progressions: Sequence[str] = (),
) -> Account:
    """As `sequela.clinic.outofcore.lines_of_files`, on Spark: `out` becomes a directory of Parquet files.

    Args:
        files: Parquet or CSV files, directories of Parquet files, or addresses that Spark can read.
        rules: the rule set.
        dictionary: names of drugs.
        out: the directory; it must not exist yet. Rows that cannot be used are listed in `NAME-unused.parquet`.
        columns: as for `lines_of_frame`.
        progressions: files with one row a progression.

    Raises:
        UsageError: pyspark or Java is missing.
        DataError: as `lines_of_frame`; R118 also where `out` exists.
    """
    from pyspark.sql import Observation
    from pyspark.sql import functions as f

    with answering():
        dated = _read(progressions) if progressions else None
        made = lines_of_frame(_read(files), rules, dictionary, columns=columns, progressions=dated)
        seen = Observation()
        first = f.count_if(f.col("step") == 1).alias("patients")
        made.lines.observe(seen, f.count(f.lit(1)).alias("lines"), first).write.parquet(out)
        listed = f"{out.removesuffix('/').removesuffix('.parquet')}-unused.parquet" if made.left else None
        if listed:
            made.unused.write.parquet(listed)
    told, used = seen.get, made.rows - sum(made.left.values())
    return Account(
        made.rows, used, told["patients"], told["lines"], made.left, listed, made.unknown, made.legend
    )


def _read(files: Sequence[str]) -> Any:
    reader = session().read
    if files[0].endswith((".csv", ".tsv", ".tab", ".txt")):
        sign = "," if files[0].endswith(".csv") else "\t"
        return reader.csv(list(files), header=True, inferSchema=True, sep=sign)
    return reader.parquet(*files)


def _fields(frame: Any, columns: Mapping[str, str]) -> Any:
    """The columns that are read, under our names and in our types."""
    from pyspark.sql import functions as f

    require_columns("the Spark frame", frame.columns, columns)
    kinds = dict(frame.dtypes)
    whole = kinds[columns["patient"]] in ("tinyint", "smallint", "int", "bigint")
    chosen = {name: f.col(f"`{theirs}`") for name, theirs in columns.items()}
    asked = [chosen["patient"].cast("bigint" if whole else "string").alias("patient")]
    for name in columns.keys() - {"patient"}:
        value, kind = chosen[name], kinds[columns[name]]
        asked.append(
            (value.cast("string") if name == "drug" else _day(value, columns[name], kind)).alias(name)
        )
    return frame.select(asked)


def _day(value: Any, name: str, kind: str) -> Any:
    """Whole days: dates become days since 1970-01-01, moments the day they fall on by UTC."""
    from pyspark.sql import functions as f

    if kind == "string":
        raise no_days(name, kind)
    if kind in ("date", "timestamp_ntz"):
        return f.unix_date(value.cast("date"))
    if kind == "timestamp":
        return f.floor(f.unix_micros(value) / f.lit(86_400_000_000)).cast("int")
    return value.cast("int")


def _counted(rows: Any) -> pl.DataFrame:
    """How many rows there are of each drug, by what else is wrong with them: the one look at all rows."""
    counts = rows.groupBy("drug", _wrong().alias("reason")).count().toArrow()
    return pl.DataFrame(pl.from_arrow(counts))


def _wrong() -> Any:
    """Why a row cannot be used whatever its drug; empty where it can."""
    from pyspark.sql import functions as f

    told = f.when(f.col("patient").isNull(), WHO).when(f.col("start").isNull(), REASONS[3])
    return told.when(f.col("end") < f.col("start"), REASONS[4]).otherwise("")


def _told_apart(rows: Any, codes: Mapping[str, list[int]]) -> tuple[Any, Any]:
    """The rows that make lines, an agent each (patient, agent, start, end), and the others with their reasons."""
    import pyarrow as pa
    from pyspark.sql import functions as f

    kinds = {"drug": pa.string(), "codes": pa.list_(pa.int32())}
    words = pa.table({"drug": list(codes), "codes": list(codes.values())}, schema=pa.schema(kinds))
    named = rows.join(f.broadcast(session().createDataFrame(words)), "drug", "left")
    wrong = _wrong()
    reason = f.when(f.col("codes").isNull() & (wrong != WHO), DRUG).otherwise(wrong)
    told = named.withColumn("reason", reason)
    agent = f.explode("codes").alias("agent")
    return (
        told.filter("reason = ''").select("patient", agent, "start", "end"),
        told.filter("reason <> ''").select(*FIELDS, "reason"),
    )


def _as_rows(dated: Any, rows: Any) -> Any:
    """Progressions among the treatments."""
    from pyspark.sql import functions as f

    who = f.col("patient").cast(dict(rows.dtypes)["patient"]).alias("patient")
    agent, end = f.lit(PROGRESSION).alias("agent"), f.lit(None).cast("int").alias("end")
    return dated.dropna().select(who, agent, f.col("day").alias("start"), end)


def _given(used: pl.DataFrame, codes: Mapping[str, list[int]], agents: tuple[str, ...]) -> dict[str, int]:
    given = dict.fromkeys(agents, 0)
    for text, n in used.select("drug", "count").iter_rows():
        for code in codes[text]:
            given[agents[code]] += n
    return given


@dataclass(frozen=True, slots=True)
class _Bucket:
    """What a worker makes of the rows of some patients."""

    rules: RuleSet
    agents: tuple[str, ...]
    classes: Mapping[str, frozenset[str]]
    legend: tuple[str, ...]

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        given = pl.col("agent") != PROGRESSION
        grown = rows.filter(~given).select("patient", day="start")
        return lines_of_rows(
            rows.filter(given), grown, self.rules, self.agents, self.classes.__getitem__, self.legend
        )


def lines_on_spark(
    treatments: pl.DataFrame,
    rules: RuleSet,
    classes: Callable[[str], frozenset[str]],
    asked: frozenset[str] = frozenset(),
    courses: Courses = NO_COURSES,
) -> Lines:
    """As `lines_of_therapy`, with the fold in Spark's workers; everything else is here.

    Args:
        treatments: as for `lines_of_therapy`, patients as text.
        rules: the rule set.
        classes: the classes of an agent.
        asked: agents that somebody asks for.
        courses: progressions and decisions by hand.

    Raises:
        UsageError: pyspark or Java is missing.
        DataError: R118, Spark fails.
    """
    rows = treatments.select("row", "patient", "agent", "start", "end", "stop_reason").with_row_index("place")
    told = [
        frame.drop_nulls().select("patient", start="day", **extra)
        for frame, extra in (
            (courses.progressions, {"told": pl.lit("progression")}),
            (courses.decisions, {"told": pl.col("decision")}),
        )
    ]
    every = pl.concat([rows.cast({"place": pl.Int64}), *told], how="diagonal")
    known = {agent: classes(agent) for agent in treatments["agent"].unique()}
    with answering():
        frame = session().createDataFrame(every.to_arrow())
        order = ("start", "agent", "place")
        made = by_patient(frame, order, _Part(rules, known), FOLDED).toArrow()
    found = pl.DataFrame(pl.from_arrow(made))
    table = found.filter(pl.col("row").is_null()).sort("subject", "step")
    masks, legend = masks_of(table, asked)
    table = table.with_columns(agents=masks).select(*LINE_SCHEMA).cast(LINE_SCHEMA)
    placed = found.drop_nulls("row").sort("row", "place").select("row", "step", "rule")
    return Lines(Sequences(table, legend, rules.stamp), placed)


@dataclass(frozen=True, slots=True)
class _Part:
    """What a worker makes of the rows of some patients of a study: their lines, then where each row went."""

    rules: RuleSet
    classes: Mapping[str, frozenset[str]]

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        given = rows.filter(pl.col("told").is_null())
        told = rows.drop_nulls("told").select("patient", "told", day="start")
        grown = told.filter(told="progression").select("patient", "day")
        decided = told.filter(pl.col("told") != "progression").select("patient", "day", decision="told")
        courses = Courses(grown, decided)
        found = lines_of_therapy(given, self.rules, self.classes.__getitem__, courses=courses)
        place = given.sort("row", maintain_order=True)["place"]
        table = found.sequences.table.drop("agents")
        return pl.concat([table, found.placed.with_columns(place)], how="diagonal").select(*FOLDED)

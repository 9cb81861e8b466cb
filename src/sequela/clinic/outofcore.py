"""Lines of therapy of files larger than memory: read in batches, folded a bucket of patients at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from sequela.clinic.folding import NO_COURSES, Courses, coded, course, fold, limits, traits
from sequela.clinic.lines import legend_of, line_table
from sequela.clinic.rules import require_forward
from sequela.core.errors import DataError
from sequela.core.finding import Finding, Where
from sequela.records.buckets import Growing, batches, how_many, spilled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sequela.clinic.drugs import Dictionary
    from sequela.clinic.folding import Engine
    from sequela.clinic.rules import RuleSet

FIELDS: Final = ("patient", "drug", "start", "end")
REASONS: Final = ("", "no patient", "unknown drug", "no start", "end before start")
LISTED: Final = {"row": pl.Int64, "patient": pl.String, "drug": pl.String, "start": pl.Int32, "end": pl.Int32}


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the rows.

    Attributes:
        rows: read.
        used: of them, in the fold.
        patients: with at least one line.
        lines: of all of them.
        unused: how many rows were not used, by reason; `listed` is the file that lists each, where there are any.
        unknown: the commonest texts that are no drug of the dictionary, and how often each stands.
        legend: the drugs by their bit in the column `agents`.
    """

    rows: int
    used: int
    patients: int
    lines: int
    unused: Mapping[str, int]
    listed: str | None
    unknown: tuple[tuple[str, int], ...]
    legend: tuple[str, ...]


def lines_of_files(
    files: Sequence[Path],
    rules: RuleSet,
    dictionary: Dictionary,
    out: Path,
    *,
    columns: Mapping[str, str] | None = None,
    progressions: Sequence[Path] = (),
    buckets: int | None = None,
    spill: Path | None = None,
    engine: Engine | None = None,
) -> Account:
    """Lines of every patient of Parquet or CSV files, written to the Parquet file `out`.

    The same fold as `lines_of_therapy`, with the same lines; memory is that of one bucket. `out` holds `subject`,
    `step`, `start`, `end`, `drugs` (joined by +), `agents` (mask; the legend is in the account), `start_reason`,
    `end_reason`, `rule`, `maintenance_start`, `beyond_progression`. Rows that cannot be used are listed, with the
    reason, in a file beside it (`NAME-unused.parquet`). Nothing is left behind when the call fails.

    Args:
        files: one row a drug given: patient, drug (free text), start, end (days or dates; empty is ongoing).
        rules: the rule set.
        dictionary: names of drugs.
        out: the file to be written; an older one is replaced when the new one is whole.
        columns: our field (patient, drug, start, end; for progressions patient and day) = the files' column.
        progressions: files with one row a progression: patient, day.
        buckets: how many parts the patients are taken in; by the number of rows unless given.
        spill: the directory for rows that wait; the system's place by default.
        engine: the fold as plain Python or compiled; by size unless given.

    Raises:
        DataError: a file is missing, cannot be read, or lacks a column.
        UsageError: a library of the extra `big` is not installed; X121, rules that look back.
    """
    require_forward(rules)
    named = {name: (columns or {}).get(name, name) for name in (*FIELDS, "day")}
    parts = buckets or how_many(files)
    listed = out.with_name(f"{out.stem}-unused.parquet")
    reader = _Reader(dictionary, tuple(sorted(dictionary.agents)))
    made = _Made(rules, reader, engine)
    with (
        TemporaryDirectory(dir=spill) as first,
        TemporaryDirectory(dir=spill) as second,
        Growing(out) as lines,
        Growing(listed) as unused,
    ):
        frames = batches(files, {name: named[name] for name in FIELDS}, ("drug",))
        places = spilled(reader.used(frames, unused), "patient", parts, Path(first))
        dated = _dated(progressions, {name: named[name] for name in ("patient", "day")})
        grown = spilled(dated, "patient", parts, Path(second))
        for at, place in places.items():
            lines.write(
                made.lines(pl.read_ipc_stream(place), pl.read_ipc_stream(grown[at]) if at in grown else None)
            )
            place.unlink()
        if not places:
            raise nothing_used(str(files[0]), reader.left)
        lines.keep()
        if unused.rows:
            unused.keep()
        else:
            listed.unlink(missing_ok=True)
    left = reader.left
    return Account(
        int(reader.counts.sum()), int(reader.counts[0]), made.patients, lines.rows, left, str(listed) if left else None,
        tuple(sorted(reader.strange.items(), key=lambda pair: (-pair[1], pair[0]))[:20]), reader.legend,
    )  # fmt: skip


def nothing_used(place: str, left: Mapping[str, int]) -> DataError:
    """T111: no row makes a line."""
    found = ", ".join(f"{reason} ({n})" for reason, n in left.items()) or "no rows"
    allowed = "a patient, a known drug, a start, and an end not before it"
    remedy = "look at the columns that are read"
    return DataError(
        Finding("T111", "error", "no row can be used", Where(place or None), found, allowed, remedy)
    )


def no_days(column: str, found: str) -> DataError:
    """T112: a column of text where days are read."""
    message = f"the column {column!r} holds neither days nor dates"
    remedy = "write the dates as YYYY-MM-DD, or the column as dates or whole numbers"
    return DataError(
        Finding("T112", "error", message, Where(field=column), found, "dates, or whole days", remedy)
    )


@dataclass(slots=True)
class _Reader:
    """Rows as the fold takes them: drugs as codes of the dictionary's agents; what cannot be used goes to a list."""

    dictionary: Dictionary
    agents: tuple[str, ...]
    counts: Any = field(default_factory=lambda: np.zeros(len(REASONS), np.int64))
    strange: dict[str, int] = field(default_factory=dict[str, int])
    given: Any = field(default_factory=lambda: np.zeros(0, np.int64))
    codes: dict[int, tuple[int, ...]] = field(default_factory=dict[int, tuple[int, ...]])

    def used(self, frames: Iterable[pl.DataFrame], unused: Growing) -> Iterator[pl.DataFrame]:
        """The rows that make lines, an agent each; the others are written to `unused`."""
        self.given = np.zeros(len(self.agents), np.int64)
        row = 0
        for raw in frames:
            frame = raw.select(
                _who(raw), "drug", *(_days(raw, name) for name in ("start", "end")),
                pl.int_range(row, row + raw.height).alias("row"),
            )  # fmt: skip
            row += raw.height
            first, count, agent = self._agents(frame["drug"])
            reason = _reasons(frame, count)
            self.counts += np.bincount(reason, minlength=len(REASONS))
            bad = np.flatnonzero(reason)
            if len(bad):
                why = pl.Series("reason", REASONS, dtype=pl.String)[reason[bad]]
                cells = [pl.col(name).cast(kind) for name, kind in LISTED.items()]
                unused.write(frame[bad].select(cells).with_columns(pl.col("row") + 1, why))
            yield self._exploded(frame, np.flatnonzero(reason == 0), first, count, agent)

    def _agents(self, drug: pl.Series) -> tuple[Any, Any, Any]:
        """For each row where its agents begin in the third array, and how many it has."""
        text = drug.cast(pl.Categorical)
        words = text.unique().drop_nulls()
        for code, word in zip(words.to_physical().to_list(), words.cast(pl.String).to_list(), strict=True):
            if code not in self.codes:
                match = self.dictionary.match(word)
                self.codes[code] = tuple(self.agents.index(agent) for agent in match.agents) if match else ()
        physical = text.to_physical().fill_null(max(self.codes, default=0) + 1).to_numpy()
        for code, word in zip(words.to_physical().to_list(), words.cast(pl.String).to_list(), strict=True):
            if not self.codes[code]:
                self.strange[word] = self.strange.get(word, 0) + int((physical == code).sum())
        many = np.zeros(max(self.codes, default=0) + 2, np.int64)
        for code, agents in self.codes.items():
            many[code] = len(agents)
        begins = np.cumsum(many) - many
        flat = np.array([agent for code in sorted(self.codes) for agent in self.codes[code]], np.int16)
        return begins[physical], many[physical], flat

    def _exploded(self, frame: pl.DataFrame, good: Any, first: Any, count: Any, agent: Any) -> pl.DataFrame:
        at = np.repeat(good, count[good])
        within = np.arange(len(at)) - np.repeat(np.cumsum(count[good]) - count[good], count[good])
        codes = agent[first[at] + within]
        self.given += np.bincount(codes, minlength=len(self.agents))
        rows = frame.select("patient", "start", "end")
        rows = rows if len(at) == frame.height else rows[at]
        return rows.with_columns(pl.Series("agent", codes))

    @property
    def left(self) -> dict[str, int]:
        """How many rows were not used, by reason."""
        return {REASONS[code]: int(n) for code, n in enumerate(self.counts) if code and n}

    @property
    def legend(self) -> tuple[str, ...]:
        """The agents by their bit."""
        return legend_of(dict(zip(self.agents, self.given.tolist(), strict=True)))


def _days(frame: pl.DataFrame, name: str) -> pl.Expr:
    """Whole days: dates become days since 1970-01-01."""
    if frame[name].dtype == pl.String:
        raise no_days(name, f"text such as {frame[name].drop_nulls().first()!r}")
    value = pl.col(name).cast(pl.Date) if frame[name].dtype.is_temporal() else pl.col(name)
    return value.cast(pl.Int32)


def _reasons(frame: pl.DataFrame, agents: Any) -> Any:
    """Why a row cannot be used, as a place in REASONS; 0 where it can."""
    who, start, end = frame["patient"].is_null(), frame["start"], frame["end"]
    before = (end < start).fill_null(value=False)
    told = [who.to_numpy(), agents == 0, start.is_null().to_numpy(), before.to_numpy()]
    return np.select(told, [1, 2, 3, 4], 0)


def _dated(files: Sequence[Path], columns: Mapping[str, str]) -> Iterator[pl.DataFrame]:
    """Progressions: `patient`, `day`."""
    for raw in batches(files, columns) if files else ():
        yield raw.select(_who(raw), _days(raw, "day")).drop_nulls()


def _who(frame: pl.DataFrame) -> pl.Expr:
    """Patients as text or as whole numbers, the same in every file: their hash chooses the bucket."""
    return pl.col("patient").cast(pl.Int64 if frame["patient"].dtype.is_integer() else pl.String)


@dataclass(slots=True)
class _Made:
    """The lines of one bucket after the other."""

    rules: RuleSet
    reader: _Reader
    engine: Engine | None
    patients: int = 0

    def lines(self, rows: pl.DataFrame, grown: pl.DataFrame | None) -> pl.DataFrame:
        """The lines of the patients of one bucket."""
        reader = self.reader
        classes, legend = reader.dictionary.classes, reader.legend
        table = lines_of_rows(rows, grown, self.rules, reader.agents, classes, legend, self.engine)
        self.patients += int((table["step"] == 1).sum())
        return table


def lines_of_rows(
    rows: pl.DataFrame,
    grown: pl.DataFrame | None,
    rules: RuleSet,
    agents: tuple[str, ...],
    classes: Callable[[str], frozenset[str]],
    legend: tuple[str, ...],
    engine: Engine | None = None,
) -> pl.DataFrame:
    """The lines of all patients of `rows`, as `lines_of_files` writes them.

    Args:
        rows: `patient`, `agent` (its place in `agents`), `start`, `end` in days.
        grown: progressions: `patient`, `day`.
        rules: the rule set.
        agents: names of agents, sorted.
        classes: the classes of an agent.
        legend: the agents by their bit, as for `line_table`.
        engine: as for `fold`.
    """
    given = coded(rows, agents)
    who: dict[Any, Any] = {"patient": rows["patient"].dtype}
    dated = NO_COURSES.progressions.cast(who) if grown is None else grown.cast(who)
    told = course(given.patients, Courses(dated, NO_COURSES.decisions.cast(who)))
    folded = fold(given.rows, traits(agents, rules, classes), limits(rules), told, engine)
    table, _ = line_table(given, folded, legend=legend)
    masks = table["agents"].unique()
    names = ["+".join(name for bit, name in enumerate(legend) if mask >> bit & 1) for mask in masks]
    drugs = table["agents"].replace_strict(masks, names, return_dtype=pl.String).alias("drugs")
    return table.insert_column(4, drugs)

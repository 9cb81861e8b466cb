"""Records of an invented world in the shape of a study's own files: for the placebo."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from sequela.clinic.tables import anchor_column
from sequela.core.errors import StudyError
from sequela.core.finding import Finding, Where
from sequela.core.outcome import Times
from sequela.estimates.curves import reverse_kaplan_meier
from sequela.study.expressions import Anchor, atoms
from sequela.virtual.templates import Templates, choose, stretched
from sequela.virtual.world import DEATH, LINES, NEXT, SEASON, Spells, live
from sequela.walk.path import asked_agents

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from sequela.records.reading import Table
    from sequela.study.model import Study
    from sequela.virtual.world import Lives, World
    from sequela.walk.path import Walk

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The dated rows of one source, ready to be copied into invented lines.

    Attributes:
        frame: the rows, by template line; those before line 1 first, by patient.
        offset: days from the start of their line to each dated column, shape (rows,).
        lines: first row of each template line and one past its last, shape (lines + 1,).
        people: the same for the rows before line 1 of each patient.
    """

    frame: pl.DataFrame
    offset: Mapping[str, Floats]
    lines: Ints
    people: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What an invented world is made of: the study's own files, cut into lines.

    Attributes:
        patients: identifiers, shape (n,).
        index: day of the index of each, shape (n,).
        first_line: start of line 1, not a number where there is none, shape (n,).
        death_before_line: day of death of those without a line, else infinity, shape (n,).
        templates: their lines.
        rows: the dated rows of the treatments and of every source of events.
        last_day: nobody is followed beyond it.
        gaps: days from a last contact to the data cut (calendar dates), or follow-up from the index (days).
        asked: the agents that the study asks for, by bit of the templates' masks.
        calendar: whether the study runs on calendar dates.
        death: the anchor of death.
        contact: the anchors of the last contact.
    """

    patients: NDArray[np.str_]
    index: Floats
    first_line: Floats
    death_before_line: Floats
    templates: Templates
    rows: Mapping[str, Rows]
    last_day: float
    gaps: Floats
    asked: tuple[str, ...]
    calendar: bool
    death: str
    contact: tuple[str, ...]


def material(walk: Walk) -> Material:
    """Cut a study's records into lines that can be lived again.

    Raises:
        StudyError: S140, the study has not exactly one anchor of death, or dates a moment of the course in a
            file that is not one row an event.
    """
    death, contact = _ends(walk.study)
    _require_events(walk.study)
    frame = walk.people.frame.filter(pl.col(anchor_column(walk.study.lines.index)).is_not_null())
    patients = frame["patient"].to_numpy().astype(str)
    index = frame[anchor_column(walk.study.lines.index)].cast(pl.Float64).to_numpy()
    died = _days(frame, death)
    contacts = [_days(frame, name) for name in contact]
    last = np.fmax.reduce([died, *contacts])
    asked = tuple(sorted(asked_agents(walk.study, walk.people.members)))
    spells, given = _spells(walk, asked, patients, died, last)
    first = np.full(patients.size, np.nan)
    ones = spells.line == 1
    first[spells.patient[ones]] = spells.start[ones]
    calendar = walk.study.study.time == "dates"
    final, gaps = _follow_up(walk.study, index, died, last, calendar=calendar)
    before = np.where(np.isnan(first) & ~np.isnan(died), died, np.inf)
    templates = _templates(spells, given)
    rows = {
        name: _rows(walk.tables[name].frame, source.role, patients, first, spells)
        for name, source in walk.study.sources.items()
        if source.role in ("treatments", "events")
    }
    return Material(
        patients, index, first, before, templates, rows, final, gaps, asked, calendar, death, contact
    )


def _ends(study: Study) -> tuple[str, tuple[str, ...]]:
    """The anchor of death, and those that end observation without it."""

    def named(what: str) -> tuple[str, ...]:
        found = [
            atom.name
            for endpoint in study.endpoints.values()
            for source in getattr(endpoint, what)
            for atom in atoms(source.at)
            if isinstance(atom, Anchor) and study.anchors[atom.name].stage == "end"
        ]
        return tuple(dict.fromkeys(found))

    deaths = named("events")
    if len(deaths) != 1:
        raise _refused(
            study,
            "the placebo needs exactly one moment of death",
            ", ".join(deaths) or "none",
            'one anchor of stage "end" among the events of the endpoints',
        )
    return deaths[0], tuple(name for name in named("censor") if name != deaths[0])


def _require_events(study: Study) -> None:
    """A moment of the course must be dated by rows of its own."""
    for name, anchor in study.anchors.items():
        sources = {field.split(".", 1)[0] for field in anchor.fields}
        roles = {study.sources[source].role for source in sources}
        allowed = {"course": {"events", "treatments"}, "end": {"patients", "follow_up"}}.get(anchor.stage)
        if allowed is not None and not roles <= allowed:
            raise _refused(
                study,
                f"the placebo cannot invent the moment `{name}`",
                f"dated by {', '.join(sorted(sources))} ({', '.join(sorted(roles))})",
                f"sources of role {' or '.join(sorted(allowed))}",
            )


def _refused(study: Study, message: str, found: str, allowed: str) -> StudyError:
    return StudyError(
        Finding(
            "S140",
            "error",
            message,
            Where(study.path, field="anchors"),
            found=found,
            allowed=allowed,
            remedy="see “What the placebo needs” in the documentation",
        )
    )


def _days(frame: pl.DataFrame, anchor: str) -> Floats:
    return frame[anchor_column(anchor)].cast(pl.Float64).fill_null(float("nan")).to_numpy().astype(float)


def _spells(
    walk: Walk, asked: tuple[str, ...], patients: NDArray[np.str_], died: Floats, last: Floats
) -> tuple[Spells, Ints]:
    """The derived lines, each until the next, death or the last contact; and the mask of the asked agents."""
    place = {name: at for at, name in enumerate(patients.tolist())}
    table = walk.lines.sequences.table.filter(pl.col("subject").is_in(list(place))).sort("subject", "step")
    who = np.array([place[name] for name in table["subject"].to_list()], np.int64)
    start = table["start"].cast(pl.Float64).to_numpy()
    follows = np.append(who[1:] == who[:-1], np.zeros(min(who.size, 1), bool))
    stop = np.where(follows, np.append(start[1:], np.nan), np.fmax(last[who], start))
    ended = np.where(follows, NEXT, np.where(np.isnan(died[who]), 0, DEATH))
    length = np.where(np.isnan(stop), 0.0, np.maximum(stop - start, 0.0))
    line = table["step"].cast(pl.Int64).to_numpy()
    agents = table["agents"].cast(pl.Int64).to_numpy()
    given = np.zeros(agents.size, np.int64)
    for bit, agent in enumerate(asked):
        given |= ((agents & walk.lines.sequences.mask({agent})) != 0).astype(np.int64) << bit
    return Spells(who, line, start, length, ended), given


def lived_spells(walk: Walk, made_of: Material, patients: frozenset[str]) -> tuple[Spells, Ints]:
    """The derived lines of some patients of an invented world, and the mask of the asked agents."""
    frame = walk.people.frame.filter(pl.col("patient").is_in(list(patients)))
    died = _days(frame, made_of.death)
    last = np.fmax.reduce([died, *(_days(frame, name) for name in made_of.contact)])
    return _spells(walk, made_of.asked, frame["patient"].to_numpy().astype(str), died, last)


def _templates(spells: Spells, given: Ints) -> Templates:
    before = np.zeros_like(given)
    for row in range(1, given.size):
        if spells.patient[row] == spells.patient[row - 1]:
            before[row] = before[row - 1] | given[row - 1]
    first: dict[int, float] = {}
    for mask in np.unique(given).tolist():
        held = [spells.start[(given >> bit & 1).astype(bool)].min() for bit in range(63) if mask >> bit & 1]
        first[mask] = float(max(held, default=-np.inf))
    return Templates(spells, given, before, np.array([first[mask] for mask in given.tolist()]))


def _follow_up(
    study: Study, index: Floats, died: Floats, last: Floats, *, calendar: bool
) -> tuple[float, Floats]:
    """The last day, and how far from it (dates) or how far from the index (days) observation ends."""
    alive = np.isnan(died) & ~np.isnan(last)
    if calendar:
        cut = study.study.data_cut
        final = (np.datetime64(cut) - np.datetime64("1970-01-01")).astype(float) if cut else np.nanmax(last)
        gaps = np.maximum(final - last[alive], 0.0)
        return float(final), gaps if gaps.size else np.zeros(1)
    followed = ~np.isnan(last) & (last > index)
    times = Times(
        (last - index)[followed].astype(np.int64),
        (~alive)[followed].astype(np.int8),
        unit="day",
        origin="index",
    )
    curve = reverse_kaplan_meier(times)
    reached = np.interp(np.linspace(0.001, 0.999, 999), 1.0 - curve.survival, curve.time)
    return float(np.nanmax(last)), reached


def _rows(frame: pl.DataFrame, role: str, patients: NDArray[np.str_], first: Floats, spells: Spells) -> Rows:
    """The rows of a source by the line in which they start; those before line 1 by patient."""
    dated = ("start", "end") if role == "treatments" else ("day",)
    dated = tuple(name for name in dated if name in frame.columns)
    place = {name: at for at, name in enumerate(patients.tolist())}
    frame = frame.filter(pl.col("patient").is_in(list(place)))
    who = np.array([place[name] for name in frame["patient"].to_list()], np.int64)
    days = {
        name: frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy().astype(float) for name in dated
    }
    own = np.searchsorted(spells.patient, who, side="left")
    upto = np.searchsorted(spells.patient, who, side="right")
    at = days[dated[0]]
    line = np.full(who.size, -1, np.int64)
    # A progression on the day that the next line starts ended the line before it.
    strict = role != "treatments"
    for row in np.flatnonzero((own < upto) & ~np.isnan(at)):
        starts = spells.start[own[row] : upto[row]]
        line[row] = own[row] + np.searchsorted(starts, at[row], side="left" if strict else "right") - 1
        if line[row] < own[row]:
            line[row] = -1
    inside = line >= 0
    order = np.lexsort((np.where(inside, line, who), inside))
    origin = (
        np.where(inside, spells.start[np.maximum(line, 0)], 0.0) if spells.start.size else np.zeros(who.size)
    )
    offset = {name: (values - origin)[order] for name, values in days.items()}
    n_before = int((~inside).sum())
    lines = n_before + np.searchsorted(line[order][n_before:], np.arange(spells.line.size + 1))
    people = np.searchsorted(who[order][:n_before], np.arange(patients.size + 1))
    return Rows(frame[order.tolist()], offset, lines, people)


def invent(
    world: World,
    made_of: Material,
    study: Study,
    tables: Mapping[str, Table],
    count: int,
    rng: np.random.Generator,
) -> dict[str, Table]:
    """Tables of `count` invented candidates, in the shape of the study's own.

    Args:
        world: the rates.
        made_of: the material.
        study: the protocol.
        tables: its sources as read: for their columns.
        count: how many candidates.
        rng: random generator.
    """
    lives = live(world, count, made_of.first_line, made_of.last_day, rng, made_of.death_before_line)
    luck = rng.choice(made_of.gaps, count)
    start = made_of.index[lives.model]
    ends = np.maximum(made_of.last_day - luck, start + 1.0) if made_of.calendar else start + luck
    chosen = choose(made_of.templates, lives.spells, world.choice, rng)
    names = np.char.add("V", np.char.zfill(np.arange(1, count + 1).astype(str), 6))
    found: dict[str, Table] = {}
    for name, source in study.sources.items():
        table = tables[name]
        if name in made_of.rows:
            frame = _lived(made_of.rows[name], made_of, lives, chosen, ends, names)
        elif source.role == "patients":
            frame = _models(table.frame, made_of, lives, names)
        else:
            frame = _empty(table.frame, names)
        found[name] = replace(table, frame=frame, findings=())
    return _with_ends(found, study, made_of, lives.death, ends)


def _models(frame: pl.DataFrame, made_of: Material, lives: Lives, names: NDArray[np.str_]) -> pl.DataFrame:
    """The patients' rows of the models, under new names."""
    first = frame.unique("patient", keep="first", maintain_order=True).with_row_index("_at")
    place = dict(first.select("patient", "_at").iter_rows())
    at = [place[name] for name in made_of.patients[lives.model].tolist()]
    return first.drop("_at")[at].with_columns(pl.Series("patient", names.tolist()))


def _empty(frame: pl.DataFrame, names: NDArray[np.str_]) -> pl.DataFrame:
    """One empty row a candidate."""
    return frame.clear(names.size).with_columns(pl.Series("patient", names.tolist()))


def _lived(
    rows: Rows, made_of: Material, lives: Lives, chosen: Ints, ends: Floats, names: NDArray[np.str_]
) -> pl.DataFrame:
    """The rows before line 1 of each model, and those of the chosen lines fitted in; up to the last contact."""
    before, whose = _ranges(rows.people[lives.model], rows.people[lives.model + 1])
    inside, of_line = _ranges(rows.lines[chosen], rows.lines[chosen + 1])
    at = np.concatenate([before, inside])
    who = np.concatenate([whose, lives.spells.patient[of_line]])
    frame = rows.frame[at.tolist()]
    days: dict[str, Floats] = {}
    for name, offset in rows.offset.items():
        moved = lives.spells.start[of_line] + stretched(
            offset[inside],
            made_of.templates.spells.length[chosen][of_line],
            lives.spells.length[of_line],
            tail=name != "start",
        )
        days[name] = np.concatenate([offset[before], moved])
    first = next(iter(days))
    last = np.minimum(ends, lives.death)[who]
    seen = ~(days[first] > last)
    if "end" in days:  # what goes on at the last contact has no end yet
        days["end"] = np.where(
            days["end"] > last, np.where(lives.death[who] <= ends[who], last, np.nan), days["end"]
        )
    columns = [
        pl.Series(name, np.round(values)).fill_nan(None).cast(pl.Int32) for name, values in days.items()
    ]
    frame = frame.with_columns(pl.Series("patient", names[who].tolist()), *columns)
    if "ongoing" in frame.columns:
        going = pl.col("start").is_not_null() & pl.col("end").is_null()
        frame = frame.with_columns(
            pl.when(going).then(pl.lit(value=True)).otherwise("ongoing").alias("ongoing")
        )
    return frame.filter(pl.Series(seen))


def _ranges(low: Ints, high: Ints) -> tuple[Ints, Ints]:
    """Every index of the ranges low:high one after the other, and which range each is of."""
    size = high - low
    which = np.repeat(np.arange(low.size), size)
    inside = np.arange(which.size) - np.repeat(np.cumsum(size) - size, size)
    return low[which] + inside, which


def _with_ends(
    found: dict[str, Table], study: Study, made_of: Material, death: Floats, ends: Floats
) -> dict[str, Table]:
    """Death and last contact in the first field of their anchors; nothing in the others."""
    dead = death <= ends
    contact = np.where(dead, death, ends)
    frames = {name: table.frame for name, table in found.items()}
    for name in (made_of.death, *made_of.contact):
        anchor = study.anchors[name]
        values = np.where(dead, death, np.nan) if name == made_of.death else contact
        days = pl.Series(np.round(values)).fill_nan(None).cast(pl.Int32)
        for place, field in enumerate(anchor.fields):
            source, column = field.split(".", 1)
            kept = days if place == 0 else pl.Series([None] * len(days), dtype=pl.Int32)
            frames[source] = frames[source].with_columns(kept.alias(column))
        for place, field in enumerate(anchor.status.fields if anchor.status else ()):
            source, column = field.split(".", 1)
            word = anchor.status.value if anchor.status else ""
            said = [word if one else None for one in dead.tolist()] if place == 0 else [None] * len(days)
            frames[source] = frames[source].with_columns(pl.Series(column, said, dtype=pl.String))
    return {name: replace(table, frame=frames[name]) for name, table in found.items()}


def kinds(spells: Spells, given: Ints) -> Ints:
    """A number for each line that tells its place and its asked agents."""
    return np.minimum(spells.line, LINES) + LINES * given


def season_of(made_of: Material, day: Floats) -> Ints:
    """The season of each day, from 0."""
    first, number = seasons(made_of)
    return np.clip((day - first) // SEASON, 0, number - 1).astype(np.int64)


def seasons(made_of: Material) -> tuple[float, int]:
    """The first day of the first season and their number; one season where there is no calendar."""
    if not made_of.calendar:
        return 0.0, 1
    first = float(made_of.index.min())
    return first, max(1, int(np.ceil((made_of.last_day - first) / SEASON)))

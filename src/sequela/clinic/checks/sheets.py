"""The records laid out for the rules: sheets of rows whose columns are called by what they mean, joined once.

    people      a patient: anchors, fields, `index`, `until` (death or last contact), `first_start`, `n_treatments`,
                `her2_negative`
treatments  a treatment row, with the patient's anchors
agents      a drug of a treatment row: `approved`, `anti_her2`, `previous_start` and `previous_end` of the same drug
moments     an event of the course: `what`, `means`, `previous` (of the same kind), `last_progression`, `last_start`
contacts    a row that says whether the patient was alive: `contact`, `row_dead`, `row_death`
lines       a line of therapy: `step`, `start`, `stop`, `next_start`
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from sequela.clinic.checks.meanings import concepts, normal
from sequela.clinic.ordering import in_order
from sequela.clinic.tables import PLACE, TREATMENTS, anchor_column
from sequela.records.profile import reason
from sequela.study.named_endpoints import roles

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sequela.clinic.checks.rule import Records

DAYS: Final = frozenset({
    "birth", "diagnosis", "metastatic", "surgery", "index", "death", "death_told", "last_contact", "until", "start",
    "stop", "first_start", "previous_start", "previous_end", "day", "previous", "last_progression", "last_start",
    "contact", "row_death", "next_start",
})  # fmt: skip
_YEAR: Final = 365.25
_CARRIED: Final = (
    "birth",
    "death",
    "dead",
    "last_contact",
    "index",
    "first_start",
    "her2_negative",
    "centre",
)


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """Rows with `patient`, `centre` and, where there is one, the place (`_file`, `_line`).

    Attributes:
        frame: the rows.
        fields: what the study calls a column.
        absent: columns that are there for the form's sake: the study does not have them.
    """

    frame: pl.DataFrame
    fields: Mapping[str, str]
    absent: frozenset[str] = frozenset()

    @property
    def present(self) -> frozenset[str]:
        """The columns that the study has."""
        return frozenset(self.frame.columns) - self.absent


def sheets(records: Records, repeated: pl.DataFrame) -> dict[str, Sheet]:
    """Every sheet.

    Args:
        records: what was read.
        repeated: rows that repeat an earlier one of their source as a whole: `source`, `row`, place.
    """
    people = people_sheet(records)
    moments = _moments(records, people, repeated)
    agents = _agents(records, people, moments, repeated)
    first = agents.frame.filter(first_of_row(agents.frame))
    treatments = Sheet(first, agents.fields, agents.absent)
    return {
        "people": people,
        "treatments": treatments,
        "agents": agents,
        "moments": moments,
        "contacts": _contacts(records, people),
        "lines": _lines(records),
    }


def first_of_row(treatments: pl.DataFrame) -> pl.Series:
    """Whether a row is the first of its treatment: one with several drugs has a row for each."""
    row = treatments["row"]
    return (row != row.shift()).fill_null(value=True)


def source_of(records: Records, role: str) -> str | None:
    """The name of the source with a role."""
    return next((name for name, source in records.study.sources.items() if source.role == role), None)


def anchors_of(records: Records) -> dict[str, str]:
    """Anchor to what it means: its role, or its own name."""
    named = roles({name: anchor.means for name, anchor in records.study.anchors.items()})
    meant = {anchor: role for role, anchor in named.items()}
    found = {name: meant.get(name, name) for name in records.study.anchors}
    if records.death:
        found[records.death] = "death"
    ends = [
        name
        for name, anchor in records.study.anchors.items()
        if anchor.stage == "end" and found[name] != "death"
    ]
    return found if "last_contact" in found.values() or not ends else {**found, ends[0]: "last_contact"}


def people_sheet(records: Records) -> Sheet:
    """One row a patient."""
    patients, study = records.registry.patients, records.study
    source = source_of(records, "patients")
    declared = list(study.sources[source].columns) if source else []
    columns = {"patient": pl.col("patient"), "centre": pl.col("centre")}
    columns |= {name: pl.col(name) for name in PLACE if name in patients.columns}
    fields: dict[str, str] = {}
    for anchor, meaning in anchors_of(records).items():
        rule = study.anchors[anchor]
        if rule.stage == "course":
            continue
        columns[meaning] = pl.col(anchor_column(anchor)).cast(pl.Int32)
        fields[meaning] = rule.fields[0].split(".", 1)[-1] if rule.fields else anchor
    if records.death:
        column = anchor_column(records.death)
        columns |= {"dead": pl.col(f"{column}?"), "death_told": pl.col(f"{column}!").cast(pl.Int32)}
    elif "death" in columns:
        columns["dead"] = columns["death"].is_not_null()
    columns["index"] = pl.col(anchor_column(study.lines.index)).cast(pl.Int32)
    frame = patients.select(expr.alias(name) for name, expr in columns.items())
    for concept, field in concepts(declared).items():
        if concept not in frame.columns and field in patients.columns:
            values = normal(concept, patients[field])
            if values is not None:
                frame, fields = frame.with_columns(values.alias(concept)), {**fields, concept: field}
    absent = (
        {"centre"} if "centre" not in declared or frame["centre"].null_count() == frame.height else set[str]()
    )
    return Sheet(
        _derived(records, frame),
        {**fields, "index": fields.get(study.lines.index, study.lines.index)},
        frozenset(absent),
    )


def _derived(records: Records, frame: pl.DataFrame) -> pl.DataFrame:
    """What follows from a patient's fields, and what the treatments say of the patient."""
    rows = records.registry.treatments
    used = pl.when(pl.col("unused").is_null()).then("start").alias("start")
    given = rows.select("patient_rank", used, first_of_row(rows).alias("first")).drop_nulls("patient_rank")
    given = given.group_by("patient_rank").agg(
        pl.col("first").sum().cast(pl.Int64).alias("n_treatments"), pl.col("start").min().alias("first_start")
    )
    place = frame.select(pl.col("patient").rank("ordinal") - 1).to_series().alias("patient_rank")
    frame = (
        frame.with_columns(place)
        .join(given, on="patient_rank", how="left", maintain_order="left")
        .drop("patient_rank")
        .with_columns(pl.col("n_treatments").fill_null(0))
    )
    ends = [name for name in ("death", "last_contact") if name in frame.columns]
    if ends:
        frame = frame.with_columns(pl.coalesce(ends).alias("until"))
    before = [
        meaning
        for anchor, meaning in anchors_of(records).items()
        if records.study.anchors[anchor].stage == "baseline" and meaning in frame.columns
    ]
    if "birth" in frame.columns and before:
        at = [((pl.col(name) - pl.col("birth")) / _YEAR).floor() for name in before]
        frame = frame.with_columns(at[0].alias("_age"))
        if "age" in frame.columns:
            frame = frame.with_columns(
                pl.min_horizontal((pl.col("age") - one).abs() for one in at).alias("age_gap")
            )
    ages = [name for name in ("age", "_age") if name in frame.columns]
    if ages:
        frame = frame.with_columns(pl.coalesce(ages).alias("age_known"))
    return _her2(frame)


def _her2(frame: pl.DataFrame) -> pl.DataFrame:
    """`her2_negative` where the fields say so, null where they do not say."""
    said: list[pl.Expr] = []
    if "her2" in frame.columns:
        said.append(pl.col("her2"))
    if "her2_ihc" in frame.columns:
        ish = pl.col("her2_ish") if "her2_ish" in frame.columns else pl.lit(None, pl.Boolean)
        said.append(
            pl.when((pl.col("her2_ihc") == 3) | ish).then(pl.lit(value=False))
            .when((pl.col("her2_ihc") <= 1) | ((pl.col("her2_ihc") == 2) & ~ish)).then(pl.lit(value=True))
        )  # fmt: skip
    return frame.with_columns(pl.coalesce(said).alias("her2_negative")) if said else frame


def _carried(frame: pl.DataFrame, people: Sheet) -> list[str]:
    """The columns of a patient that a sheet of rows takes over."""
    return [name for name in _CARRIED if name in people.frame.columns and name not in frame.columns]


def _with_people(frame: pl.DataFrame, people: Sheet) -> pl.DataFrame:
    carried = people.frame.select("patient", *_carried(frame, people))
    return frame.join(carried, on="patient", how="left", maintain_order="left")


def _agents(records: Records, people: Sheet, moments: Sheet, repeated: pl.DataFrame) -> Sheet:
    source = source_of(records, "treatments") or ""
    declared = list(records.study.sources[source].columns)
    frame = records.registry.treatments
    found = {c: f for c, f in concepts(declared).items() if c == "dose"}
    for concept, field in found.items():
        values = normal(concept, frame[field])
        frame = frame if values is None else frame.with_columns(values.alias(concept))
    reasons = {word: reason(word) for word in frame["stop_reason"].drop_nulls().unique().to_list()}
    if reasons:
        frame = frame.with_columns(pl.col("stop_reason").replace_strict(reasons, return_dtype=pl.String))
    going = pl.col("ongoing").fill_null(value=False) | (pl.col("stop_reason") == "ongoing").fill_null(
        value=False
    )
    frame = frame.with_columns(
        pl.when(~pl.col("end_assumed")).then("end").alias("stop"),
        going.alias("going_on"),
        pl.col("patient_rank").is_not_null().alias("known"),
    )
    ranked = people.frame.sort("patient")
    carried = [ranked[name].gather(frame["patient_rank"]) for name in _carried(frame, people)]
    again = repeated.filter(source=source)["row"]
    agents = sorted(frame["agent"].drop_nulls().unique())
    codes = frame["agent"].cast(pl.Enum(agents)).to_physical().alias("agent")
    frame = frame.with_columns(
        *_previous(frame, codes, len(agents)), *_about_drugs(records, frame, codes, agents),
        *_progression_gap(frame, moments), *carried,
        pl.col("row").is_in(again.implode()).alias("repeated") if len(again) else pl.lit(value=False).alias("repeated"),
    )  # fmt: skip
    absent = {{"end": "stop"}.get(name, name) for name in TREATMENTS if name not in declared}
    if "dose" in frame.columns:
        enough = pl.when(pl.len().over("agent") >= 10).then(pl.col("dose").median().over("agent"))
        frame = frame.with_columns(enough.alias("dose_median"))
    return Sheet(frame, {**found, "stop": "end"}, frozenset(absent))


def _about_drugs(
    records: Records, frame: pl.DataFrame, codes: pl.Series, agents: Sequence[str]
) -> list[pl.Series]:
    """Of each row the year of its agent's first approval, and whether it is for HER2-positive disease; the year."""
    drugs = [records.dictionary.drugs[name] for name in agents]
    against = ["anti_her2" in drug.classes and drug.id not in HER2_LOW for drug in drugs]
    anti = pl.Series("anti_her2", against, pl.Boolean).gather(codes)
    if not records.dated:
        return [anti]
    approved = pl.Series("approved", [drug.approved for drug in drugs], pl.Int32).gather(codes)
    return [anti, approved, frame["start"].cast(pl.Date).dt.year().alias("year")]


HER2_LOW: Final = ("trastuzumab_deruxtecan", "disitamab_vedotin")  # also given where HER2 is low


def _previous(frame: pl.DataFrame, codes: pl.Series, agents: int) -> list[pl.Series]:
    """Start and end of the record before, by start, of the same patient and agent."""
    known = frame.select("start", "patient_rank").with_row_index("at")
    known = known.with_columns(codes).drop_nulls()
    who = known["patient_rank"].to_numpy().astype(np.int64) * max(agents, 1) + known["agent"].to_numpy()
    start = known["start"].to_numpy().astype(np.int64)
    least = start.min(initial=0)
    days = int(start.max(initial=0) - least + 1).bit_length()
    order, key = in_order((who << days) | (start - least)) if len(who) else (who, who)
    same = key[1:] >> days == key[:-1] >> days
    rows = known["at"].to_numpy()[order]
    before = np.full(frame.height, -1)
    before[rows[1:][same]] = rows[:-1][same]
    place = pl.Series(before).replace(-1, None)
    return [
        frame[now].gather(place).alias(name)
        for now, name in (("start", "previous_start"), ("stop", "previous_end"))
    ]


def _progression_gap(frame: pl.DataFrame, moments: Sheet) -> list[pl.Series]:
    """Days from the end of a treatment stopped for progression to the nearest recorded one, and that one."""
    if "progression" not in moments.present:
        return []
    events = moments.frame.filter(pl.col("means") == "progression").select(
        "patient", pl.col("day").alias("progression")
    )
    stopped = frame.with_row_index("_at").filter(
        (pl.col("stop_reason") == "progression") & pl.col("stop").is_not_null()
    )
    stopped = stopped.select("_at", "patient", "stop").sort("stop").join_asof(
        events.sort("progression"), left_on="stop", right_on="progression", by="patient", strategy="nearest",
        check_sortedness=False,
    ).drop_nulls()  # fmt: skip
    place = stopped["_at"].to_numpy()
    found: list[pl.Series] = []
    for name, days in (
        ("progression", stopped["progression"]),
        ("progression_gap", (stopped["stop"] - stopped["progression"]).abs()),
    ):
        values = np.full(frame.height, np.nan)
        values[place] = days.to_numpy()
        found.append(pl.Series(name, values).fill_nan(None).cast(pl.Int32))
    return found


def _moments(records: Records, people: Sheet, repeated: pl.DataFrame) -> Sheet:
    parts: list[pl.DataFrame] = []
    meant = anchors_of(records)
    course = {name: rule for name, rule in records.study.anchors.items() if rule.stage == "course"}
    for name, rule in course.items():
        said = (pl.lit(rule.label or name).alias("what"), pl.lit(meant[name]).alias("means"))
        parts.append(records.registry.dated[name].with_columns(*said))
    if not parts:
        empty = {
            "patient": pl.String,
            "day": pl.Int32,
            "means": pl.String,
            "what": pl.String,
            "_file": pl.String,
            "_line": pl.Int64,
        }
        return Sheet(pl.DataFrame(schema=empty), {}, frozenset({"day"}))
    frame = pl.concat(parts).sort("what", "patient", "day", "_line", maintain_order=True)
    same = (pl.col("patient") == pl.col("patient").shift()) & (pl.col("what") == pl.col("what").shift())
    frame = frame.with_columns(pl.when(same).then(pl.col("day").shift()).alias("previous"))
    again = repeated.select("source", *PLACE, pl.lit(value=True).alias("repeated")).unique()
    frame = _with_people(frame, people).join(again, on=["source", *PLACE], how="left", maintain_order="left")
    frame = frame.with_columns(pl.col("repeated").fill_null(value=False))
    kinds = {meant[name] for name in course}
    if {"response", "progression"} <= kinds:
        frame = _before(frame, records)
    # A role is a column of this sheet so that a rule can say that it needs it.
    frame = frame.with_columns(
        pl.lit(value=True).alias(kind) for kind in kinds if kind in ("progression", "response")
    )
    fields = {"day": next(iter(course.values())).fields[0].split(".", 1)[-1] if course else "day"}
    return Sheet(frame, fields)


def _before(frame: pl.DataFrame, records: Records) -> pl.DataFrame:
    """The last progression and the last start of a treatment before each moment."""
    starts = records.registry.treatments.select("patient", pl.col("start").alias("last_start")).drop_nulls()
    progressions = frame.filter(pl.col("means") == "progression").select(
        "patient", pl.col("day").alias("last_progression")
    )
    frame = frame.sort("day")
    for other, name in ((starts, "last_start"), (progressions, "last_progression")):
        frame = frame.join_asof(
            other.unique().sort(name), left_on="day", right_on=name, by="patient", strategy="backward",
            check_sortedness=False, coalesce=False,
        )  # fmt: skip
    return frame


def _contacts(records: Records, people: Sheet) -> Sheet:
    """Rows of every source that dates a last contact or a death."""
    study, meant = records.study, {meaning: name for name, meaning in anchors_of(records).items()}
    wanted = {"contact": "last_contact", "row_death": "death"}
    parts: list[pl.DataFrame] = []
    for name in study.sources:
        frame = records.tables[name].frame
        columns: dict[str, pl.Expr] = {}
        for column, meaning in wanted.items():
            fields = study.anchors[meant[meaning]].fields if meaning in meant else ()
            field = next((path.split(".", 1)[1] for path in fields if path.split(".", 1)[0] == name), None)
            if field is not None:
                columns[column] = pl.col(field).cast(pl.Int32)
        status = study.anchors[records.death].status if records.death else None
        for path in status.fields if status else ():
            if status and path.split(".", 1)[0] == name:
                columns["row_dead"] = pl.col(path.split(".", 1)[1]) == status.value
        if columns:
            parts.append(frame.select("patient", *PLACE, *(expr.alias(key) for key, expr in columns.items())))
    if not parts:
        return Sheet(pl.DataFrame(schema={"patient": pl.String}), {})
    return Sheet(_with_people(pl.concat(parts, how="diagonal"), people), {})


def _lines(records: Records) -> Sheet:
    frame = records.lines.table.rename({"subject": "patient"}).sort("patient", "step")
    following = pl.when(pl.col("patient") == pl.col("patient").shift(-1)).then(pl.col("start").shift(-1))
    return Sheet(
        frame.select("patient", "step", "start", pl.col("end").alias("stop"), following.alias("next_start")),
        {},
    )

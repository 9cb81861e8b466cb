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

import polars as pl

from sequela.clinic.checks.meanings import concepts, normal, reason
from sequela.clinic.tables import TREATMENTS, anchor_column
from sequela.study.named_endpoints import roles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sequela.clinic.checks.rule import Records

DAYS: Final = frozenset({
    "birth", "diagnosis", "metastatic", "surgery", "index", "death", "death_told", "last_contact", "until", "start",
    "stop", "first_start", "previous_start", "previous_end", "day", "previous", "last_progression", "last_start",
    "contact", "row_death", "next_start",
})  # fmt: skip
PLACE: Final = ("_file", "_line")
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
        repeated: places (`_file`, `_line`) of rows that repeat an earlier one as a whole.
    """
    people = people_sheet(records)
    again = repeated.select(*PLACE, pl.lit(value=True).alias("repeated"))
    moments = _moments(records, people, again)
    agents = _agents(records, people, moments, again)
    treatments = Sheet(
        agents.frame.unique("row", keep="first", maintain_order=True), agents.fields, agents.absent
    )
    return {
        "people": people,
        "treatments": treatments,
        "agents": agents,
        "moments": moments,
        "contacts": _contacts(records, people),
        "lines": _lines(records),
    }


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
    given = rows.group_by("patient").agg(
        pl.col("row").n_unique().cast(pl.Int64).alias("n_treatments"),
        pl.col("start").filter(pl.col("unused").is_null()).min().alias("first_start"),
    )
    frame = frame.join(given, on="patient", how="left", maintain_order="left").with_columns(
        pl.col("n_treatments").fill_null(0)
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


def _with_people(frame: pl.DataFrame, people: Sheet) -> pl.DataFrame:
    carried = [name for name in _CARRIED if name in people.frame.columns and name not in frame.columns]
    return frame.join(
        people.frame.select("patient", *carried), on="patient", how="left", maintain_order="left"
    )


def _agents(records: Records, people: Sheet, moments: Sheet, again: pl.DataFrame) -> Sheet:
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
    unknown = pl.col("unused").is_null() | (pl.col("unused") != "patient not in the patients' file")
    frame = frame.with_columns(
        pl.when(~pl.col("end_assumed")).then("end").alias("stop"),
        going.alias("going_on"),
        unknown.alias("known"),
    )
    frame = _progression_gap(_about_drugs(records, _previous(frame)), moments)
    frame = _with_people(frame, people).join(again, on=PLACE, how="left", maintain_order="left")
    frame = frame.with_columns(pl.col("repeated").fill_null(value=False))
    absent = {{"end": "stop"}.get(name, name) for name in TREATMENTS if name not in declared}
    if "dose" in frame.columns:
        enough = pl.when(pl.len().over("agent") >= 10).then(pl.col("dose").median().over("agent"))
        frame = frame.with_columns(enough.alias("dose_median"))
    return Sheet(frame, {**found, "stop": "end"}, frozenset(absent))


def _about_drugs(records: Records, frame: pl.DataFrame) -> pl.DataFrame:
    """Of each agent the year of its first approval, and whether it is for HER2-positive disease."""
    drugs = records.dictionary.drugs.values()
    told = pl.DataFrame(
        {
            "agent": [drug.id for drug in drugs],
            "approved": [drug.approved for drug in drugs],
            "anti_her2": ["anti_her2" in drug.classes and drug.id not in HER2_LOW for drug in drugs],
        },
        schema={"agent": pl.String, "approved": pl.Int32, "anti_her2": pl.Boolean},
    )
    frame = frame.join(
        told if records.dated else told.drop("approved"), on="agent", how="left", maintain_order="left"
    )
    return (
        frame.with_columns(pl.col("start").cast(pl.Date).dt.year().alias("year")) if records.dated else frame
    )


HER2_LOW: Final = ("trastuzumab_deruxtecan", "disitamab_vedotin")  # also given where HER2 is low


def _previous(frame: pl.DataFrame) -> pl.DataFrame:
    """The record before of the same patient and agent, by start."""
    frame = frame.sort("patient", "agent", "start", "row", nulls_last=True)
    same = (pl.col("patient") == pl.col("patient").shift()) & (pl.col("agent") == pl.col("agent").shift())
    frame = frame.with_columns(
        pl.when(same).then(pl.col("start").shift()).alias("previous_start"),
        pl.when(same).then(pl.col("stop").shift()).alias("previous_end"),
    )
    return frame.sort("row", "agent")


def _progression_gap(frame: pl.DataFrame, moments: Sheet) -> pl.DataFrame:
    """Days from the end of a treatment stopped for progression to the nearest recorded one."""
    if "progression" not in moments.present:
        return frame
    events = moments.frame.filter(pl.col("means") == "progression").select(
        "patient", pl.col("day").alias("progression")
    )
    stopped = frame.filter((pl.col("stop_reason") == "progression") & pl.col("stop").is_not_null())
    stopped = stopped.select("patient", "stop").unique().sort("stop").join_asof(
        events.sort("progression"), left_on="stop", right_on="progression", by="patient", strategy="nearest",
        check_sortedness=False,
    )  # fmt: skip
    gap = stopped.select(
        "patient",
        "stop",
        "progression",
        (pl.col("stop") - pl.col("progression")).abs().alias("progression_gap"),
    )
    return frame.join(gap, on=["patient", "stop"], how="left", maintain_order="left")


def _moments(records: Records, people: Sheet, again: pl.DataFrame) -> Sheet:
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
    frame = _with_people(frame, people).join(again, on=PLACE, how="left", maintain_order="left")
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

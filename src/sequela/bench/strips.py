"""A blot assay: its table of bands, or of lanes whose bands are measured in pictures; ratios on one scale.

A row is a band of a lane. A lane that is there twice, lanes of one blot that were exposed differently, and bands of a
picture that cannot be measured keep their place with the reason in `unused`; nothing of them is averaged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from sequela.bench.bands import band_table, normalised_bands
from sequela.bench.blots import Blot, measure_blot
from sequela.bench.fractions import purify
from sequela.bench.pictures import copies, read_picture
from sequela.bench.tables import as_samples, tabulated
from sequela.core.errors import DataError
from sequela.core.finding import Finding, Where
from sequela.records.files import digest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sequela.records.source import Kind
    from sequela.study.bench_images import Blot as Assay

FIELDS: Final[dict[str, Kind]] = {
    "experiment": "text",
    "date": "text",
    "passage": "text",
    "blot": "text",
    "picture": "text",
    "lane": "integer",
    "culture": "text",
    "target": "text",
    "fraction": "text",
    "role": "category",
    "agent": "text",
    "dose": "number",
    "dose_unit": "text",
    "hours": "number",
    "replicate": "integer",
    "exposure": "number",
    "value": "number",
    "reason": "text",
    "exclude": "text",
}
PLACE: Final = ("blot", "lane", "target", "fraction")
CONDITION: Final = ("culture", "agent", "dose", "hours")


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """One picture as measured: what stands in its lanes (rows of the lane table), and its bands."""

    picture: str
    blot: str
    experiment: str
    lanes: Mapping[int, Mapping[str, Any]]
    measured: Blot
    sha256: str


@dataclass(frozen=True, slots=True, eq=False)
class Blotted:
    """A blot assay as read.

    Attributes:
        frame: a row a band: the FIELDS, `loading`, `ratio`, `scaled` (on one scale for all blots), `unused`.
        strips: the pictures, measured; empty where the study has a table of bands.
        findings: of the table, of pictures and of ratios.
        sha256: of every file.
    """

    frame: pl.DataFrame
    strips: tuple[Strip, ...]
    findings: tuple[Finding, ...]
    sha256: Mapping[str, str]


def blotted(name: str, assay: Assay, base: Path) -> Blotted:
    """The bands of an assay, measured where they are pictures.

    Args:
        name: of the assay.
        assay: its table and what it says of pictures, loading and fractions.
        base: the directory that file names start from.

    Raises:
        DataError: the table cannot be used as a whole, or has neither values nor pictures.
    """
    read = tabulated(name, assay, FIELDS, ("lane", "culture"), base)
    frame = _completed(read.frame, assay)
    findings, hashes = list(read.findings), dict(read.sha256)
    strips: tuple[Strip, ...] = ()
    if frame["picture"].is_not_null().any():
        frame, strips, found = _measured(frame, assay, base)
        findings += found
        hashes |= {strip.picture: strip.sha256 for strip in strips}
    elif frame["value"].is_null().all():
        where = Where(frame["_file"][0] if frame.height else None)
        raise DataError(
            Finding("I110", "error", f"the table of `{name}` has neither bands nor pictures", where, None,
                    "a column `value` (a row a band), or `picture` (a row a lane)",
                    "add one of the two columns, or map it under `columns`")
        )  # fmt: skip
    frame, found = _refused(frame)
    findings += found
    return Blotted(frame, strips, tuple(findings), hashes)


def _completed(frame: pl.DataFrame, assay: Assay) -> pl.DataFrame:
    """What the study file says in place of columns; a blot without a name is its picture or its experiment."""
    single = assay.bands[0] if len(assay.bands) == 1 else None
    blot = pl.coalesce("blot", "picture", "experiment", pl.lit("1")).alias("blot")
    return as_samples(frame.with_columns(blot, pl.col("target").fill_null(pl.lit(single, pl.String))), assay)


def _measured(
    frame: pl.DataFrame, assay: Assay, base: Path
) -> tuple[pl.DataFrame, tuple[Strip, ...], list[Finding]]:
    """Every picture's bands in place of its lanes."""
    parts: list[pl.DataFrame] = [frame.filter(pl.col("picture").is_null())]
    strips: list[Strip] = []
    findings: list[Finding] = []
    pictured = frame.filter(pl.col("picture").is_not_null())
    names = [str(name) for name in pictured["picture"].unique(maintain_order=True)]
    files = [(name, digest(base / name)) for name in names if (base / name).is_file()]
    twice = {finding.where.file: finding for finding in copies(files).values()}
    for (picture,), rows in pictured.group_by(["picture"], maintain_order=True):
        try:
            if copy := twice.get(str(picture)):
                raise DataError(copy)
            strip = _strip(str(picture), rows, assay, base)
        except DataError as fault:
            findings += [_at(finding, str(picture)) for finding in fault.findings]
            reason = pl.lit(f"its picture cannot be measured ({fault.findings[0].code})")
            parts.append(rows.with_columns(pl.coalesce("unused", reason).alias("unused")))
            continue
        findings += [_at(finding, str(picture)) for finding in strip.measured.findings]
        strips.append(strip)
        parts.append(_banded(rows, strip))
    return pl.concat([part for part in parts if part.height]), tuple(strips), findings


def _strip(picture: str, rows: pl.DataFrame, assay: Assay, base: Path) -> Strip:
    targets = rows["target"].drop_nulls().unique(maintain_order=True).to_list() or list(assay.bands) or None
    most = assay.lanes or int(rows["lane"].max() or 0)  # pyright: ignore[reportArgumentType]
    places = [assay.rows[target] for target in targets or () if target in assay.rows]
    source = read_picture(base / picture, assay.ceiling)
    measured = measure_blot(
        source,
        lanes=most or None,
        bands=targets,
        rows=places if targets and len(places) == len(targets) else None,
        dark=assay.dark,
    )
    lanes = {int(row["lane"]): row for row in rows.iter_rows(named=True) if row["lane"] is not None}
    return Strip(
        picture, str(rows["blot"][0]), str(rows["experiment"][0] or ""), lanes, measured, source.sha256
    )


def _banded(rows: pl.DataFrame, strip: Strip) -> pl.DataFrame:
    """A row a band: the lane's row with its target, volume and reason; lanes that are not there say so."""
    bands = strip.measured.frame().select(
        pl.col("lane"), pl.col("band").alias("_band"), pl.col("volume"), pl.col("reason").alias("_why")
    )
    joined = rows.join(bands, on="lane", how="left", maintain_order="left").filter(
        pl.col("target").is_null() | pl.col("_band").is_null() | (pl.col("target") == pl.col("_band"))
    )
    absent = pl.when(pl.col("_band").is_null()).then(pl.lit("the picture has no such lane"))
    return joined.with_columns(
        pl.coalesce("target", "_band").alias("target"),
        pl.col("volume").alias("value"),
        pl.coalesce("reason", "_why").alias("reason"),
        pl.coalesce("unused", absent).alias("unused"),
    ).drop("_band", "volume", "_why")


def _at(finding: Finding, picture: str) -> Finding:
    """The finding with the picture's path as the table names it."""
    return replace(finding, where=replace(finding.where, file=picture))


def _refused(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[Finding]]:
    """Rows that cannot be used as they stand, each group with one finding: I114, I115, I116."""
    own = pl.when(pl.col("exclude").is_not_null()).then(pl.lit("excluded: ") + pl.col("exclude"))
    frame = frame.with_columns(pl.coalesce("unused", own).alias("unused"))
    twice = pl.struct(PLACE).is_duplicated() & pl.col("lane").is_not_null()
    exposed = pl.col("exposure").drop_nulls().n_unique().over("blot", "target", "fraction") > 1
    bad = pl.col("value").is_null() | pl.col("value").is_nan() | (pl.col("value") <= 0)
    empty = bad & pl.col("reason").is_null()
    findings: list[Finding] = []
    for code, rule, message, shown, allowed, remedy in (
        ("I115", twice, "a band is there more than once", "target", "one row a blot, lane, target and fraction",
         "number the lanes apart, or take the wrong row out; none of them is used"),
        ("I114", exposed, "lanes of one blot and target were exposed differently", "exposure", "one exposure",
         "compare lanes of one exposure; none of them is used"),
        ("I116", empty, "a band has no amount above zero", "value", "a number above 0",
         "give the volume above its baseline, or the `reason` why there is none"),
    ):  # fmt: skip
        hit = frame.filter(rule & pl.col("unused").is_null())
        for (blot, target), rows in hit.group_by(["blot", "target"], maintain_order=True):
            lanes = ", ".join(str(lane) for lane in rows["lane"])
            where = Where(rows["_file"][0], rows["_line"][0], shown, culture=rows["culture"][0])
            found = f"blot {blot}, {target or 'no target'}, lanes {lanes}" + _values(rows, shown)
            findings.append(Finding(code, "error", message, where, found, allowed, remedy))
        marked = pl.when(rule).then(pl.lit(message))
        frame = frame.with_columns(pl.coalesce("unused", marked).alias("unused"))
    return frame, findings


def _values(rows: pl.DataFrame, column: str) -> str:
    if column == "target":
        return ""
    values = rows[column].unique(maintain_order=True).to_list()
    return ": " + ", ".join("nothing" if value is None else f"{value:g}" for value in values)


def ratios(
    frame: pl.DataFrame, assay: Assay, *, stressed: bool = False
) -> tuple[pl.DataFrame, tuple[Finding, ...]]:
    """Bands over their loading controls, phosphorylated over total, purity of fractions, one scale for all blots.

    Loading controls stay in the frame without a ratio.
    """
    found: list[pl.DataFrame] = []
    findings: list[Finding] = []
    for rows, loading in _by_loading(frame, assay.loading):
        made, more = normalised_bands(rows, loading, phospho=assay.phospho, stressed=stressed)
        found.append(made)
        if loading is not None:
            found.append(band_table(rows.filter(pl.col("target") == loading)))
        findings += more
    divided = pl.concat(found, how="diagonal_relaxed")
    scaled, more = between_blots(divided, as_read=assay.between == "as read")
    findings += more
    if assay.nuclear and assay.cytoplasmic:
        findings += _purities(frame, assay)
    return scaled, tuple(dict.fromkeys(findings))


def _by_loading(
    frame: pl.DataFrame, told: str | dict[str, str] | None
) -> list[tuple[pl.DataFrame, str | None]]:
    """The rows with their loading control: one for all, or one a fraction."""
    if not isinstance(told, dict):
        return [(frame, told)]
    of_fraction = pl.col("fraction")
    rest = frame.filter(~of_fraction.is_in(list(told)).fill_null(value=False))
    parts = [
        *((frame.filter(of_fraction == fraction), target) for fraction, target in told.items()),
        (rest, None),
    ]
    return [(rows, loading) for rows, loading in parts if rows.height]


def _purities(frame: pl.DataFrame, assay: Assay) -> list[Finding]:
    found: list[Finding] = []
    for _, rows in frame.group_by(CONDITION[1:], maintain_order=True):
        found += purify(
            rows, nuclear=assay.nuclear or "", cytoplasmic=assay.cytoplasmic or "", membrane=assay.membrane
        )[1]
    return found


def between_blots(frame: pl.DataFrame, *, as_read: bool = False) -> tuple[pl.DataFrame, tuple[Finding, ...]]:
    """`scaled`: each ratio over the geometric mean of the lanes that all blots of its target have.

    The unit of a blot (exposure, antibody) is taken out without setting any one lane to 1, so that the reference
    keeps its scatter (Degasperi et al., PLoS One 2014; 9: e87293). Blots without a common lane cannot be brought
    together (I127) and are not used; `as_read` leaves the ratios as they are.
    """
    if as_read or not frame.height:
        return frame.with_columns(pl.col("ratio").alias("scaled")), ()
    usable = frame.filter(pl.col("unused").is_null() & pl.col("ratio").is_not_null())
    group = ["target", "fraction"]
    blots = usable.group_by(group).agg(pl.col("blot").n_unique().alias("_blots"))
    on = usable.group_by(*group, *CONDITION).agg(pl.col("blot").n_unique().alias("_on"))
    common = on.join(blots, on=group, nulls_equal=True).filter(pl.col("_on") == pl.col("_blots"))
    lanes = usable.join(common, on=[*group, *CONDITION], how="semi", nulls_equal=True)
    units = (
        lanes.group_by(*group, "blot", *CONDITION)
        .agg(pl.col("ratio").log().mean())
        .group_by(*group, "blot")
        .agg(pl.col("ratio").mean().exp().alias("_unit"))
    )
    joined = frame.join(units, on=[*group, "blot"], how="left", nulls_equal=True, maintain_order="left")
    lost = pl.col("_unit").is_null() & pl.col("ratio").is_not_null() & pl.col("unused").is_null()
    reason = pl.when(lost).then(pl.lit("its blot shares no lane with the others"))
    result = joined.with_columns(
        (pl.col("ratio") / pl.col("_unit")).alias("scaled"), pl.coalesce("unused", reason).alias("unused")
    ).drop("_unit")
    apart = result.filter(pl.col("unused") == "its blot shares no lane with the others")
    findings = tuple(
        Finding("I127", "error", f"blots of {target} share no lane",
                Where(rows["_file"][0], rows["_line"][0], "culture"),
                ", ".join(rows["blot"].unique(maintain_order=True)), "one culture (and dose) that is on every blot",
                'load a common lane, or say `between = "as read"`; the bands are not used')
        for (target,), rows in apart.group_by(["target"], maintain_order=True)
    )  # fmt: skip
    return result, findings

"""An assay of fluorescence: a table of fields, whose cells are measured in the pictures, or of measured cells.

A row is a cell. A field that cannot be measured keeps its row with the reason; intensities of fields that were exposed
differently are not used, shares of compartments are: they do not hang on the exposure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from sequela.bench.cells import Cells, find_cells, from_labels, same_shape
from sequela.bench.localisation import MEASURES, Localised, doubtful_blur, localise, pooled_blur
from sequela.bench.pictures import Picture, copies, measurable, picture, read_picture
from sequela.bench.tables import as_samples, tabulated
from sequela.core.errors import DataError
from sequela.core.finding import Finding, Where
from sequela.records.files import digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sequela.records.source import Kind
    from sequela.study.bench_images import Fluorescence

FIELDS: Final[dict[str, Kind]] = {
    "experiment": "text",
    "date": "text",
    "passage": "text",
    "culture": "text",
    "field": "text",
    "picture": "text",
    "nuclear": "text",
    "target": "text",
    "marker": "text",
    "cells": "text",
    "nuclei": "text",
    "role": "category",
    "agent": "text",
    "dose": "number",
    "dose_unit": "text",
    "hours": "number",
    "replicate": "integer",
    "exposure": "number",
    "cell": "integer",
    **dict.fromkeys(MEASURES, "number"),
    "exclude": "text",
}
PICTURES: Final = ("picture", "nuclear", "target", "marker", "cells", "nuclei")
SHARES: Final = ("membrane", "cytoplasm", "nucleus")
INTENSITIES: Final = ("mean", "integrated")


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """One field as measured: its row of the table, its pictures, its cells and where the protein lies in them."""

    row: Mapping[str, Any]
    target: Picture
    nuclear: Picture | None
    found: Cells
    measured: Localised


@dataclass(frozen=True, slots=True, eq=False)
class Pictured:
    """An assay of fluorescence as read: a row a cell with `unused`, its measured fields, findings and hashes."""

    frame: pl.DataFrame
    fields: tuple[Field, ...]
    findings: tuple[Finding, ...]
    sha256: Mapping[str, str]


def pictured(name: str, assay: Fluorescence, base: Path) -> Pictured:
    """The cells of an assay, measured where it names pictures.

    Raises:
        DataError: the table cannot be used as a whole, or names neither pictures nor measured cells (I145).
    """
    read = tabulated(name, assay, FIELDS, ("culture",), base)
    field = pl.coalesce("field", "target", "picture", pl.lit("1")).alias("field")
    rows = as_samples(read.frame.with_columns(field), assay)
    named = rows["picture"].is_not_null() if assay.channels else rows["target"].is_not_null()
    if not named.any():
        if all(rows[measure].is_null().all() for measure in MEASURES):
            raise DataError(_nothing(name, rows))
        frame, findings = _refused(rows)
        return Pictured(frame, (), (*read.findings, *findings), read.sha256)
    hashes = _hashes(rows, base)
    fields, frame, found = _measured(rows, assay, base, hashes)
    frame, findings = _refused(frame)
    return Pictured(frame, fields, (*read.findings, *found, *findings), {**read.sha256, **hashes})


def _hashes(rows: pl.DataFrame, base: Path) -> dict[str, str]:
    """The SHA-256 of every picture that the rows name."""
    names = pl.concat([rows[column].cast(pl.String) for column in PICTURES]).drop_nulls()
    return {
        name: digest(base / name) for name in names.unique(maintain_order=True) if (base / name).is_file()
    }


def _nothing(name: str, rows: pl.DataFrame) -> Finding:
    return Finding(
        "I145", "error", f"the table of `{name}` has neither pictures nor measured cells",
        Where(rows["_file"][0] if rows.height else None), None,
        f"columns `target` and `nuclear` (or `cells`), or `picture` with `channels`, or one of {', '.join(MEASURES)}",
        "add them, or map them under `columns`",
    )  # fmt: skip


def _measured(
    rows: pl.DataFrame, assay: Fluorescence, base: Path, hashes: Mapping[str, str]
) -> tuple[tuple[Field, ...], pl.DataFrame, list[Finding]]:
    """Every field's cells in place of its row; one blur for all fields of the microscope, unless it is given."""
    taken: list[tuple[dict[str, Any], Picture, Picture | None, Cells]] = []
    lost: list[pl.DataFrame] = []
    findings: list[Finding] = []
    shown = rows["picture" if assay.channels else "target"].to_list()
    files = [(at, name) for at, name in enumerate(shown) if name in hashes]
    twice = copies([(name, hashes[name]) for _, name in files])
    copied = {files[place][0]: finding for place, finding in twice.items()}
    for place, row in enumerate(rows.iter_rows(named=True)):
        try:
            if place in copied:
                raise DataError(copied[place])
            taken.append((row, *_taken(row, assay, base)))
        except DataError as fault:
            findings += [_of(finding, row) for finding in fault.findings]
            reason = pl.lit(f"the field cannot be measured ({fault.findings[0].code})")
            lost.append(rows[place].with_columns(reason.alias("unused")))
    blur = assay.blur_pixels
    if blur is None and len(taken) > 1:
        blur = pooled_blur([(target, found) for _, target, _, found in taken])
        findings += doubtful_blur(blur)
    fields: list[Field] = []
    parts: list[pl.DataFrame] = lost
    for row, target, nuclear, found in taken:
        measured = localise(target, found, blur=blur, ground=assay.ground, modality=assay.modality)
        findings += [_of(finding, row) for finding in measured.findings]
        fields.append(Field(row, target, nuclear, found, measured))
        parts.append(_cells(row, measured, rows.schema))
    return tuple(fields), pl.concat(parts, how="diagonal_relaxed"), _together(findings)


def _taken(row: dict[str, Any], assay: Fluorescence, base: Path) -> tuple[Picture, Picture | None, Cells]:
    """Target, nuclear stain and cells of one field."""
    target, nuclear, marker = _channels(row, assay, base)
    measurable(target)
    if row["cells"] is not None:
        nuclei = read_picture(base / row["nuclei"]).pixels if row["nuclei"] is not None else None
        found = from_labels(read_picture(base / row["cells"]).pixels, nuclei)
        same_shape(target=target.pixels, cells=found.cells)
        return target, nuclear, found
    if nuclear is None:
        raise DataError(
            Finding("I146", "error", "a field has neither a nuclear stain nor cells of your own",
                    Where(field="nuclear"), None, "a picture under `nuclear`, or labels under `cells`",
                    "add one of the two")
        )  # fmt: skip
    diameter = assay.nucleus_pixels or (assay.nucleus_um or 0.0) / (assay.pixel_um or 1.0)
    if not diameter:
        raise DataError(
            Finding("I146", "error", "nothing says how large a nucleus is", Where(field="nucleus_um"),
                    allowed="`nucleus_um` with `pixel_um`, or `nucleus_pixels`", remedy="measure one and say it")
        )  # fmt: skip
    same_shape(target=target.pixels, nuclear=nuclear.pixels)
    return target, nuclear, find_cells(nuclear.pixels, diameter=diameter, marker=marker)


def _channels(row: dict[str, Any], assay: Fluorescence, base: Path) -> tuple[Picture, Picture | None, Any]:
    """The target, the nuclear stain and the pixels of the marker: planes of one picture, or files."""
    if assay.channels is None:
        named = [
            row[name] and read_picture(base / row[name], assay.ceiling)
            for name in ("target", "nuclear", "marker")
        ]
        target, nuclear, marker = named
        return _one(target), nuclear and _one(nuclear), marker and _one(marker).pixels
    whole = read_picture(base / row["picture"], assay.ceiling)
    planes = [assay.channels.target, assay.channels.nuclear, assay.channels.marker or assay.channels.target]
    if whole.pixels.ndim != 3 or max(planes) > len(whole.pixels):
        raise DataError(
            Finding("I147", "error", "the picture has no such channel", Where(whole.name, field="channels"),
                    f"shape {whole.pixels.shape}", f"channel {max(planes)}: channels x rows x columns",
                    "correct `channels`, or give each channel its own file")
        )  # fmt: skip
    target, nuclear, marker = (_plane(whole, plane) for plane in planes)
    return target, nuclear, marker.pixels if assay.channels.marker else None


def _plane(whole: Picture, plane: int) -> Picture:
    made = picture(whole.pixels[plane - 1], whole.name, whole.ceiling)
    other = [finding for finding in whole.findings if finding.code not in ("I103", "I104")]
    return Picture(made.pixels, made.ceiling, whole.name, whole.sha256, (*other, *made.findings))


def _one(source: Picture) -> Picture:
    if source.pixels.ndim != 2:
        raise DataError(
            Finding("I147", "error", "a channel is one value a pixel", Where(source.name),
                    f"shape {source.pixels.shape}", "rows x columns", "export the channel alone, or say `channels`")
        )  # fmt: skip
    return source


def _cells(row: dict[str, Any], measured: Localised, schema: Any) -> pl.DataFrame:
    """A row a cell, with what the table says of its field."""
    own = [pl.lit(value, schema[name]).alias(name) for name, value in row.items()
           if name not in (*MEASURES, "cell", "unused", "area")]  # fmt: skip
    frame = measured.cells.with_columns(own)
    if frame.is_empty():
        reason = pl.lit("no cell was found")
        return pl.DataFrame([row], schema=schema).with_columns(reason.alias("unused"))
    return frame


def _of(finding: Finding, row: dict[str, Any]) -> Finding:
    """The finding with its field: the picture, the culture, the line of the table where no picture is named."""
    where = finding.where
    kind = "nuclei" if "nuclei" in finding.message else "cells"
    labels = row[kind] if finding.code == "I142" else None
    own = {Path(row[name]).name: row[name] for name in PICTURES if row[name]}  # as the table names them
    named = own.get(where.file, where.file) if where.file else None
    file = named or labels or row["target"] or row["picture"] or row["_file"]
    return replace(finding, where=replace(where, file=file, culture=row["culture"]))


def _together(findings: list[Finding]) -> list[Finding]:
    """Notes and warnings that many fields share, once, with how many there are."""
    kept: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        kept.setdefault((finding.code, finding.message), []).append(finding)
    found: list[Finding] = []
    for alike in kept.values():
        first = alike[0]
        if len(alike) == 1 or first.code not in ("I103", "I105", "I153"):
            found += alike
        else:
            text = f"{len(alike)} fields" + (f"; {first.found}" if first.found else "")
            found.append(replace(first, found=text))
    return found


def _refused(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[Finding]]:
    """Cells left out by hand, intensities of mixed exposures (I154), shares that do not add up to one (I148)."""
    own = pl.when(pl.col("exclude").is_not_null()).then(pl.lit("excluded: ") + pl.col("exclude"))
    findings: list[Finding] = []
    exposures = frame["exposure"].drop_nulls().unique(maintain_order=True).to_list()
    if len(exposures) > 1:
        row = frame.filter(pl.col("exposure") == exposures[1])
        findings.append(
            Finding("I154", "error", "fields were exposed differently: their intensities cannot be compared",
                    Where(row["_file"][0], row["_line"][0], "exposure"), ", ".join(f"{one:g}" for one in exposures),
                    "one exposure for all", "compare shares of compartments, or take the fields anew")
        )  # fmt: skip
        nothing = [pl.lit(None, pl.Float64).alias(name) for name in INTENSITIES]
        frame = frame.with_columns(nothing)
    whole = pl.sum_horizontal(pl.col(SHARES), ignore_nulls=False)
    off = (whole - 1).abs().fill_null(0.0) > 0.02
    hit = frame.filter(off & pl.col("unused").is_null())
    if hit.height:
        findings.append(
            Finding("I148", "error", "shares of membrane, cytoplasm and nucleus do not add up to 1",
                    Where(hit["_file"][0], hit["_line"][0], "membrane"), f"{hit.height} cells", "a sum of 1",
                    "give shares, not percentages or amounts; the cells are not used")
        )  # fmt: skip
    wrong = pl.when(off).then(pl.lit("its shares do not add up to 1"))
    return frame.with_columns(pl.coalesce(own, "unused", wrong).alias("unused")), findings

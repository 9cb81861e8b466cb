"""The path of a bench study: records → study → cultures → exposures → readouts. What follows works on `Benched`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from sequela.bench.checks import marked
from sequela.bench.cultures import recognise, seen
from sequela.bench.exposures import in_words, residues, same_unit, sequences
from sequela.bench.growth import missing_times
from sequela.bench.plates import copied, normalised, quality
from sequela.bench.tables import observed
from sequela.core.errors import DataError
from sequela.report.bench_content import Account, Who
from sequela.study.bench import Assay
from sequela.walk.bench_images import read_images
from sequela.walk.path import base_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sequela.bench.plates import Quality
    from sequela.core.finding import Finding
    from sequela.core.sequence import Sequences
    from sequela.study.bench import BenchStudy
    from sequela.study.model import Study
    from sequela.walk.bench_images import Imaged


@dataclass(frozen=True, slots=True, eq=False)
class Benched:
    """Everything known of a bench study before the first estimate.

    Attributes:
        protocol: the bench's parts of the study.
        frames: every assay's rows by name, with `signal`, `relative` and `unused`.
        qualities: every assay's plates, judged.
        sequences: what each culture lived through.
        sha256: of every file, by assay.
        findings: of reading, of rows, of cultures, exposures, plates and pictures.
        images: of every assay that is read from pictures, its measured pictures or biopsies.
    """

    study: Study
    protocol: BenchStudy
    frames: Mapping[str, pl.DataFrame]
    qualities: Mapping[str, tuple[Quality, ...]]
    sequences: Sequences
    sha256: Mapping[str, Mapping[str, str]]
    findings: tuple[Finding, ...]
    images: Mapping[str, Imaged]


def walk_bench(study: Study, progress: Callable[[str], None] = lambda _: None) -> Benched:
    """From the files of a bench study to its rows, normalised and judged.

    Raises:
        DataError: a file, a layout or a column cannot be used as a whole.
    """
    protocol = study.bench
    assert protocol is not None, "a study of patients"
    frames: dict[str, pl.DataFrame] = {}
    qualities: dict[str, tuple[Quality, ...]] = {}
    hashes: dict[str, Mapping[str, str]] = {}
    images: dict[str, Imaged] = {}
    findings: list[Finding] = []
    for name, assay in protocol.assays.items():
        progress(f"reading {name}")
        try:
            if isinstance(assay, Assay):
                frames[name], qualities[name], hashes[name], found = _assay(study, protocol, name, assay)
            else:
                images[name] = read_images(protocol, name, assay, base_of(study))
                frames[name], hashes[name] = images[name].frame, images[name].sha256
                found = list(images[name].findings)
        except DataError as fault:
            raise DataError([_of_assay(finding, name) for finding in fault.findings]) from None
        findings.extend(_of_assay(finding, name) for finding in found)
    return Benched(study, protocol, frames, qualities, sequences(protocol), hashes, tuple(findings), images)


def _assay(
    study: Study, protocol: BenchStudy, name: str, assay: Assay
) -> tuple[pl.DataFrame, tuple[Quality, ...], Mapping[str, str], list[Finding]]:
    read = observed(name, assay, protocol.plates, base_of(study))
    frame, rows = marked(read.frame, protocol.plates, assay.ceiling)
    frame, copies = copied(frame, name)
    frame, doses = same_unit(frame, assay, protocol.agents)
    frame, people = recognise(frame, protocol.cultures, name)
    findings = [*read.findings, *rows, *copies, *doses]
    if assay.kind == "growth":
        frame = frame.with_columns(
            pl.col("value").alias("signal"), pl.lit(None, pl.Float64).alias("relative")
        )
        findings += missing_times(frame, name)
    elif assay.kind == "viability":
        frame, faults = normalised(frame, name)
        findings += faults
    judged, limits = quality(frame, protocol.plates)
    findings += [*people, *residues(protocol, name, frame), *limits]
    return frame, judged, read.sha256, findings


def _of_assay(finding: Finding, name: str) -> Finding:
    """A finding in the words of an assay: its part of the study file is [assays], and it says which it is about.

    What has a file has a place, and so has what names its part of the study file (`cultures.T.washout_hours`).
    """

    def own(text: str | None) -> str | None:
        if text is None:
            return None
        text = text.replace("[sources.", "[assays.").replace("source `", "assay `")
        text = re.sub(r", or its `type` under \[assays\.[^]]*\]", "", text)
        return text.replace(
            "write decimal points", 'write decimal points, or say `decimal = ","` of the assay'
        )

    remedy, allowed, where = own(finding.remedy), own(finding.allowed), finding.where
    if where.file is None and "." not in (where.field or ""):
        where = replace(where, field=f"assays.{name}" + (f".{where.field}" if where.field else ""))
    return replace(finding, message=own(finding.message) or "", where=where, allowed=allowed, remedy=remedy)


def who(benched: Benched) -> tuple[Who, ...]:
    """Every culture with what it lived through, and how often each assay read it."""
    protocol = benched.protocol
    counts = {
        name: {one.culture: one for one in seen(frame)}
        for name, frame in benched.frames.items()
        if "culture" in frame.columns
    }
    found: list[Who] = []
    for name, culture in protocol.cultures.items():
        read = tuple(
            (assay.label or key, len(one.experiments), one.used)
            if (one := counts[key].get(name))
            else (assay.label or key, 0, 0)
            for key, assay in protocol.assays.items()
            if key in counts
        )
        found.append(Who(culture.label or name, culture.line, in_words(culture, protocol.agents), read))
    return tuple(found)


def accounts(benched: Benched) -> tuple[Account, ...]:
    """What became of every row of every assay."""
    found: list[Account] = []
    for name, frame in benched.frames.items():
        counted = (
            frame.filter(pl.col("unused").is_not_null())
            .group_by("unused")
            .len()
            .sort("len", "unused", descending=[True, False])
        )
        left = tuple((str(reason), int(n)) for reason, n in counted.iter_rows())
        label = benched.protocol.assays[name].label or name
        found.append(Account(label, frame.height, frame.height - sum(n for _, n in left), left))
    return tuple(found)

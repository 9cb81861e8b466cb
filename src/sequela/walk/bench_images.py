"""From the tables and pictures of blots, fluorescence and biopsies to rows that the bench's analyses can read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sequela.bench.cultures import recognise
from sequela.bench.exposures import residues, same_unit
from sequela.bench.fields import pictured
from sequela.bench.slides import slides
from sequela.bench.strips import blotted, ratios
from sequela.study.bench_images import Blot, Fluorescence

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import polars as pl

    from sequela.bench.fields import Field
    from sequela.bench.slides import Read
    from sequela.bench.strips import Strip
    from sequela.core.finding import Finding
    from sequela.study.bench import BenchStudy
    from sequela.study.bench_images import Slides


@dataclass(frozen=True, slots=True, eq=False)
class Imaged:
    """An assay as read: its rows with `unused`, its measured pictures, findings and hashes."""

    frame: pl.DataFrame
    findings: tuple[Finding, ...]
    sha256: Mapping[str, str]
    strips: tuple[Strip, ...] = ()
    fields: tuple[Field, ...] = ()
    biopsies: Read | None = None


def read_images(protocol: BenchStudy, name: str, assay: Blot | Fluorescence | Slides, base: Path) -> Imaged:
    """The rows of an assay that is read from pictures, or from tables made of them.

    Raises:
        DataError: the table cannot be used as a whole.
    """
    if isinstance(assay, Blot):
        return _blot(protocol, name, assay, base)
    if isinstance(assay, Fluorescence):
        return _fluorescence(protocol, name, assay, base)
    read = slides(name, assay, base)
    return Imaged(read.frame, read.findings, read.sha256, biopsies=read)


def _blot(protocol: BenchStudy, name: str, assay: Blot, base: Path) -> Imaged:
    read = blotted(name, assay, base)
    frame, doses = same_unit(read.frame, assay, protocol.agents)
    frame, people = recognise(frame, protocol.cultures, name, "bands")
    lived = any(culture.history for culture in protocol.cultures.values())
    stressed = lived or bool((frame["dose"] > 0).any())
    frame, made = ratios(frame, assay, stressed=stressed)
    found = (*read.findings, *doses, *people, *residues(protocol, name, frame), *made)
    return Imaged(frame, found, read.sha256, read.strips)


def _fluorescence(protocol: BenchStudy, name: str, assay: Fluorescence, base: Path) -> Imaged:
    read = pictured(name, assay, base)
    frame, doses = same_unit(read.frame, assay, protocol.agents)
    frame, people = recognise(frame, protocol.cultures, name, "cells")
    found = (*read.findings, *doses, *people, *residues(protocol, name, frame))
    return Imaged(frame, found, read.sha256, fields=read.fields)

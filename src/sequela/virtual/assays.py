"""Invented blots and fields of cells of the invented cultures, as files of the bench; the truth is in `PROTEINS`.

The line that was selected under two antibodies has less HER2, less of it phosphorylated, less of it on the membrane and
more in the nucleus. Experiments differ by their day, lanes by their load, cells by themselves.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sequela.virtual.pictures import invented_blot, invented_cells

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

REPEATS: Final = 4
DAY: Final = 0.08  # sd of the logarithm of an amount between experiments
CELLS: Final = 0.3  # of the log odds of the shares between cells
PARTS: Final = ("dna", "her2", "cells", "nuclei")  # of a field
LOAD: Final = 0.12  # and of what a lane was loaded with


@dataclass(frozen=True, slots=True)
class Protein:
    """HER2 of an invented culture: amount, share that is phosphorylated, shares on the membrane and in the nucleus."""

    culture: str
    amount: float
    phosphorylated: float
    membrane: float
    nuclear: float


PROTEINS: Final = (
    Protein("CTR", 1.00, 1.00, 0.60, 0.06),
    Protein("T", 0.80, 0.70, 0.50, 0.08),
    Protein("TP", 0.35, 0.50, 0.25, 0.30),
)


def write_blots(rng: np.random.Generator, directory: Path) -> None:
    """Below `directory`: a blot of lysates an experiment, a blot of nuclear and cytoplasmic extracts, their lanes."""
    (directory / "blots").mkdir(parents=True, exist_ok=True)
    lysates: list[tuple[Any, ...]] = []
    extracts: list[tuple[Any, ...]] = []
    for repeat in range(1, REPEATS + 1):
        amounts = [one.amount * _about(rng, DAY) for one in PROTEINS]
        load = [_about(rng, LOAD) for _ in PROTEINS]
        phospho = [
            a * one.phosphorylated * _about(rng, DAY) for a, one in zip(amounts, PROTEINS, strict=True)
        ]
        name = f"lysates-{repeat}.png"
        table = np.array([phospho, amounts, np.ones(len(load))]) * load
        _save(invented_blot(rng, table, gain=900 * _about(rng, 0.3)), directory / "blots" / name)
        lysates += [(repeat, f"data/blots/{name}", lane, one.culture) for lane, one in enumerate(PROTEINS, 1)]
        name = f"extracts-{repeat}.png"
        _save(
            invented_blot(rng, _extracts(rng, amounts), gain=900 * _about(rng, 0.3)),
            directory / "blots" / name,
        )
        extracts += [
            (repeat, f"data/blots/{name}", 2 * place + nth, one.culture, fraction)
            for place, one in enumerate(PROTEINS)
            for nth, fraction in enumerate("NC", 1)
        ]
    _write(directory / "lysates.csv", ("experiment", "picture", "lane", "culture"), lysates)
    _write(directory / "extracts.csv", ("experiment", "picture", "lane", "culture", "fraction"), extracts)


def _extracts(rng: np.random.Generator, amounts: list[float]) -> NDArray[np.float64]:
    """HER2, lamin A and tubulin of each culture's nuclear and cytoplasmic extract, neither of them quite pure."""
    columns: list[list[float]] = []
    for one, amount in zip(PROTEINS, amounts, strict=True):
        inside = amount * one.nuclear * _about(rng, DAY)
        into, out = 0.05 * _about(rng, 0.2), 0.04 * _about(rng, 0.2)
        outside = amount - inside
        columns.append([inside * (1 - out) + outside * into, 1 - out, into])
        columns.append([outside * (1 - into) + inside * out, out, 1 - into])
    return np.array(columns).T


def _about(rng: np.random.Generator, spread: float) -> float:
    return float(np.exp(rng.normal(0, spread)))


def _save(pixels: NDArray[np.uint16], path: Path) -> None:
    from PIL import Image

    Image.fromarray(pixels).save(path)


def _write(path: Path, header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def write_fields(rng: np.random.Generator, directory: Path) -> None:
    """Below `directory`: one field an experiment and culture: nuclei, HER2, the labels of cells and of nuclei."""
    (directory / "fields").mkdir(parents=True, exist_ok=True)
    rows: list[tuple[Any, ...]] = []
    for repeat in range(1, REPEATS + 1):
        for one in PROTEINS:
            membrane, nuclear = one.membrane * _about(rng, DAY), one.nuclear * _about(rng, DAY)
            made = invented_cells(
                rng,
                membrane=membrane,
                nucleus=nuclear,
                grid=4,
                pitch=72,
                amount=300 * one.amount,
                apart=CELLS,
            )
            names = [f"data/fields/{one.culture}-{repeat}-{part}.png" for part in PARTS]
            for name, pixels in zip(names, (made.nuclear, made.target, made.cells, made.nuclei), strict=True):
                _save(pixels.astype(np.uint16), directory.parent / name)
            rows.append((repeat, one.culture, *names))
    _write(directory / "fields.csv", ("experiment", "culture", "nuclear", "target", "cells", "nuclei"), rows)

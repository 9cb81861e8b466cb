"""Invented cultures, known to be invented: parental and resistant lines under a drug, as files of the bench.

Each experiment has its own day: the potency of the drug and the growth of the cells shift together for all
cultures (shared) and for each (own), as they do in a laboratory; wells scatter around that. The truth is in
`CULTURES`, so that what the bench finds can be compared with what was put in.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from sequela.records.grids import LETTERS, SHAPES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SEED: Final = 20201211
EXPERIMENTS: Final = 4
DOSES: Final = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)  # ug/ml
DAY: Final = 0.10  # sd of log10 potency between days, shared by all cultures
OWN: Final = 0.06  # and of each culture on a day
SCATTER: Final = 0.05  # of wells, relative


@dataclass(frozen=True, slots=True)
class Truth:
    """An invented culture: EC50 (ug/ml), slope, floor, doublings a day, cells a field that invade at equal growth."""

    name: str
    ec50: float
    slope: float
    floor: float
    doublings: float
    invading: float


CULTURES: Final = (
    Truth("CTR", 0.020, 1.1, 0.30, 0.42, 22.0),
    Truth("T", 0.028, 1.1, 0.33, 0.46, 26.0),
    Truth("TP", 0.110, 1.0, 0.55, 0.58, 40.0),
)


def left(truth: Truth, dose: float, shift: float) -> float:
    """Viability at a dose: floor + (1 - floor) / (1 + (dose / EC50)^slope), EC50 shifted by `shift` in log10."""
    return truth.floor + (1 - truth.floor) / (1 + (dose / (truth.ec50 * 10**shift)) ** truth.slope)


def write(rng: np.random.Generator, directory: Path) -> None:
    """Every file of the demo study below `directory`: plates with a layout, counts, growth, invasion."""
    shifts = rng.normal(0, DAY, EXPERIMENTS)[:, None] + rng.normal(0, OWN, (EXPERIMENTS, len(CULTURES)))
    pace = 1 + rng.normal(0, 0.05, EXPERIMENTS)[:, None] + rng.normal(0, 0.03, (EXPERIMENTS, len(CULTURES)))
    (directory / "plates").mkdir(parents=True, exist_ok=True)
    (directory / "layout.csv").write_text(_layout(), encoding="utf-8")
    for repeat in range(EXPERIMENTS):
        for plate in (1, 2):
            name = f"e{repeat + 1}p{plate}"
            (directory / "plates" / f"{name}.csv").write_text(
                _plate(rng, name, shifts[repeat]), encoding="utf-8"
            )
    (directory / "growth.csv").write_text(_growth(rng, pace), encoding="utf-8")
    (directory / "counts.csv").write_text(_counts(rng, shifts, pace), encoding="utf-8")
    (directory / "invasion.csv").write_text(_invasion(rng, pace), encoding="utf-8")


def _held() -> dict[tuple[int, int], tuple[str, str, str]]:
    """Culture, dose and role of every well that is used: two rows a culture, a dose a column, blanks above."""
    found = {(1, column): ("", "", "blank") for column in range(2, 12)}
    for place, truth in enumerate(CULTURES):
        for row in (2 + 2 * place, 3 + 2 * place):
            found[row, 2] = (truth.name, "0", "control")
            found |= {(row, 3 + nth): (truth.name, f"{dose:g}", "sample") for nth, dose in enumerate(DOSES)}
    return found


def _layout() -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for part, field in enumerate(("culture", "dose", "role")):
        writer.writerow([field, *range(1, SHAPES[96][1] + 1)])
        for row in range(1, SHAPES[96][0] + 1):
            cells = [_held().get((row, column), ("", "", ""))[part] for column in range(1, SHAPES[96][1] + 1)]
            writer.writerow([LETTERS[row - 1], *cells])
        writer.writerow([])
    return out.getvalue()


def _plate(rng: np.random.Generator, name: str, shifts: np.ndarray) -> str:
    """A plate as a reader exports it: what it is, then the grid of absorbances."""
    truths = {truth.name: (truth, float(shift)) for truth, shift in zip(CULTURES, shifts, strict=True)}
    full = rng.normal(1.2, 0.06)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([["Plate reader"], ["Plate", name], ["Wavelength", "570 nm"], [], ["", *range(1, 13)]])
    for row in range(1, 9):
        cells: list[str] = []
        for column in range(1, 13):
            culture, dose, role = _held().get((row, column), ("", "", ""))
            signal = 0.0
            if role != "blank" and culture:
                truth, shift = truths[culture]
                signal = full * left(truth, float(dose), shift) * (1 + rng.normal(0, SCATTER))
            cells.append(f"{0.06 + rng.normal(0, 0.004) + signal:.3f}")
        writer.writerow([LETTERS[row - 1], *cells])
    return out.getvalue()


def _growth(rng: np.random.Generator, pace: np.ndarray) -> str:
    rows = [
        (
            repeat + 1,
            truth.name,
            hours,
            well,
            _cells(rng, 5000.0, truth.doublings * pace[repeat, place], hours),
        )
        for repeat in range(EXPERIMENTS)
        for place, truth in enumerate(CULTURES)
        for hours in (0, 24, 48, 72, 96, 120)
        for well in (1, 2, 3)
    ]
    return _text(("experiment", "culture", "hours", "replicate", "value"), rows)


def _cells(rng: np.random.Generator, start: float, doublings: float, hours: float) -> int:
    return round(start * 2 ** (doublings * hours / 24) * (1 + rng.normal(0, 0.08)))


def _counts(rng: np.random.Generator, shifts: np.ndarray, pace: np.ndarray) -> str:
    """Counts at the start and after 96 h under the drug; the rate of growth falls with the dose, at worst to loss."""
    rows: list[tuple[object, ...]] = []
    for repeat in range(EXPERIMENTS):
        for place, truth in enumerate(CULTURES):
            rate = truth.doublings * pace[repeat, place]
            start = [(well, _cells(rng, 4000.0, rate, 0)) for well in (1, 2, 3)]
            rows += [(repeat + 1, truth.name, "start", "", 0, well, cells) for well, cells in start]
            for dose in (0.0, *DOSES):
                effect = (
                    (left(truth, dose, shifts[repeat, place]) - truth.floor) / (1 - truth.floor)
                    if dose
                    else 1.0
                )
                slowed = rate * (effect + (1 - effect) * (truth.floor - 0.45))
                for well in (1, 2, 3):
                    role = "sample" if dose else "control"
                    rows.append(
                        (repeat + 1, truth.name, role, f"{dose:g}", 96, well, _cells(rng, 4000.0, slowed, 96))
                    )
    return _text(("experiment", "culture", "role", "dose", "hours", "replicate", "value"), rows)


def _invasion(rng: np.random.Generator, pace: np.ndarray) -> str:
    """Cells a field on inserts after 24 h: scatter of fields (Poisson), inserts and days."""
    rows: list[tuple[object, ...]] = []
    for repeat in range(EXPERIMENTS):
        day = float(np.exp(rng.normal(0, 0.15)))
        for place, truth in enumerate(CULTURES):
            grown = 2 ** (truth.doublings * pace[repeat, place])
            for insert in (1, 2):
                mean = truth.invading * grown * day * float(np.exp(rng.normal(0, 0.1)))
                rows += [
                    (repeat + 1, truth.name, insert, field, int(rng.poisson(mean))) for field in range(1, 6)
                ]
    return _text(("experiment", "culture", "insert", "field", "value"), rows)


def _text(header: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()

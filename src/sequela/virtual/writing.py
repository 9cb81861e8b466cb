"""Invented records as files that say so in their first line."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sequela.virtual.sepher import Cohort


def banner(cohort: Cohort) -> str:
    """The comment on the first line of every file."""
    seed = "unknown" if cohort.seed is None else str(cohort.seed)
    text = f"# Simulated patients: invented by Sequela, not real people. Seed {seed}."
    return f"{text} Pertuzumab has no effect here." if cohort.null else text


def write(cohort: Cohort, directory: str | Path) -> tuple[Path, ...]:
    """Write `patients.csv`, `treatments.csv`, `progressions.csv`, `follow_up.csv` and `visits.csv`.

    First line the banner, second line the header, ISO dates, empty cells for what is not known. All files
    are written aside, and renamed only when all are whole: what was there stays until then.

    Raises:
        OSError: the directory cannot be made or written to.
    """
    target = Path(directory)
    target.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=target, prefix=".writing-") as aside:
        for name, frame in cohort.frames.items():
            text = f"{banner(cohort)}\n{frame.write_csv()}"
            (Path(aside) / f"{name}.csv").write_text(text, encoding="utf-8", newline="\n")
        return tuple((Path(aside) / f"{name}.csv").replace(target / f"{name}.csv") for name in cohort.frames)

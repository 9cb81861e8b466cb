"""Files of invented patients: what they say, and that they are whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sequela.virtual.sepher import Cohort, draw
from sequela.virtual.writing import write

NAMES = ["follow_up.csv", "patients.csv", "progressions.csv", "treatments.csv", "visits.csv"]


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return draw(np.random.default_rng(7))


def test_every_file_says_that_the_patients_are_invented(cohort: Cohort, tmp_path: Path) -> None:
    paths = write(cohort, tmp_path / "new")
    assert sorted(path.name for path in paths) == NAMES
    for path in paths:
        first, header = path.read_text("utf-8").splitlines()[:2]
        assert first == "# Simulated patients: invented by Sequela, not real people. Seed 7."
        assert header.startswith("patient,")


def test_the_files_read_back(cohort: Cohort, tmp_path: Path) -> None:
    write(cohort, tmp_path)
    for name, frame in cohort.frames.items():
        read = pl.read_csv(tmp_path / f"{name}.csv", skip_rows=1, schema=frame.schema)
        assert read.equals(frame)


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    for directory in ("a", "b"):
        write(draw(np.random.default_rng(11)), tmp_path / directory)
    for name in NAMES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    write(draw(np.random.default_rng(12)), tmp_path / "c")
    assert (tmp_path / "a" / "patients.csv").read_bytes() != (tmp_path / "c" / "patients.csv").read_bytes()


def test_null_says_so(tmp_path: Path) -> None:
    write(draw(np.random.default_rng(7), null=True), tmp_path)
    assert (
        (tmp_path / "patients.csv")
        .read_text("utf-8")
        .splitlines()[0]
        .endswith("Pertuzumab has no effect here.")
    )


def test_an_interrupted_write_leaves_what_was_there(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(cohort, tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in NAMES}
    whole = Path.write_text

    def interrupted(self: Path, *args: object, **kwargs: object) -> int:
        if self.name == "progressions.csv":
            raise KeyboardInterrupt
        return whole(self, *args, **kwargs)

    monkeypatch.setattr(Path, "write_text", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(draw(np.random.default_rng(8)), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before

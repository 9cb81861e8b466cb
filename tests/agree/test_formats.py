"""The same records as CSV, TSV, Parquet and SPSS give the same lines, groups and times."""

from datetime import date

import polars as pl
import pyreadstat
import pytest

import sequela as sq
from sequela.cli.examples import copy_example
from sequela.walk.path import walk

NAMES = ("patients", "treatments", "progressions", "follow_up")


def as_tsv(frame, path):
    frame.write_csv(path.with_suffix(".tsv"), separator="\t")
    return ".tsv"


def as_parquet(frame, path):
    dated = [name for name in frame.columns if name == "date" or name.endswith("_date")]
    frame.with_columns(pl.col(dated).str.to_date("%Y-%m-%d")).write_parquet(path.with_suffix(".parquet"))
    return ".parquet"


def as_sav(frame, path):
    pyreadstat.write_sav(frame, str(path.with_suffix(".sav")))
    return ".sav"


@pytest.fixture(scope="module")
def csv(sepher):
    return sepher


@pytest.mark.parametrize("write", [as_tsv, as_parquet, as_sav])
def test_format_makes_no_difference(tmp_path, csv, write):
    directory = copy_example("sepher", tmp_path)
    text = (directory / "study.toml").read_text("utf-8")
    for name in NAMES:
        path = directory / "data" / f"{name}.csv"
        frame = pl.read_csv(path, comment_prefix="#", infer_schema_length=None)
        suffix = write(frame, path)
        path.unlink()
        text = text.replace(f'file = "data/{name}.csv"', f'file = "data/{name}{suffix}"')
    (directory / "study.toml").write_text(text, encoding="utf-8")
    found = walk(sq.Study.read(directory), today=date(2026, 1, 1))
    assert found.lines.sequences.table.equals(csv.lines.sequences.table)
    assert found.people.frame["sequence"].equals(csv.people.frame["sequence"])
    for name, outcome in csv.outcomes.items():
        columns = ["patient", "time", "state", "entry", "unused"]
        assert found.outcomes[name].table.select(columns).equals(outcome.table.select(columns)), name

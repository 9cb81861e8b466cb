"""Walks and runs of the example studies, made once."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

import sequela as sq
from sequela.cli.examples import copy_example
from sequela.walk.path import walk

TODAY = date(2026, 1, 1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def ovarian_study(tmp_path_factory) -> sq.Study:
    return sq.Study.read(copy_example("ovarian", tmp_path_factory.mktemp("ovarian")))


@pytest.fixture(scope="session")
def sepher_study(tmp_path_factory) -> sq.Study:
    return sq.Study.read(copy_example("sepher", tmp_path_factory.mktemp("sepher")))


@pytest.fixture(scope="session")
def ovarian(ovarian_study):
    return walk(ovarian_study, today=TODAY)


@pytest.fixture(scope="session")
def sepher(sepher_study):
    return walk(sepher_study, today=TODAY)


@pytest.fixture(scope="session")
def sepher_run(sepher_study):
    return sq.run(sepher_study, Path(sepher_study.path).parent / "out", now=NOW)


@pytest.fixture(scope="session")
def ovarian_run(ovarian_study):
    return sq.run(ovarian_study, Path(ovarian_study.path).parent / "out", now=NOW)


@pytest.fixture(scope="session")
def bench_study(tmp_path_factory) -> sq.Study:
    return sq.Study.read(copy_example("bench", tmp_path_factory.mktemp("bench")))


@pytest.fixture(scope="session")
def bench_run(bench_study):
    return sq.run(bench_study, Path(bench_study.path).parent / "out", now=NOW)


@pytest.fixture(scope="session")
def spark():
    """A Spark session with few partitions, so that small frames are quick, and small batches, so that patients straddle."""
    pytest.importorskip("pyspark")
    from sequela.records.spark import session

    started = session()
    started.sparkContext.setLogLevel("OFF")
    started.conf.set("spark.sql.shuffle.partitions", 5)
    started.conf.set("spark.sql.adaptive.coalescePartitions.enabled", False)
    started.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", 97)
    yield started
    started.stop()

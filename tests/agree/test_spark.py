"""Lines derived by Spark's workers are those derived here, bit by bit; started with `make test-spark`."""

import datetime

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from polars.testing import assert_frame_equal

import sequela as sq
from sequela.clinic.folding import NO_COURSES, Courses
from sequela.clinic.lines import lines_of_therapy
from sequela.clinic.outofcore import lines_of_files
from sequela.clinic.rules import read_rules
from sequela.core.errors import DataError
from sequela.walk.path import summary, walk
from tests.agree.test_outofcore import BAD, DICTIONARY, treatments
from tests.conftest import TODAY

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("default")]


AGENTS = [
    "paclitaxel", "docetaxel", "capecitabine", "trastuzumab", "pertuzumab", "lapatinib", "letrozole",
    "zoledronic_acid", "trastuzumab_emtansine",
]  # fmt: skip


def drawn(seed, patients=300, n=3000):
    """Random treatments with equal starts, rows twice, rows of two agents, and courses with nulls."""
    rng = np.random.default_rng(seed)
    start = rng.integers(0, 500, n)
    rows = pl.DataFrame(
        {
            "row": np.arange(n) // 2,
            "patient": [f"p{at}" for at in rng.integers(0, patients, n)],
            "agent": rng.choice(AGENTS, n),
            "start": start.astype(np.int32),
            "end": (start + rng.choice([0, 1, 20, 90], n)).astype(np.int32),
            "stop_reason": rng.choice(["progression", "toxicity"], n),
        }
    ).with_columns(
        pl.when(pl.Series(rng.random(n) < 0.9)).then("end").alias("end"),
        pl.when(pl.Series(rng.random(n) < 0.8)).then("stop_reason").alias("stop_reason"),
    )
    who = [f"p{at}" for at in rng.integers(0, patients + 30, 400)]
    days = [*rng.integers(0, 500, 400).tolist(), 3]
    grown = pl.DataFrame({"patient": [*who, None], "day": days}, schema_overrides={"day": pl.Int32})
    chosen = rows.sample(60, seed=seed).select("patient", day="start").unique(maintain_order=True)
    words = pl.Series("decision", rng.choice(["new line", "same line", "leave out"], chosen.height))
    return rows, Courses(grown, chosen.with_columns(words))


@pytest.mark.parametrize(
    ("name", "mode"), [("her2-abc", "drug"), ("generic-28-120", "or"), ("ovarian", "and")]
)
def test_lines_of_a_study(spark, name, mode):
    from sequela.clinic.spark import lines_on_spark

    rules = read_rules(name)
    rules = rules.model_copy(update={"progression": rules.progression.model_copy(update={"mode": mode})})
    rows, courses = drawn(len(name))
    for told in (courses, NO_COURSES):
        given = rows if told is courses else rows.sample(fraction=1, shuffle=True, seed=1)
        expected = lines_of_therapy(given, rules, DICTIONARY.classes, courses=told)
        found = lines_on_spark(given, rules, DICTIONARY.classes, courses=told)
        assert found.sequences.legend == expected.sequences.legend
        assert found.sequences.rules == expected.sequences.rules
        assert_frame_equal(found.sequences.table, expected.sequences.table)
        assert_frame_equal(found.placed, expected.placed)
        assert expected.sequences.table["step"].max() > 3


def test_more_agents_than_a_mask_holds(spark):
    from sequela.clinic.spark import lines_on_spark

    names = sorted(DICTIONARY.agents)[:90]
    rows, _ = drawn(1)
    rng = np.random.default_rng(2)
    rows = rows.with_columns(pl.Series("agent", rng.choice(names, rows.height)))
    asked = frozenset(names[:3])
    expected = lines_of_therapy(rows, read_rules("her2-abc"), DICTIONARY.classes, asked).sequences
    found = lines_on_spark(rows, read_rules("her2-abc"), DICTIONARY.classes, asked).sequences
    assert_frame_equal(found.table, expected.table)
    assert found.legend == expected.legend
    assert "other_agents" in found.legend


def test_a_study_that_asks_for_spark(spark, sepher_study, sepher):
    lines = sepher_study.lines.model_copy(update={"engine": "spark"})
    found = walk(sepher_study.model_copy(update={"lines": lines}), today=TODAY)
    assert_frame_equal(found.lines.sequences.table, sepher.lines.sequences.table)
    assert_frame_equal(found.lines.placed, sepher.lines.placed)
    assert_frame_equal(summary(found), summary(sepher))


def write(frame, grown, directory, suffix):
    path, dated = directory / f"t.{suffix}", directory / f"g.{suffix}"
    for one, to in ((frame, path), (grown, dated)):
        one.write_parquet(to) if suffix == "parquet" else one.write_csv(to)
    return path, dated


@pytest.mark.parametrize(
    ("suffix", "text", "dates"),
    [
        ("parquet", True, "days"),
        ("parquet", False, "date"),
        ("parquet", True, "datetime"),
        ("csv", False, "days"),
        ("csv", True, "date"),
    ],
)
def test_lines_of_files(spark, tmp_path, suffix, text, dates):
    from sequela.clinic.spark import lines_of_files_on_spark

    frame = treatments(60, text=text).with_columns(pl.col("start", "end").cast(pl.Int32) - 700)
    bad = pl.DataFrame(BAD, schema=["patient", "drug", "start", "end"], orient="row")
    if not text:
        bad = bad.with_columns(pl.col("patient").str.strip_prefix("P").cast(pl.Int64))
    frame = pl.concat([frame, bad.cast(frame.schema)])
    grown = frame.filter(pl.col("start") % 3 == 0).select("patient", pl.col("start").alias("day") + 50)
    if dates != "days":
        frame, grown = (
            one.with_columns(pl.col(*names).cast(pl.Date))
            for one, names in ((frame, ("start", "end")), (grown, ("day",)))
        )
    if dates == "datetime":
        frame, grown = (
            one.with_columns(pl.col(*names).cast(pl.Datetime("us")) + datetime.timedelta(hours=23))
            for one, names in ((frame, ("start", "end")), (grown, ("day",)))
        )
    path, dated = write(frame, grown, tmp_path, suffix)
    rules = read_rules("her2-abc")
    rules = rules.model_copy(update={"progression": rules.progression.model_copy(update={"mode": "or"})})
    here = lines_of_files([path], rules, DICTIONARY, tmp_path / "here.parquet", progressions=[dated])
    there = lines_of_files_on_spark(
        [str(path)], rules, DICTIONARY, str(tmp_path / "there.parquet"), progressions=[str(dated)]
    )
    expected = pl.read_parquet(tmp_path / "here.parquet")
    found = pl.read_parquet(tmp_path / "there.parquet" / "*.parquet")
    assert_frame_equal(found.sort("subject", "step"), expected.sort("subject", "step"))
    assert found.height > 100
    keys = ["patient", "drug", "start", "end", "reason"]
    unused = [pl.read_parquet(to).select(keys) for to in (here.listed, f"{there.listed}/*.parquet")]
    assert_frame_equal(*(one.cast({"patient": pl.String}).sort(keys) for one in unused))
    same = ("rows", "used", "patients", "lines", "unused", "unknown", "legend")
    assert [getattr(here, name) for name in same] == [getattr(there, name) for name in same]


def test_a_spark_frame_with_columns_of_its_own(spark):
    from sequela.clinic.spark import lines_of_frame

    frame = treatments(40)
    theirs = spark.createDataFrame(frame.rename({"patient": "person id", "drug": "substance"}).to_arrow())
    made = lines_of_frame(
        theirs, read_rules("her2-abc"), DICTIONARY, columns={"patient": "person id", "drug": "substance"}
    )
    found = pl.DataFrame(pl.from_arrow(made.lines.toArrow())).sort("subject", "step")
    expected = sq.lines(frame, rules="her2-abc").table.sort("subject", "step")
    assert (made.rows, made.left, made.unused.count()) == (frame.height, {}, 0)
    shared = [
        "subject",
        "step",
        "start",
        "end",
        "agents",
        "start_reason",
        "end_reason",
        "rule",
        "beyond_progression",
    ]
    assert_frame_equal(found.select(shared), expected.select(shared))


@pytest.mark.parametrize(
    ("frame", "columns", "code"),
    [
        (treatments(3), {"drug": "substance"}, "R107"),
        (treatments(3).with_columns(pl.col("start").cast(pl.String)), {}, "T112"),
        (treatments(3).with_columns(drug=pl.lit("x")), {}, "T111"),
    ],
)
def test_wrong_frames_are_refused(spark, frame, columns, code):
    from sequela.clinic.spark import lines_of_frame

    with pytest.raises(DataError) as caught:
        lines_of_frame(
            spark.createDataFrame(frame.to_arrow()), read_rules("her2-abc"), DICTIONARY, columns=columns
        )
    assert caught.value.findings[0].code == code


def test_what_spark_refuses_is_a_finding(spark, tmp_path):
    from sequela.clinic.spark import lines_of_files_on_spark

    treatments(3).write_parquet(tmp_path / "t.parquet")
    for path, out, said in (("absent", "new", "PATH_NOT_FOUND"), ("t", "t", "PATH_ALREADY_EXISTS")):
        with pytest.raises(DataError) as caught:
            lines_of_files_on_spark(
                [str(tmp_path / f"{path}.parquet")],
                read_rules("her2-abc"),
                DICTIONARY,
                str(tmp_path / f"{out}.parquet"),
            )
        assert caught.value.findings[0].code == "R118"
        assert said in caught.value.findings[0].found
    assert pl.read_parquet(tmp_path / "t.parquet").height == 24


def test_a_worker_that_fails_says_what_of(spark):
    from sequela.records.spark import answering, by_patient

    def broken(rows):
        raise ValueError("the seventh row is strange")

    frame = spark.createDataFrame(treatments(3).to_arrow())
    with pytest.raises(DataError, match="R118") as caught, answering():
        by_patient(frame, ("start",), broken, {"patient": "string"}).collect()
    assert "the seventh row is strange" in caught.value.findings[0].found


def test_the_verb(spark, tmp_path):
    from sequela.cli import sequela

    treatments(20).write_parquet(tmp_path / "t.parquet")
    asked = [
        "lines",
        "derive",
        str(tmp_path / "t.parquet"),
        "--engine",
        "spark",
        "--out",
        str(tmp_path / "lines"),
    ]
    told = CliRunner().invoke(sequela, asked)
    assert told.exit_code == 0, told.output
    found = pl.read_parquet(tmp_path / "lines" / "*.parquet").sort("subject", "step")
    assert f"{found.height} lines of 20 patients" in told.output
    assert (
        found["start"].to_list() == sq.lines(treatments(20)).table.sort("subject", "step")["start"].to_list()
    )
    told = CliRunner().invoke(sequela, [*asked, "--buckets", "3"])
    assert told.exit_code == 2 and "local engine" in told.output

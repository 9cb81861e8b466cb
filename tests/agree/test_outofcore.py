"""Lines of files in buckets are the lines of the whole, for any number of buckets; what cannot be used is listed."""

import datetime
import json

import polars as pl
import pytest
from click.testing import CliRunner

import sequela as sq
from sequela.clinic.drugs import read_dictionary
from sequela.clinic.folding import Courses
from sequela.clinic.lines import lines_of_therapy
from sequela.clinic.outofcore import lines_of_files
from sequela.clinic.rules import read_rules
from sequela.core.errors import DataError

pytest.importorskip("pyarrow")
DICTIONARY = read_dictionary()
DRUGS = [
    "Trastuzumab",
    "pertuzumab",
    "docetaxel",
    "T-DM1",
    "capecitabine",
    "lapatinib",
    "letrozole",
    "Phesgo",
]
SAME = [
    "subject",
    "step",
    "start",
    "end",
    "start_reason",
    "end_reason",
    "rule",
    "maintenance_start",
    "beyond_progression",
]


def treatments(patients=200, text=True, seed=3):
    """About eight rows a patient, in no order; a tenth ongoing; Phesgo is two agents."""
    n = patients * 8
    frame = pl.select(
        patient=pl.int_range(n) % patients,
        drug=pl.int_range(n) * 7 % 64 // 8,
        start=pl.int_range(n) * 37 % 2003,
    ).sample(fraction=1.0, shuffle=True, seed=seed)
    frame = frame.with_columns(
        pl.Series(DRUGS)[frame["drug"]].alias("drug"),
        pl.when(pl.col("start") % 10 > 0).then(pl.col("start") + pl.col("start") % 150).alias("end"),
    )
    return frame.with_columns(pl.format("P{}", "patient").alias("patient")) if text else frame


@pytest.mark.parametrize("buckets", [1, 3, 300])
@pytest.mark.parametrize("text", [True, False])
def test_any_number_of_buckets_gives_the_lines_of_the_whole(tmp_path, buckets, text):
    frame = treatments(text=text)
    half = frame.height // 2
    frame[:half].write_parquet(tmp_path / "a.parquet")
    frame[half:].write_parquet(tmp_path / "b.parquet")
    grown = frame.filter(pl.col("start") % 3 == 0).select("patient", pl.col("start").alias("day") + 50)
    grown.write_parquet(tmp_path / "grown.parquet")
    rules = read_rules("her2-abc")
    changed = rules.model_copy(update={"progression": rules.progression.model_copy(update={"mode": "or"})})
    for chosen, dated in ((rules, None), (changed, grown)):
        made = lines_of_files(
            [tmp_path / "a.parquet", tmp_path / "b.parquet"], chosen, DICTIONARY, tmp_path / "lines.parquet",
            buckets=buckets, progressions=[] if dated is None else [tmp_path / "grown.parquet"],
        )  # fmt: skip
        found = pl.read_parquet(tmp_path / "lines.parquet").sort("subject", "step")
        expected = _under(frame, chosen, dated)
        assert (
            found.select(SAME)
            .cast({"subject": pl.String})
            .sort("subject", "step")
            .equals(expected.table.select(SAME).cast({"subject": pl.String}).sort("subject", "step"))
        )
        drugs = dict(expected.table.select(pl.format("{} {}", "subject", "step"), "agents").iter_rows())
        for who, step, names, mask in found.select("subject", "step", "drugs", "agents").iter_rows():
            mine = set(expected.agents(drugs[f"{who} {step}"]))
            assert (
                set(names.split("+")) == mine == {a for bit, a in enumerate(made.legend) if mask >> bit & 1}
            )
        assert (made.rows, made.used, made.unused, made.listed) == (frame.height, frame.height, {}, None)
        assert (made.lines, made.patients) == (expected.table.height, expected.table["subject"].n_unique())


def _under(frame, rules, grown):
    who = frame["patient"].dtype
    drugs = {word: list(DICTIONARY.match(word).agents) for word in DRUGS}
    rows = frame.with_row_index("row").with_columns(
        pl.col("row").cast(pl.Int64), pl.col("start", "end").cast(pl.Int32), pl.lit(None, pl.String).alias("stop_reason"),
        pl.col("drug").replace_strict(drugs, return_dtype=pl.List(pl.String)).alias("agent"),
    )  # fmt: skip
    told = pl.DataFrame(schema={"patient": who, "day": pl.Int32})
    decided = told.with_columns(pl.lit(None, pl.String).alias("decision"))
    courses = Courses(told if grown is None else grown.cast({"day": pl.Int32}), decided)
    return lines_of_therapy(rows.explode("agent"), rules, DICTIONARY.classes, courses=courses).sequences


BAD = [
    ("P1", "trastuzumab", 0, 100),
    (None, "trastuzumab", 0, 100),
    ("P1", "unobtainium", 10, 20),
    ("P1", None, 10, 20),
    ("P2", "docetaxel", None, 20),
    ("P2", "docetaxel", 30, 20),
    ("P2", "docetaxel", 30, None),
    ("P2", "unobtainium", 40, 45),
]


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_rows_that_cannot_be_used_are_counted_and_listed(tmp_path, suffix):
    frame = pl.DataFrame(BAD, schema=["patient", "drug", "start", "end"], orient="row")
    path = tmp_path / f"t.{suffix}"
    frame.write_parquet(path) if suffix == "parquet" else frame.write_csv(path)
    made = lines_of_files([path], read_rules("her2-abc"), DICTIONARY, tmp_path / "lines.parquet")
    assert (made.rows, made.used, made.lines) == (8, 2, 2)
    assert made.unused == {"no patient": 1, "unknown drug": 3, "no start": 1, "end before start": 1}
    assert made.unknown == (("unobtainium", 2),)
    listed = pl.read_parquet(made.listed)
    assert listed["row"].to_list() == [2, 3, 4, 5, 6, 8]
    assert listed["reason"].to_list() == [
        "no patient",
        "unknown drug",
        "unknown drug",
        "no start",
        "end before start",
        "unknown drug",
    ]


def test_dates_and_other_column_names(tmp_path):
    frame = treatments(20).with_columns(pl.col("start", "end").cast(pl.Int32).cast(pl.Date))
    frame.rename({"patient": "person", "drug": "substance"}).write_parquet(tmp_path / "t.parquet")
    made = lines_of_files(
        [tmp_path / "t.parquet"], read_rules("her2-abc"), DICTIONARY, tmp_path / "lines.parquet",
        columns={"patient": "person", "drug": "substance"},
    )  # fmt: skip
    assert made.lines == _under(treatments(20), read_rules("her2-abc"), None).table.height
    assert frame["start"].dtype == pl.Date and isinstance(frame["start"][0], datetime.date)


@pytest.mark.parametrize(
    ("write", "columns", "code"),
    [
        (None, {}, "R101"),
        (lambda p: treatments(5).write_parquet(p), {"drug": "substance"}, "R107"),
        (lambda p: p.write_bytes(b"PAR1 and then nothing"), {}, "R103"),
        (lambda p: treatments(5).with_columns(drug=pl.lit("x")).write_parquet(p), {}, "T111"),
    ],
)
def test_wrong_files_are_refused_and_nothing_is_left(tmp_path, write, columns, code):
    path = tmp_path / "t.parquet"
    if write:
        write(path)
    (tmp_path / "lines.parquet").write_text("an older result")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DataError) as caught:
        lines_of_files(
            [path], read_rules("her2-abc"), DICTIONARY, tmp_path / "lines.parquet", columns=columns
        )
    assert caught.value.findings[0].code == code
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "lines.parquet").read_text() == "an older result"


def test_the_verb_writes_the_lines_and_says_what_was_left_out(tmp_path):
    from sequela.cli import sequela

    frame = pl.DataFrame(BAD, schema=["patient", "drug", "start", "end"], orient="row")
    frame.write_csv(tmp_path / "t.csv")
    asked = [
        "lines",
        "derive",
        str(tmp_path / "t.csv"),
        "--rules",
        "her2-abc",
        "--out",
        str(tmp_path / "lines.parquet"),
    ]
    told = CliRunner().invoke(sequela, asked)
    assert told.exit_code == 0, told.output
    assert "2 lines of 2 patients" in told.output and "2 of 8 rows used" in told.output
    assert "unknown drug 'unobtainium': 2" in told.output
    told = json.loads(CliRunner().invoke(sequela, [*asked, "--json"]).output)
    assert told["used"] == 2 and told["legend"] == ["docetaxel", "trastuzumab"]


def test_the_same_lines_as_the_public_function(tmp_path):
    frame = treatments(30)
    frame.write_parquet(tmp_path / "t.parquet")
    lines_of_files(
        [tmp_path / "t.parquet"], read_rules("generic-28-120"), DICTIONARY, tmp_path / "lines.parquet"
    )
    found = pl.read_parquet(tmp_path / "lines.parquet").sort("subject", "step")
    assert found.select(SAME).equals(sq.lines(frame).table.sort("subject", "step").select(SAME))

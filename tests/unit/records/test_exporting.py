"""A labelled table to SPSS and back without loss, and to the other programs; what has no room is listed."""

import shutil
import subprocess
from datetime import date

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sequela.records.exporting import TARGETS, as_csv, codebook, read_sav, write_sav, write_table
from sequela.records.labelled import DTYPES, Labelled, Variable, coded, portable, text

WORD = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12)
CELLS = {
    "text": WORD,
    "number": st.floats(
        allow_nan=False, allow_infinity=False, width=64, min_value=-1e300, max_value=1e300
    ).filter(lambda x: x == 0 or abs(x) > 1e-300),
    "date": st.dates(date(1583, 1, 1), date(2200, 1, 1)),
}


@st.composite
def variables(draw, name):
    kind = draw(st.sampled_from(sorted(DTYPES)))
    words, missing = {}, {}
    if kind in ("category", "state"):
        first = 0 if kind == "state" else 1
        words = {first + i: word for i, word in enumerate(draw(st.lists(WORD, min_size=1, max_size=4)))}
        missing = {-1 - i: word for i, word in enumerate(draw(st.lists(WORD, max_size=3)))}
    measure = draw(st.sampled_from(["nominal", "ordinal", "scale"]))
    decimals = draw(st.integers(0, 4)) if kind == "number" else 0
    return Variable(name, kind, draw(st.just("") | WORD), words, missing, measure, decimals)


@st.composite
def tables(draw):
    columns = [draw(variables(f"v{i}")) for i in range(draw(st.integers(1, 5)))]
    rows = draw(st.integers(1, 6))
    series = []
    for column in columns:
        cells = (
            CELLS[column.kind] if column.kind in CELLS else st.sampled_from([*column.words, *column.missing])
        )
        values = draw(st.lists(st.none() | cells, min_size=rows, max_size=rows))
        series.append(pl.Series(column.name, values, DTYPES[column.kind]))
    return Labelled(pl.DataFrame(series), tuple(columns), "a title")


@given(tables())
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_spss_and_back(tmp_path, table):
    assert write_sav(table, tmp_path / "x.sav") == ()
    again = read_sav(tmp_path / "x.sav")
    assert again.variables == table.variables
    assert again.frame.equals(table.frame)
    assert again.title == table.title


DEMO = Labelled(
    pl.DataFrame(
        {
            "patient": ["P1", "P2", "P3", "P4"],
            "age": [50.0, 61.5, None, 44.0],
            "seen": [date(2019, 1, 2), None, date(2020, 2, 29), date(1999, 12, 31)],
            "sequence": pl.Series([1, 2, -1, 2], dtype=pl.Int32),
            "os_event": pl.Series([0, 1, None, 1], dtype=pl.Int32),
        }
    ),
    (
        Variable("patient", label="Patient"),
        Variable("age", "number", "Age, years", measure="scale", decimals=1),
        Variable("seen", "date", "First visit", measure="scale"),
        Variable(
            "sequence", "category", "First line", {1: "A, then B", 2: "B → C"}, {-1: "outside the cohort"}
        ),
        Variable("os_event", "state", "Death", {0: "censored", 1: "died"}),
    ),
    "Demo",
)


@pytest.mark.parametrize("target", TARGETS)
def test_every_program_gets_its_file(tmp_path, target):
    assert write_table(DEMO, tmp_path / f"x.{target}", target) == ()
    assert (tmp_path / f"x.{target}").stat().st_size > 100


def test_csv_holds_words_and_states_as_numbers():
    assert as_csv(DEMO).splitlines() == [
        "patient,age,seen,sequence,os_event",
        'P1,50.0,2019-01-02,"A, then B",0',
        "P2,61.5,,B → C,1",
        "P3,,2020-02-29,,",
        "P4,44.0,1999-12-31,B → C,1",
    ]


def test_stata_and_excel_and_parquet_read_back(tmp_path):
    import openpyxl
    import pyreadstat

    for target in TARGETS:
        write_table(DEMO, tmp_path / f"x.{target}", target)
    frame, about = pyreadstat.read_dta(str(tmp_path / "x.dta"), output_format="polars")
    assert frame["sequence"].to_list() == [1, 2, None, 2]
    assert about.variable_value_labels["sequence"] == {1: "A, then B", 2: "B → C"}
    assert about.column_names_to_labels["age"] == "Age, years"
    assert pl.read_parquet(tmp_path / "x.parquet").equals(DEMO.words())
    book = openpyxl.load_workbook(tmp_path / "x.xlsx")
    assert [cell.value for cell in book["data"][3]][:4] == ["P2", 61.5, None, "B → C"]
    assert book["codebook"]["A2"].value == "patient"


def test_codebook_counts_every_code():
    rows = (
        codebook(DEMO)
        .filter(pl.col("variable") == "sequence")
        .select("kind", "code", "word", "n", "missing")
        .rows()
    )
    assert rows == [
        ("category", None, None, 3, 1),
        ("user-missing", -1, "outside the cohort", 1, None),
        ("code", 1, "A, then B", 1, None),
        ("code", 2, "B → C", 2, None),
    ]


def test_labels_without_room_are_cut_and_listed(tmp_path):
    long = Variable("x", "category", "ü" * 200, {1: "w" * 200}, {-1: "m" * 121})
    table = Labelled(pl.DataFrame({"x": pl.Series([1, -1], dtype=pl.Int32)}), (long,))
    found = write_sav(table, tmp_path / "x.sav")
    assert [(f.code, f.where.field, len(f.found or "")) for f in found] == [
        ("R301", "x", 200),
        ("R301", "x", 121),
        ("R301", "x", 200),
    ]
    again = read_sav(tmp_path / "x.sav")
    assert again.variables[0].words[1] == "w" * 117 + "…"
    assert again.variables[0].missing[-1] == "m" * 117 + "…"
    assert again.frame.equals(table.frame)


@pytest.mark.skipif(shutil.which("pspp") is None, reason="PSPP is not here")
def test_pspp_reads_labels_measures_and_missing_codes(tmp_path):
    write_sav(DEMO, tmp_path / "x.sav")
    syntax = "SET WIDTH=200.\nGET FILE='x.sav'.\nDISPLAY DICTIONARY.\nFREQUENCIES /VARIABLES=sequence.\n"
    (tmp_path / "x.sps").write_text(syntax)
    done = subprocess.run(
        ["pspp", "-O", "format=txt", "-o", "x.txt", "x.sps"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    shown = (tmp_path / "x.txt").read_text("utf-8")
    for words in ("Age, years", "A, then B", "outside the cohort", "Nominal", "Scale", "Missing"):
        assert words in shown
    assert "Valid   A, then B" in shown
    assert "Missing outside the cohort" in shown


def test_codes_follow_the_order_given_and_names_are_portable():
    column, words = coded(pl.Series("x", ["b", None, "c", "a"]), ["b", "a"])
    assert (column.to_list(), words) == ([1, None, 3, 2], {1: "b", 2: "a", 3: "c"})
    assert text(pl.Series(["a ", " ", "", None])).to_list() == ["a", None, None, None]
    taken: list[str] = []
    for name in ("start[1]", "Über-Alter %", "all", "1st", "@death", "START_1", "x" * 40, "x" * 41, "次"):
        taken.append(portable(name, taken))
    assert taken == [
        "start_1",
        "Uber_Alter",
        "v_all",
        "v_1st",
        "death",
        "START_1_2",
        "x" * 32,
        "x" * 30 + "_2",
        "v",
    ]


def test_a_labelled_table_is_whole():
    with pytest.raises(ValueError, match="codes without a word"):
        Labelled(
            pl.DataFrame({"x": pl.Series([2], dtype=pl.Int32)}), (Variable("x", "category", words={1: "a"}),)
        )
    with pytest.raises(ValueError, match="one variable per column"):
        Labelled(pl.DataFrame({"x": [1.0]}), ())
    with pytest.raises(ValueError, match="a number is not"):
        Labelled(pl.DataFrame({"x": ["a"]}), (Variable("x", "number"),))

"""Files as they should be: types, missing words, rows that count."""

import gzip
from dataclasses import replace
from datetime import date

import polars as pl
import pytest

from sequela.core.errors import StudyError
from sequela.records.reading import read
from sequela.records.source import Column, Source
from tests.unit.records.layouts import GOOD, PEOPLE, column, table


def test_a_good_file(tmp_path):
    found = table(tmp_path, GOOD)
    assert found.findings == ()
    assert (found.rows_read, found.rows_kept, dict(found.left_out)) == (3, 3, {})
    assert found.frame.schema == {
        "patient": pl.String, "age": pl.Int64, "seen": pl.Int32, "stage": pl.String,
        "_file": pl.String, "_line": pl.Int64,
    }  # fmt: skip
    assert found.frame.rows() == [
        ("A", 50, 17898, "late", str(tmp_path / "people.csv"), 2),
        ("B", 61, 17930, "late", str(tmp_path / "people.csv"), 3),
        ("C", 70, 17959, "early", str(tmp_path / "people.csv"), 4),
    ]
    assert list(found.sha256) == ["people.csv"]


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\r"),
        "\ufeff" + GOOD,
        GOOD.removesuffix("\n"),
        GOOD.replace("A,", '"A",').replace("id,", '"id",'),
        GOOD.replace("A,50", " A , 50 "),
        "id,extra,age,seen_on,stage\n"
        + "".join(line.replace(",", ",x,", 1) + "\n" for line in GOOD.splitlines()[1:]),
    ],
    ids=["windows", "old-mac", "byte-order-mark", "no-last-newline", "quoted", "spaces", "another-column"],
)
def test_the_same_records_in_another_dress(tmp_path, text):
    plain = table(tmp_path, GOOD).frame
    assert table(tmp_path, text).frame.equals(plain)


def test_other_encoding_delimiter_and_packing(tmp_path):
    source = replace(PEOPLE, files=("people.csv.gz",), encoding="cp1252", delimiter=";")
    text = GOOD.replace(",", ";").replace("A;", "Zoë;")
    found = table(tmp_path, gzip.compress(text.encode("cp1252")), source)
    assert found.frame["patient"].to_list() == ["Zoë", "B", "C"]


def test_comments_and_blank_lines_do_not_shift_line_numbers(tmp_path):
    text = (
        '# Simulated "patients\n\nid,age,seen_on,stage\nA,50,2019-01-02,III\n# a note\n\nB,61,2019-02-03,IV\n'
    )
    found = table(tmp_path, text, comment="#")
    assert found.frame["_line"].to_list() == [4, 7]


def test_a_text_over_two_lines(tmp_path):
    source = Source("notes", ("notes.csv",), (Column("patient"), Column("note")))
    found = table(tmp_path, 'patient,note\nA,"one\ntwo"\nB,three\n', source)
    assert found.frame.select("note", "_line").rows() == [("one\ntwo", 2), ("three", 4)]


def test_three_header_rows_and_bracketed_missing_words(tmp_path):
    text = (
        "id\tdays_to\tother\nid\tday of event\tother\nCDE:1\tCDE:2\tCDE:3\nA\t[Not Available]\tx\nB\t-12\ty\n"
    )
    source = Source(
        "tcga", ("t.txt",), (Column("patient", "id"), Column("day", "days_to", "day")),
        header_rows=3, missing=("[Not Available]", "[Unknown]"),
    )  # fmt: skip
    found = table(tmp_path, text, source)
    assert found.findings == ()
    assert found.frame.select("patient", "day", "_line").rows() == [("A", None, 4), ("B", -12, 5)]


def test_files_of_one_layout_are_stacked(tmp_path):
    for name, patient in (("b.csv", "B"), ("a.csv", "A")):
        (tmp_path / name).write_text(f"patient\n{patient}\n")
    columns = (Column("patient"),)
    assert read(Source("s", ("b.csv", "a.csv"), columns), tmp_path).frame["patient"].to_list() == ["B", "A"]
    found = read(Source("s", ("*.csv",), columns), tmp_path)
    assert found.frame["patient"].to_list() == ["A", "B"]
    assert found.frame["_line"].to_list() == [2, 2]
    assert list(found.sha256) == ["a.csv", "b.csv"]


def test_only_the_latest_form_counts(tmp_path):
    source = Source("f", ("f.csv",), (Column("patient"), Column("day", type="day")), latest="day")
    found = table(tmp_path, "patient,day\nA,10\nB,\nA,30\nA,20\nB,5\nC,\n", source)
    assert found.frame.select("patient", "day", "_line").rows() == [("A", 30, 4), ("B", 5, 6), ("C", None, 7)]
    assert (found.rows_read, found.rows_kept) == (6, 3)
    assert dict(found.left_out) == {"not the row with the latest `day`": 3}


def test_a_row_filter_counts_what_it_leaves_out(tmp_path):
    found = table(tmp_path, GOOD, where={"stage": ("late",)})
    assert found.frame["patient"].to_list() == ["A", "B"]
    assert dict(found.left_out) == {"`stage` is not late": 1}


def test_rows_without_a_patient_are_left_out_counted_and_listed(tmp_path):
    found = table(tmp_path, GOOD + ",44,2019-01-01,I\n")
    assert dict(found.left_out) == {"no patient": 1}
    (finding,) = found.findings
    assert (finding.code, finding.where.line) == ("R204", 5)
    loose = Source("s", ("people.csv",), (Column("patient", "id"), Column("age", type="integer")))
    (finding,) = read(loose, tmp_path).findings
    assert (finding.code, finding.where.line) == ("R204", 5)


def test_a_key_that_comes_twice(tmp_path):
    source = Source(
        "v", ("v.csv",), (Column("patient"), Column("visit", type="integer")), key=("patient", "visit")
    )
    (finding,) = table(tmp_path, "patient,visit\nA,1\nA,2\nB,1\nA,1\n", source).findings
    assert (finding.code, finding.where.line, finding.where.patient, finding.found) == (
        "R205",
        5,
        "A",
        "A, 1",
    )


@pytest.mark.parametrize("changes", [{"latest": "sen"}, {"key": ("sen",)}, {"where": {"sen": ("x",)}}])
def test_a_field_that_the_source_does_not_have(tmp_path, changes):
    with pytest.raises(StudyError) as caught:
        table(tmp_path, GOOD, **changes)
    (finding,) = caught.value.findings
    assert (finding.code, finding.found, finding.allowed) == ("R111", "sen", "seen")


@pytest.mark.parametrize(
    ("kind", "words", "values"),
    [
        ("integer", ["3", "-4", "5.0", "1e3", ""], [3, -4, 5, 1000, None]),
        ("number", ["3", "-4.25", "1e-3", ""], [3.0, -4.25, 0.001, None]),
        ("day", ["0", "-28848", ""], [0, -28848, None]),
        ("boolean", ["YES", "no", "1", "0", "True", ""], [True, False, True, False, True, None]),
        ("text", [" a ", "b b", ""], ["a", "b b", None]),
        ("date", ["1970-01-02", "1969-12-31", ""], [1, -1, None]),
    ],
)
def test_types(tmp_path, kind, words, values):
    found = column(tmp_path, words, type=kind)
    assert found.findings == ()
    assert found.frame["x"].to_list() == values


def test_partial_dates_carry_their_precision(tmp_path):
    found = column(tmp_path, ["2013-05-06", "2013-05", "2013", ""], type="date", imputation="first")
    assert found.frame.columns == ["patient", "x", "x_precision", "_file", "_line"]
    assert found.frame["x_precision"].to_list() == ["day", "month", "year", None]
    assert found.frame["x"].to_list() == [15831, 15826, 15706, None]


def test_a_category_keeps_its_levels_whatever_the_case(tmp_path):
    found = column(tmp_path, ["alive", "DEAD", " Alive "], type="category", levels=("Alive", "Dead"))
    assert found.frame["x"].to_list() == ["Alive", "Dead", "Alive"]
    assert column(tmp_path, ["any", "word"], type="category").frame["x"].to_list() == ["any", "word"]


def test_parquet(tmp_path):
    frame = pl.DataFrame({
        "id": [7.0, 8.0], "age": [50, None], "seen_on": pl.Series([0, 365]).cast(pl.Date), "stage": ["I", "IV"],
    })  # fmt: skip
    frame.write_parquet(tmp_path / "people.parquet")
    found = read(replace(PEOPLE, files=("people.parquet",)), tmp_path)
    assert found.findings == ()
    assert found.frame.drop("_file").rows() == [("7", 50, 0, "early", 1), ("8", None, 365, "late", 2)]


def test_spss(tmp_path):
    import pandas as pd
    import pyreadstat

    data = pd.DataFrame({"id": [7.0, 8.0, 9.0], "age": [50.0, 999.0, 61.0], "stage": [1.0, 2.0, 1.0]})
    pyreadstat.write_sav(
        data, str(tmp_path / "people.sav"), variable_value_labels={"stage": {1.0: "I", 2.0: "IV"}},
        missing_ranges={"age": [999]},
    )  # fmt: skip
    columns = tuple(c for c in PEOPLE.columns if c.name != "seen")
    found = read(replace(PEOPLE, files=("people.sav",), columns=columns), tmp_path)
    assert found.findings == ()
    assert found.frame.drop("_file").rows() == [
        ("7", 50, "early", 1),
        ("8", None, "late", 2),
        ("9", 61, "early", 3),
    ]


DATED = Source("visits", ("visits.csv",), (
    Column("patient", required=True), Column("seen", type="date", required=True, missing=("1900-01-01",)),
))  # fmt: skip
SEEN = [date(2019, 1, 2), date(1900, 1, 1), None, date(2019, 3, 4)]


def _visits(tmp_path, *names, source=DATED):
    """The same visits as text and as true dates, by the names of the files."""
    frame = pl.DataFrame({"patient": list("ABCD"), "seen": SEEN}, schema_overrides={"seen": pl.Date})
    for name in names:
        path = tmp_path / name
        frame.write_csv(path) if name.endswith("csv") else frame.write_parquet(path)
    return read(replace(source, files=names), tmp_path)


def test_true_dates_are_read_as_their_text_is(tmp_path):
    typed, text = _visits(tmp_path, "v.parquet"), _visits(tmp_path, "v.csv")
    assert typed.frame["seen"].to_list() == text.frame["seen"].to_list() == [17898, None, None, 17959]
    assert typed.frame.schema == text.frame.schema
    told = [[(f.code, f.where.patient, f.where.field) for f in found.findings] for found in (typed, text)]
    assert told[0] == told[1] == [("R204", "B", "seen"), ("R204", "C", "seen")]


def test_true_dates_and_text_in_one_source(tmp_path):
    both = _visits(tmp_path, "v.parquet", "v.csv")
    assert both.frame["seen"].to_list() == [17898, None, None, 17959] * 2


def test_true_dates_in_a_column_of_another_form_or_kind(tmp_path):
    seen = DATED.columns[1]
    other = replace(DATED, columns=(DATED.columns[0], replace(seen, date_format="DD/MM/YYYY", missing=())))
    assert _visits(tmp_path, "v.parquet", source=other).frame["seen"].to_list()[3] == 17959
    words = replace(DATED, columns=(DATED.columns[0], replace(seen, type="text", missing=())))
    assert _visits(tmp_path, "v.parquet", source=words).frame["seen"].to_list()[3] == "2019-03-04"


def test_a_missing_word_that_is_a_year_is_no_day_of_it(tmp_path):
    seen = replace(DATED.columns[1], required=False, missing=("2019", "1900-01-01"))
    source = replace(DATED, columns=(DATED.columns[0], seen))
    frame = pl.DataFrame({"patient": ["A", "B"], "seen": [date(2019, 7, 1), date(1900, 1, 1)]})
    frame.write_parquet(tmp_path / "v.parquet")
    frame.write_csv(tmp_path / "v.csv")
    for name in ("v.parquet", "v.csv"):
        assert read(replace(source, files=(name,)), tmp_path).frame["seen"].to_list() == [18078, None]

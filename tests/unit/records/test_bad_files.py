"""Files that cannot be used as a whole: one clear finding each."""

import gzip
from dataclasses import replace

import pytest

from sequela.core.errors import DataError, StudyError
from sequela.records.reading import read
from tests.unit.records.layouts import GOOD, PEOPLE, column, refusal, table


def test_missing_file_names_the_nearest(tmp_path):
    (tmp_path / "peple.csv").write_text(GOOD)
    with pytest.raises(DataError) as caught:
        read(PEOPLE, tmp_path)
    (finding,) = caught.value.findings
    assert (finding.code, finding.found) == ("R101", "near it: peple.csv")


@pytest.mark.parametrize("files", [("gone/people.csv",), ("*.tsv",)])
def test_nothing_at_all_there(tmp_path, files):
    with pytest.raises(DataError, match="R101"):
        read(replace(PEOPLE, files=files), tmp_path)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "0 bytes"),
        ("\n\n", "only blank lines"),
        ("id,age,seen_on,stage\n", "a header only"),
        ("# x\n", "comments only"),
    ],
)
def test_empty(tmp_path, text, found):
    finding = refusal(tmp_path, text, comment="#")
    assert (finding.code, finding.found) == ("R102", found)


def test_cut_short_in_the_last_row(tmp_path):
    finding = refusal(tmp_path, GOOD[: GOOD.rindex("70") + 1])
    assert (finding.code, finding.where.line, finding.found) == ("R103", 4, "2 of 4 fields")


def test_cut_short_inside_a_quoted_text(tmp_path):
    finding = refusal(tmp_path, GOOD + 'D,40,2019-01-01,"I')
    assert (finding.code, finding.where.line) == ("R103", 5)


def test_a_damaged_gzip(tmp_path):
    source = replace(PEOPLE, files=("people.csv.gz",))
    packed = gzip.compress(GOOD.encode())
    assert refusal(tmp_path, packed[:-12], source).code == "R103"
    assert refusal(tmp_path, packed[:12] + b"\0\0\0" + packed[15:], source).code == "R103"


@pytest.mark.parametrize("name", ["people.parquet", "people.sav"])
def test_a_damaged_binary_file(tmp_path, name):
    assert refusal(tmp_path, b"PAR1 this is none", replace(PEOPLE, files=(name,))).code == "R103"


def test_wrong_encoding_says_where(tmp_path):
    finding = refusal(tmp_path, GOOD.replace("B,", "Zoë,").encode("cp1252"))
    assert (finding.code, finding.where.line) == ("R104", 3)
    assert finding.found == f"byte 0xeb at position {GOOD.index('B,') + 2}"
    assert "cp1252" in finding.remedy
    assert "utf-16" in refusal(tmp_path, GOOD.encode("utf-16")).remedy


def test_no_such_encoding(tmp_path):
    with pytest.raises(DataError, match=r"R104.*utf-9"):
        table(tmp_path, GOOD, encoding="utf-9")


@pytest.mark.parametrize(("sign", "written"), [(";", ";"), ("\t", "\\t"), ("|", "|")])
def test_wrong_delimiter(tmp_path, sign, written):
    finding = refusal(tmp_path, GOOD.replace(",", sign))
    assert finding.code == "R105"
    assert f'delimiter = "{written}"' in finding.remedy


def test_a_delimiter_of_two_characters(tmp_path):
    assert refusal(tmp_path, GOOD, delimiter="||").code == "R105"


@pytest.mark.parametrize("row", ["X,1,2019-01-01", "X,1,2019-01-01,I,more"])
def test_ragged_row(tmp_path, row):
    finding = refusal(tmp_path, GOOD.replace("B,", f"{row}\nB,"))
    assert (finding.code, finding.where.line) == ("R106", 3)


def test_ragged_rows_that_make_up_for_each_other(tmp_path):
    finding = refusal(tmp_path, GOOD.replace("B,", "X,1,2019-01-01\nY,1,2019-01-01,I,more\nB,"))
    assert (finding.code, finding.where.line) == ("R106", 3)
    assert "also in lines 4" in finding.found


def test_missing_column_names_the_nearest(tmp_path):
    finding = refusal(tmp_path, GOOD.replace("seen_on", "seenon"))
    assert (finding.code, finding.where.field) == ("R107", "seen_on")
    assert "did you mean `seenon`?" in finding.message


def test_all_missing_columns_at_once(tmp_path):
    with pytest.raises(DataError) as caught:
        table(tmp_path, GOOD.replace("seen_on", "a").replace("stage", "b"))
    assert [finding.where.field for finding in caught.value.findings] == ["seen_on", "stage"]


def test_a_column_twice(tmp_path):
    finding = refusal(tmp_path, GOOD.replace("stage", "age"), columns=PEOPLE.columns[:2])
    assert (finding.code, finding.found) == ("R108", "columns 2, 4")


def test_a_column_of_another_type(tmp_path):
    with pytest.raises(DataError) as caught:
        column(tmp_path, ["5", "high", "low", "none"], type="integer")
    (finding,) = caught.value.findings
    assert (finding.code, finding.where.line) == ("R109", 3)
    assert finding.message == "column `x` is not a whole number: 3 of 4 values"
    assert finding.found == "'high', 'low', 'none'"


def test_decimal_commas_are_recognised(tmp_path):
    with pytest.raises(DataError, match=r"R109[\s\S]*write decimal points"):
        column(tmp_path, ["1,5", "2,5", "3,25"], type="number")


def test_dates_in_two_formats(tmp_path):
    with pytest.raises(DataError) as caught:
        column(tmp_path, ["2019-01-02", "2019-01-03", "25/03/2019", "04/05/2019"], type="date")
    (finding,) = caught.value.findings
    assert (finding.code, finding.where.line) == ("R110", 4)
    assert finding.message == "column `x` holds dates in two formats"
    assert finding.found == (
        "2 as YYYY-MM-DD, such as '2019-01-02' in line 2; 2 as DD/MM/YYYY, such as '25/03/2019' in line 4"
    )
    assert 'date_format = "DD/MM/YYYY"' in finding.remedy


def test_day_and_month_exchanged_in_one_row_refuse_the_column(tmp_path):
    values = ["01/02/2019"] * 50 + ["12/31/2019"]
    with pytest.raises(DataError, match="R110"):
        column(tmp_path, values, type="date", date_format="DD/MM/YYYY")


def test_all_dates_in_another_format(tmp_path):
    with pytest.raises(DataError, match="holds no dates as YYYY-MM-DD"):
        column(tmp_path, ["02.01.2019"], type="date")


def test_unknown_date_format(tmp_path):
    with pytest.raises(StudyError, match="R112"):
        column(tmp_path, ["2019-01-02"], type="date", date_format="%Y-%m-%d")

"""Excel: sheets, true dates beside typed ones, errors, formulas without a value, percentages."""

from datetime import date, datetime

import pytest

from sequela.core.errors import DataError
from sequela.records.reading import read
from sequela.records.source import Column, Source

openpyxl = pytest.importorskip("openpyxl")

COLUMNS = (
    Column("patient", "Patient", required=True),
    Column("born", "Born", "date", date_format="DD/MM/YYYY"),
    Column("er", "ER", "number"),
    Column("sex", "Sex", "category", levels=("F", "M")),
)


def book(path, sheets):
    made = openpyxl.Workbook()
    made.remove(made.active)
    for title, rows in sheets.items():
        sheet = made.create_sheet(title)
        for row in rows:
            sheet.append(row)
    made.save(path)
    return made


HEAD = ["Patient", "Born", "ER", "Sex"]
ROWS = [HEAD, [12, datetime(1950, 3, 4), 60, "F"], [None] * 4, ["A7", "05/06/1961", 0.5, "m"]]


def source(**said):
    return Source("people", ("people.xlsx",), COLUMNS, **said)


def test_cells_become_what_a_person_reads_and_rows_keep_their_number(tmp_path):
    book(tmp_path / "people.xlsx", {"Patients": ROWS, "Empty": []})
    found = read(source(), tmp_path)
    assert found.findings == ()
    days = [(date(1950, 3, 4) - date(1970, 1, 1)).days, (date(1961, 6, 5) - date(1970, 1, 1)).days]
    assert found.frame["patient"].to_list() == ["12", "A7"]
    assert found.frame["born"].to_list() == days
    assert found.frame["er"].to_list() == [60.0, 0.5]
    assert found.frame["sex"].to_list() == ["F", "M"]
    assert found.frame["_line"].to_list() == [2, 4]


def test_a_workbook_of_several_sheets_wants_a_name(tmp_path):
    book(tmp_path / "people.xlsx", {"Patients": ROWS, "Drugs": [["x"], [1]]})
    with pytest.raises(DataError, match="R115") as caught:
        read(source(), tmp_path)
    assert caught.value.findings[0].found == "Patients, Drugs"
    with pytest.raises(DataError, match="R114") as caught:
        read(source(sheet="Patient"), tmp_path)
    assert caught.value.findings[0].allowed == "Patients, Drugs"
    assert read(source(sheet="Patients"), tmp_path).rows_kept == 2


def test_errors_formulas_and_percentages_are_listed_with_their_cell(tmp_path):
    made = book(
        tmp_path / "people.xlsx", {"P": [*ROWS, ["A8", "=TODAY()", 0.6, "F"], ["A9", "#N/A", 0.7, "F"]]}
    )
    made["P"]["B6"].data_type = "e"
    made["P"]["C5"].number_format = "0%"
    made.save(tmp_path / "people.xlsx")
    found = read(source(), tmp_path)
    listed = [(f.code, f.where.line, f.where.field, f.found) for f in found.findings]
    assert listed == [
        ("R207", 6, "Born", "#N/A"),
        ("R210", 5, "ER", "60% is read as 0.6"),
        ("R207", 5, "Born", "=TODAY()"),
    ]
    assert found.frame["born"].null_count() == 2


@pytest.mark.parametrize(
    ("sheets", "code"),
    [
        ({"P": []}, "R102"),
        ({"P": [HEAD]}, "R102"),
        ({"P": [["Patient"], ["1"]]}, "R107"),
        ({"P": [[*HEAD, "ER"], [1, 2, 3, 4, 5]]}, "R108"),
    ],
)
def test_sheets_that_cannot_be_used(tmp_path, sheets, code):
    book(tmp_path / "people.xlsx", sheets)
    with pytest.raises(DataError, match=code):
        read(source(), tmp_path)


def test_no_workbook(tmp_path):
    (tmp_path / "people.xlsx").write_bytes(b"not a workbook")
    with pytest.raises(DataError, match="R103"):
        read(source(), tmp_path)

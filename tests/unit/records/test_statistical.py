"""SPSS, Stata and SAS files: labels for codes, user-missing values missing, dates; several records a row."""

from datetime import date

import polars as pl
import pyreadstat
import pytest

from sequela.core.errors import DataError, StudyError
from sequela.records.reading import read
from sequela.records.source import Column, Source

FRAME = pl.DataFrame(
    {
        "id": ["P1", "P2", "P3"],
        "sex": [1, 2, 9],
        "age": [50.5, None, 999.0],
        "born": [date(1950, 1, 2), None, date(1899, 5, 6)],
    }
)
LABELS = {"sex": {1: "male", 2: "female", 9: "not known"}, "age": {999.0: "unknown"}}
COLUMNS = (
    Column("patient", "id"),
    Column("sex", type="category", levels=("male", "female")),
    Column("age", type="number"),
    Column("born", type="date"),
)


def write(kind, path):
    if kind == "sav":
        pyreadstat.write_sav(FRAME, str(path), variable_value_labels=LABELS, missing_ranges={"sex": [9]})
    elif kind == "dta":
        pyreadstat.write_dta(FRAME, str(path), variable_value_labels={"sex": LABELS["sex"]})
    else:
        pyreadstat.write_xport(FRAME, str(path))


@pytest.mark.parametrize("kind", ["sav", "dta"])
def test_labels_take_the_place_of_codes(tmp_path, kind):
    write(kind, tmp_path / f"people.{kind}")
    found = read(Source("people", (f"people.{kind}",), COLUMNS), tmp_path)
    assert found.frame["sex"].to_list() == ["male", "female", None]
    assert found.frame["born"].to_list()[0] == (date(1950, 1, 2) - date(1970, 1, 1)).days
    # A user-missing code is missing without a word; a labelled one that no one declared missing is listed.
    expected = {"sav": [("R201", "'unknown'")], "dta": [("R202", "'not known'")]}
    assert [(f.code, f.found) for f in found.findings] == expected[kind]


def test_codes_on_request(tmp_path):
    write("dta", tmp_path / "people.dta")
    columns = (Column("patient", "id"), Column("sex", type="integer", codes=True))
    found = read(Source("people", ("people.dta",), columns), tmp_path)
    assert found.frame["sex"].to_list() == [1, 2, 9]


def test_sas_transport_without_labels(tmp_path):
    write("xpt", tmp_path / "people.xpt")
    levels = Column("sex", type="category", levels={"1": "male", "2": "female"}, missing=("9",))
    found = read(Source("people", ("people.xpt",), (COLUMNS[0], levels, COLUMNS[3])), tmp_path)
    assert found.findings == ()
    assert found.frame["sex"].to_list() == ["male", "female", None]
    assert found.frame["born"].to_list()[2] == (date(1899, 5, 6) - date(1970, 1, 1)).days


@pytest.mark.parametrize("kind", ["sav", "dta", "xpt", "sas7bdat"])
def test_damaged(tmp_path, kind):
    (tmp_path / f"people.{kind}").write_bytes(b"damaged" * 20)
    with pytest.raises(DataError, match="R103"):
        read(Source("people", (f"people.{kind}",), COLUMNS), tmp_path)


def test_a_column_that_is_not_there(tmp_path):
    write("dta", tmp_path / "people.dta")
    with pytest.raises(DataError, match=r"R107.*did you mean `age`"):
        read(Source("people", ("people.dta",), (Column("patient", "id"), Column("agee"))), tmp_path)


WIDE = "id,centre,drug1,start1,drug2,start2\nA,X,paclitaxel,5,T-DM1,200\nB,X,,,NA, \nC,Y,,,lapatinib,9\n"
DRUGS = Source(
    "treatments",
    ("wide.csv",),
    (Column("patient", "id"), Column("drug"), Column("start", type="day"), Column("centre")),
    missing=("NA",),
    repeats=({"drug": "drug1", "start": "start1"}, {"drug": "drug2", "start": "start2"}),
)


def test_several_records_a_row(tmp_path):
    (tmp_path / "wide.csv").write_text(WIDE)
    found = read(DRUGS, tmp_path)
    assert found.findings == ()
    assert found.frame.select("patient", "drug", "start", "centre", "_line").rows() == [
        ("A", "paclitaxel", 5, "X", 2),
        ("A", "T-DM1", 200, "X", 2),
        ("C", "lapatinib", 9, "Y", 4),
    ]
    assert found.left_out == {"no record in the repeated columns": 1}


def test_repeats_name_fields_of_the_source(tmp_path):
    from dataclasses import replace

    with pytest.raises(StudyError, match="R111"):
        read(replace(DRUGS, repeats=({"medicine": "drug1"},)), tmp_path)


def test_months_to_days(tmp_path):
    (tmp_path / "x.csv").write_text("patient,os\nA,12\nB,0.5\n")
    columns = (Column("patient"), Column("os", type="day", scale=30.4375))
    assert read(Source("x", ("x.csv",), columns), tmp_path).frame["os"].to_list() == [365, 15]

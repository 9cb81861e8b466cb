"""cBioPortal's files, and OMOP tables from CSV, Parquet and DuckDB files with names by the concept table."""

import polars as pl
import pytest

from sequela.core.errors import DataError
from sequela.records.reading import read
from sequela.records.source import Column, Source

PATIENTS = """#Patient Identifier\tOverall Survival (Months)\tOverall Survival Status\tSex
#Identifier\tMonths\tStatus\tSex
#STRING\tNUMBER\tSTRING\tSTRING
#1\t1\t1\t1
PATIENT_ID\tOS_MONTHS\tOS_STATUS\tSEX
P-1\t12\t1:DECEASED\tFemale
P-2\t[Not Available]\t0:LIVING\tNA
"""
TIMELINE = """PATIENT_ID\tSTART_DATE\tSTOP_DATE\tEVENT_TYPE\tTREATMENT_TYPE\tAGENT
P-1\t0\t100\tTREATMENT\tSystemic\tCarboplatin
P-1\t140\t\tSTATUS\t\t
P-1\t150\t\tTREATMENT\tSystemic\tOlaparib
"""
CLINICAL = (
    Column("patient", "PATIENT_ID"),
    Column("os", "OS_MONTHS", "day", scale=30.4375),
    Column("vital", "OS_STATUS", "category", levels=("LIVING", "DECEASED")),
    Column("sex", "SEX"),
)


@pytest.mark.parametrize("sign", ["", "#"])
def test_clinical_patients(tmp_path, sign):
    (tmp_path / "p.txt").write_text(PATIENTS.replace("PATIENT_ID", f"{sign}PATIENT_ID"))
    found = read(Source("p", ("p.txt",), CLINICAL, format="cbioportal"), tmp_path)
    assert found.findings == ()
    assert found.frame.drop("_file").rows() == [
        ("P-1", 365, "DECEASED", "Female", 6),
        ("P-2", None, "LIVING", None, 7),
    ]


def test_timeline(tmp_path):
    (tmp_path / "t.txt").write_text(TIMELINE)
    columns = (
        Column("patient", "PATIENT_ID"),
        Column("drug", "AGENT"),
        Column("start", "START_DATE", "day"),
        Column("kind", "EVENT_TYPE"),
    )
    found = read(
        Source("t", ("t.txt",), columns, format="cbioportal", where={"kind": ("TREATMENT",)}), tmp_path
    )
    assert found.frame["drug"].to_list() == ["Carboplatin", "Olaparib"]
    assert found.left_out == {"`kind` is not TREATMENT": 1}


@pytest.mark.parametrize(
    ("old", "new", "line"), [("#STRING\tNUMBER", "#STRING\tNUMERIC", 3), ("#1\t1\t1\t1", "#1\t1\t1", 4)]
)
def test_rows_above_the_header_that_do_not_fit(tmp_path, old, new, line):
    (tmp_path / "p.txt").write_text(PATIENTS.replace(old, new))
    with pytest.raises(DataError, match="R106") as caught:
        read(Source("p", ("p.txt",), CLINICAL, format="cbioportal"), tmp_path)
    assert caught.value.findings[0].where.line == line


TABLES = {
    "person": pl.DataFrame(
        {"person_id": [1, 2, 3], "gender_concept_id": [8532, 8507, 0], "year_of_birth": [1950, 1961, 1970],
         "month_of_birth": [3, 4, None], "day_of_birth": [9, None, None]},
    ),
    "drug_exposure": pl.DataFrame(
        {"person_id": [1, 1, 2, 2], "drug_concept_id": [101, 102, 103, 999],
         "drug_exposure_start_date": ["2019-01-02", "2019-02-03", "2020-01-01", "2020-02-01"]},
    ).with_columns(pl.col("drug_exposure_start_date").str.to_date()),
    "concept": pl.DataFrame(
        {"concept_id": [8532, 8507, 101, 102, 103, 1, 2, 3],
         "concept_name": ["FEMALE", "MALE", "trastuzumab 150 MG Injection", "Phesgo", "docetaxel", "trastuzumab", "pertuzumab", "hyaluronidase"],
         "concept_class_id": ["Gender", "Gender", "Clinical Drug", "Branded Drug", "Ingredient", "Ingredient", "Ingredient", "Ingredient"]},
    ),
    "concept_ancestor": pl.DataFrame(
        {"ancestor_concept_id": [1, 1, 2, 3, 103], "descendant_concept_id": [101, 102, 102, 102, 103]}
    ),
}  # fmt: skip


def stored(kind, folder):
    """The tables in one of the three kinds of store; the file that holds drug exposures."""
    if kind == "duckdb":
        duckdb = pytest.importorskip("duckdb")
        with duckdb.connect(str(folder / "cdm.duckdb")) as store:
            for name, frame in TABLES.items():
                frame.write_csv(folder / "x.csv")
                store.execute(f"create table {name} as select * from read_csv('{folder / 'x.csv'}')")
        return "cdm.duckdb", "cdm.duckdb"
    for name, frame in TABLES.items():
        if kind == "parquet":
            frame.write_parquet(folder / f"{name}.parquet")
        else:  # as Athena writes the vocabulary: capitals, tabs
            vocabulary = name.startswith("concept")
            frame.rename(str.upper if vocabulary else str.lower).write_csv(
                folder / f"{name.upper() if vocabulary else name}.csv", separator="\t" if vocabulary else ","
            )
    return f"drug_exposure.{kind}", f"person.{kind}"


@pytest.mark.parametrize("kind", ["csv", "parquet", "duckdb"])
def test_omop(tmp_path, kind):
    drugs, people = stored(kind, tmp_path)
    columns = (
        Column("patient", "person_id"), Column("drug", "ingredient"), Column("name", "drug_concept"),
        Column("start", "drug_exposure_start_date", "date"),
    )  # fmt: skip
    found = read(Source("d", (drugs,), columns, format="omop", table="drug_exposure"), tmp_path)
    assert found.frame["drug"].to_list() == [
        "trastuzumab", "hyaluronidase + pertuzumab + trastuzumab", "docetaxel", None,
    ]  # fmt: skip
    assert found.frame["name"].to_list() == ["trastuzumab 150 MG Injection", "Phesgo", "docetaxel", None]
    assert found.frame["start"].null_count() == 0
    assert [(f.code, f.found, f.where.line) for f in found.findings] == [("R211", "999", 4)] * 2
    columns = (
        Column("patient", "person_id"),
        Column("sex", "gender_concept"),
        Column("born", "birth", "date"),
    )
    found = read(Source("p", (people,), columns, format="omop", table="person"), tmp_path)
    assert found.findings == ()
    assert found.frame["sex"].to_list() == ["FEMALE", "MALE", None]
    assert found.frame["born_precision"].to_list() == ["day", "month", "year"]
    with pytest.raises(DataError, match=r"R107.*did you mean `gender_concept`"):
        read(
            Source(
                "p",
                (people,),
                (Column("patient", "person_id"), Column("genderconcept")),
                format="omop",
                table="person",
            ),
            tmp_path,
        )


def test_names_without_a_vocabulary(tmp_path):
    TABLES["person"].write_csv(tmp_path / "person.csv")
    columns = (Column("patient", "person_id"), Column("sex", "gender_concept"))
    with pytest.raises(DataError, match="R116"):
        read(Source("p", ("person.csv",), columns, format="omop"), tmp_path)
    codes = Source(
        "p",
        ("person.csv",),
        (Column("patient", "person_id"), Column("sex", "gender_concept_id")),
        format="omop",
    )
    assert read(codes, tmp_path).frame["sex"].to_list() == ["8532", "8507", "0"]


def test_a_duckdb_table(tmp_path):
    stored("duckdb", tmp_path)
    columns = (Column("patient", "person_id"), Column("year_of_birth", type="integer"))
    assert read(Source("p", ("cdm.duckdb",), columns, table="main.person"), tmp_path).rows_kept == 3
    with pytest.raises(DataError, match="R114"):
        read(Source("p", ("cdm.duckdb",), columns, table="persons"), tmp_path)
    (tmp_path / "bad.duckdb").write_bytes(b"no database" * 1000)
    with pytest.raises(DataError, match="R103"):
        read(Source("p", ("bad.duckdb",), columns, table="person"), tmp_path)

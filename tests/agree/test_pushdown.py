"""The query that docs/spark.md shows keeps the right persons and drugs of an OMOP database, in DuckDB and on Spark."""

import re
from pathlib import Path

import polars as pl
import pytest

from sequela.clinic.drugs import read_dictionary
from sequela.clinic.outofcore import lines_of_files
from sequela.clinic.rules import read_rules

PAGE = Path(__file__).resolve().parents[2] / "docs" / "spark.md"
(QUERY,) = re.findall(r"```sql\n(.*?)```", PAGE.read_text("utf-8"), re.S)


def day(text):
    return pl.Series([text]).str.to_date()[0]


TABLES = {
    "concept": pl.DataFrame(
        [
            (1, "ANTINEOPLASTIC AGENTS", "ATC", "ATC 2nd", "L01"),
            (2, "ENDOCRINE THERAPY", "ATC", "ATC 2nd", "L02"),
            (3, "VITAMINS", "ATC", "ATC 2nd", "A11"),
            (4, "Malignant neoplasm of breast", "SNOMED", "Disorder", "254837009"),
            (5, "Malignant neoplasm of lung", "SNOMED", "Disorder", "363358000"),
            (11, "trastuzumab", "RxNorm", "Ingredient", "224905"),
            (12, "letrozole", "RxNorm", "Ingredient", "72965"),
            (13, "cholecalciferol", "RxNorm", "Ingredient", "2418"),
            (14, "hyaluronidase", "RxNorm", "Ingredient", "5504"),
            (21, "trastuzumab 150 MG Injection", "RxNorm", "Clinical Drug", "x"),
            (22, "hyaluronidase / trastuzumab Injection", "RxNorm", "Clinical Drug", "y"),
            (23, "letrozole 2.5 MG Oral Tablet", "RxNorm", "Clinical Drug", "z"),
        ],
        schema=["concept_id", "concept_name", "vocabulary_id", "concept_class_id", "concept_code"], orient="row",
    ),
    "concept_ancestor": pl.DataFrame(
        [
            *((one, one) for one in (1, 2, 3, 4, 5, 11, 12, 13, 14, 21, 22, 23)),
            (1, 11), (1, 21), (1, 22), (2, 12), (2, 23), (3, 13), (11, 21), (11, 22), (14, 22), (12, 23), (2, 11),
            (4, 41), (5, 51),
        ],
        schema=["ancestor_concept_id", "descendant_concept_id"], orient="row",
    ),
    "condition_occurrence": pl.DataFrame(
        [(100, 41), (100, 4), (200, 51), (300, 4)], schema=["person_id", "condition_concept_id"], orient="row"
    ),
    "drug_exposure": pl.DataFrame(
        [
            (100, 21, day("2020-01-01"), day("2020-06-01")),
            (100, 22, day("2021-01-01"), day("2021-02-01")),
            (100, 13, day("2020-01-01"), day("2020-06-01")),
            (200, 21, day("2020-01-01"), day("2020-06-01")),
            (300, 23, day("2019-01-01"), None),
        ],
        schema=["person_id", "drug_concept_id", "drug_exposure_start_date", "drug_exposure_end_date"], orient="row",
    ),
}  # fmt: skip
KEPT = [
    (100, "trastuzumab", day("2020-01-01"), day("2020-06-01")),
    (100, "trastuzumab", day("2021-01-01"), day("2021-02-01")),
    (300, "letrozole", day("2019-01-01"), None),
]


def test_in_duckdb(tmp_path):
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect(tmp_path / "cdm.duckdb") as cdm:
        for name, frame in TABLES.items():
            cdm.register("given", frame.to_arrow())
            cdm.execute(f"create table {name} as select * from given")
    with duckdb.connect(tmp_path / "cdm.duckdb", read_only=True) as cdm:
        cdm.sql(QUERY).write_parquet(str(tmp_path / "treatments.parquet"))
    assert sorted(pl.read_parquet(tmp_path / "treatments.parquet").rows()) == KEPT
    made = lines_of_files(
        [tmp_path / "treatments.parquet"], read_rules("generic-28-120"), read_dictionary(),
        tmp_path / "lines.parquet", columns={"start": "began", "end": "ended"},
    )  # fmt: skip
    assert (made.rows, made.used, made.lines) == (3, 3, 2)


@pytest.mark.spark
@pytest.mark.filterwarnings("default")
def test_on_spark(spark):
    from sequela.clinic.spark import lines_of_frame

    for name, frame in TABLES.items():
        spark.createDataFrame(frame.to_arrow()).createOrReplaceTempView(name)
    frame = spark.sql(QUERY)
    assert sorted(tuple(row) for row in frame.collect()) == KEPT
    columns = {"start": "began", "end": "ended"}
    made = lines_of_frame(frame, read_rules("generic-28-120"), read_dictionary(), columns=columns)
    assert (made.rows, made.left) == (3, {})
    found = sorted((row.subject, row.step, row.drugs) for row in made.lines.collect())
    assert found == [(100, 1, "trastuzumab"), (100, 2, "trastuzumab")]  # letrozole alone is no line

"""What is true without Spark: whole patients, and what is said where Spark cannot be started."""

import polars as pl
import pytest

from sequela.clinic.lines import lines_of_therapy
from sequela.core.errors import UsageError
from sequela.records import spark
from sequela.walk import path
from sequela.walk.path import walk
from tests.conftest import TODAY


@pytest.mark.parametrize("size", [1, 2, 3, 50])
@pytest.mark.parametrize("rows", [1, 4, 7, 1000])
def test_patients_stay_whole(size, rows):
    whole = pl.DataFrame({"patient": [1] * 5 + [2] + [3] * 9 + [4] * 2 + [5], "day": range(18)})
    parts = list(spark.whole_patients(whole.iter_slices(size), rows))
    assert pl.concat(parts).equals(whole)
    met = [set(part["patient"]) for part in parts]
    assert sum(map(len, met)) == len(set.union(*met)) == 5
    assert rows == 1000 or len(parts) > 1


def test_no_rows_are_no_parts():
    empty = pl.DataFrame({"patient": []}, schema={"patient": pl.Int64})
    assert list(spark.whole_patients([])) == list(spark.whole_patients([empty])) == []


def asking(study):
    return study.model_copy(update={"lines": study.lines.model_copy(update={"engine": "spark"})})


def test_the_key_chooses_who_derives_the_lines(monkeypatch, sepher_study, sepher):
    asked = []

    def derive(treatments, *others):
        asked.append(treatments.height)
        return lines_of_therapy(treatments, *others)

    monkeypatch.setattr(path, "require_spark", lambda: None)
    monkeypatch.setattr(path, "lines_on_spark", derive)
    walk(sepher_study, today=TODAY)
    assert not asked
    found = walk(asking(sepher_study), today=TODAY)
    assert asked == [sepher.registry.used.height]
    assert found.lines.placed.equals(sepher.lines.placed)


def test_without_pyspark(monkeypatch, sepher_study):
    monkeypatch.setattr(spark, "find_spec", lambda name: None)
    with pytest.raises(UsageError) as caught:
        walk(asking(sepher_study), today=TODAY)
    assert caught.value.findings[0].code == "R113"
    assert caught.value.findings[0].remedy == 'pip install "sequela[spark]"'


@pytest.mark.parametrize("home", [None, "/nowhere"])
def test_without_java(monkeypatch, sepher_study, home):
    monkeypatch.setattr(spark, "find_spec", lambda name: object())
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    if home:
        monkeypatch.setenv("JAVA_HOME", home)
    with pytest.raises(UsageError) as caught:
        walk(asking(sepher_study), today=TODAY)
    assert caught.value.findings[0].code == "R117"
    assert (home or "no `java`") in caught.value.findings[0].found

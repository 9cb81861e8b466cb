"""The placebo: this study where no treatment does anything."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest

from sequela.audit.placebo import Method, Placebo
from sequela.core.errors import StudyError, UsageError
from sequela.walk.inventing import invent, material
from sequela.walk.placebo import chosen, placebo, write_placebo

TODAY = date(2026, 1, 1)


@pytest.fixture(scope="module")
def sepher_placebo(sepher):
    return placebo(sepher, today=TODAY, runs=20)


@pytest.fixture(scope="module")
def ovarian_placebo(ovarian):
    return placebo(ovarian, today=TODAY, runs=20)


def by_label(found):
    return {method.label: method for method in found.methods}


def test_the_design_alone_makes_sephers_headline(sepher_placebo):
    naive = sepher_placebo.methods[0]
    assert naive.known == 20
    assert naive.middle[0] == pytest.approx(1.85, abs=0.3)
    assert naive.rejected[0] >= 0.6
    months = np.array(naive.arm_medians) / 30.4375
    assert months == pytest.approx([74, 53], abs=7)
    assert naive.observed == pytest.approx(1.835, abs=0.001)
    assert sepher_placebo.makes_the_result
    assert "within what the design alone makes" in sepher_placebo.sentence
    assert sepher_placebo.selected and (sepher_placebo.sizes == [194, 177]).all()


def test_delayed_entry_with_its_time_takes_it_away(sepher_placebo):
    adjusted = by_label(sepher_placebo)["Delayed entry, entry time in the model"]
    assert adjusted.middle[0] == pytest.approx(1.0, abs=0.15)
    assert adjusted.rejected[0] <= 0.2


def test_a_file_of_all_patients_needs_no_selection(ovarian_placebo):
    assert not ovarian_placebo.selected
    restarted = by_label(ovarian_placebo)["Clock restarted, time since the origin in the model"]
    assert restarted.middle[0] == pytest.approx(1.0, abs=0.15) and restarted.rejected[0] <= 0.2
    naive = ovarian_placebo.methods[0]
    assert (
        naive.middle[0] < 0.85
    )  # those who wait longer for line 2 live longer from diagnosis, whatever is given
    assert naive.observed < naive.middle[1]
    assert "outside the middle 95%" in ovarian_placebo.sentence


def test_the_number_of_processes_changes_nothing(ovarian, ovarian_placebo):
    again = placebo(ovarian, today=TODAY, runs=20, jobs=2)
    for one, other in zip(ovarian_placebo.methods, again.methods, strict=True):
        assert np.array_equal(one.ratios, other.ratios, equal_nan=True)


def test_invented_files_have_the_shape_of_the_studys_own(sepher):
    from sequela.walk.placebo import _start

    made_of = material(sepher)
    tables = invent(_start(made_of, 0.1), made_of, sepher.study, sepher.tables, 300, np.random.default_rng(1))
    assert list(tables) == list(sepher.tables)
    for name, table in tables.items():
        assert table.frame.schema == sepher.tables[name].frame.schema
    given = tables["treatments"].frame
    death = tables["follow_up"].frame.select("patient", "death", "last_contact", "status")
    assert (death["status"] == "dead").sum() == death["death"].drop_nulls().len() > 20
    last = death.with_columns(pl.min_horizontal("death", "last_contact").alias("last"))
    rows = given.join(last, on="patient")
    assert (rows["start"] <= rows["last"]).all() and (rows["end"].drop_nulls() <= rows["last"].max()).all()
    assert last["last"].max() <= made_of.last_day
    first = given.filter(pl.col("drug").str.to_lowercase().str.contains("t-dm1|emtansine|kadcyla"))[
        "start"
    ].min()
    own = sepher.registry.used.filter(pl.col("agent") == "trastuzumab_emtansine")["start"].min()
    assert first >= own


def test_a_named_analysis_without_a_fault_has_one_row(sepher_study):
    assert chosen(sepher_study, None).analysis == "figure-4a"
    assert chosen(sepher_study, "figure-4b").endpoint == "os_t_dm1"
    with pytest.raises(UsageError) as fault:
        chosen(sepher_study, "table-2")
    assert fault.value.findings[0].code == "X120" and "figure-4a" in fault.value.findings[0].allowed


def test_a_course_dated_in_the_patients_file_is_refused(sepher):
    anchors = dict(sepher.study.anchors)
    anchors["progression"] = anchors["progression"].model_copy(update={"fields": ("patients.surgery",)})
    with pytest.raises(StudyError) as fault:
        material(replace(sepher, study=sepher.study.model_copy(update={"anchors": anchors})))
    assert fault.value.findings[0].code == "S140" and "progression" in fault.value.findings[0].message


def test_the_sums_of_a_method_by_hand():
    ratios = np.array([1.0, 2.0, 4.0, np.nan])
    method = Method(
        "m", ratios, np.array([0.2, 0.04, 0.01, np.nan]), np.array([[1.0], [2.0], [np.nan], [3.0]]), 4.0, 0.01
    )
    assert method.known == 3 and method.middle[0] == 2.0
    assert method.rejected[0] == pytest.approx(2 / 3)
    assert method.arm_medians == (2.5,)
    assert method.as_extreme == pytest.approx(3 / 4)  # 1 and 4 lie as far from 2, and the observed itself
    none = Method("n", np.array([np.nan]), np.array([np.nan]), np.zeros((1, 0)), None, None)
    assert none.known == 0 and none.as_extreme is None and np.isnan(none.rejected[0])


def test_page_figure_and_numbers(ovarian_study, ovarian_placebo, tmp_path):
    page = write_placebo(ovarian_study, ovarian_placebo, tmp_path)
    text = page.read_text()
    assert "Invented worlds" in text and "src=" not in text.split("</style>")[1]
    kept = json.loads((tmp_path / "placebo.json").read_text())
    assert kept["methods"][0]["median_hazard_ratio"] == pytest.approx(ovarian_placebo.methods[0].middle[0])
    runs = (tmp_path / "figures" / "placebo.csv").read_text().splitlines()
    assert len([line for line in runs if not line.startswith("#")]) == 1 + 20 * len(ovarian_placebo.methods)
    assert isinstance(ovarian_placebo, Placebo)


@pytest.mark.slow
def test_two_hundred_worlds_of_sepher(sepher):
    found = by_label(placebo(sepher, today=TODAY, runs=200, jobs=2))
    naive, adjusted = found["As asked (naive)"], found["Delayed entry, entry time in the model"]
    assert np.array(naive.arm_medians) / 30.4375 == pytest.approx([73.5, 53.5], abs=4)
    assert naive.middle[0] == pytest.approx(1.88, abs=0.12)
    assert naive.rejected[0] >= 0.8
    assert adjusted.middle[0] == pytest.approx(1.0, abs=0.08)
    assert adjusted.rejected[0] <= 0.09

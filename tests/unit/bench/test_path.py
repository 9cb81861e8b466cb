"""The bench's whole path on its example: rows, readings, comparisons, files; and the doors that refuse it."""

import json

import numpy as np
import pytest

import sequela as sq
from sequela.cli.examples import copy_template
from sequela.core.errors import StudyError, UsageError
from sequela.core.readings import Readings
from sequela.virtual.assays import PROTEINS
from sequela.virtual.cultures import CULTURES
from sequela.walk.bench import walk_bench


def test_every_row_is_used_or_has_a_reason(bench_run):
    for frame in bench_run.walk.frames.values():
        assert frame.height > 0
    counted = [row.cells[0].value for row in bench_run.tables["rows"].rows if "rows read" in row.label]
    assert counted == [frame.height for frame in bench_run.walk.frames.values()]


def test_what_was_put_in_comes_out(bench_run):
    """EC50 of each culture within its interval over experiments; the T+P line is resistant."""
    curves = next(content for content in bench_run.contents if content.heading.id == "t-dm1")
    for truth, row in zip(CULTURES, curves.rows, strict=True):
        found = dict(row.numbers)["EC50, ug/ml"]
        assert found.n == 4
        assert found.lower < truth.ec50 < found.upper
        assert dict(row.numbers)["Emax"].value == pytest.approx(truth.floor, abs=0.03)
    last = curves.comparisons.recommended[-1]
    assert last.condition == "TP"
    assert last.effect.lower < CULTURES[2].ec50 / CULTURES[0].ec50 < last.effect.upper


def test_proteins_that_were_put_in_come_out(bench_run):
    """HER2, its phosphorylation, its share in the nucleus and on the membrane, each ratio within its 99 % interval.

    Of eight intervals of 95 % one may well miss; the tests are paired t of four experiments.
    """
    from scipy.special import stdtrit

    ctr, *others = PROTEINS
    truth = {
        "her2": lambda one: one.amount / ctr.amount,
        "her2-active": lambda one: one.phosphorylated / ctr.phosphorylated,
        "her2-nuclear": lambda one: one.nuclear / ctr.nuclear,
        "her2-membrane": lambda one: one.membrane / ctr.membrane,
    }
    contents = {one.heading.id: one for one in bench_run.contents}
    for name, ratio in truth.items():
        for one, found in zip(others, contents[name].comparisons.recommended, strict=True):
            assert found.condition == one.culture
            half = np.log(found.effect.upper / found.effect.value) * stdtrit(3, 0.995) / stdtrit(3, 0.975)
            assert abs(np.log(ratio(one) / found.effect.value)) < half, (name, one.culture)
    assert [level.mean for level in contents["her2-membrane"].levels] == pytest.approx(
        [0.6, 0.5, 0.25],
        abs=0.1,  # experiments differ by their day
    )


def test_real_biopsies_and_real_blots_stand_beside_the_invented(bench_run):
    contents = {one.heading.id: one for one in bench_run.contents}
    assert contents["biopsies"].found.changes["status_lost"].to_list() == [True, True, False, False]
    assert [one.n for one in contents["perk"].comparisons.recommended] == [(3, 3)] * 3
    ratios = {group.name: group.by_experiment()[""] for group in contents["p65"].groups}
    assert ratios["MCF-7, stimulated"] > 2 * ratios["MCF-7"]
    assert {"I121", "I124", "I133", "I162"} <= {finding.code for finding in bench_run.findings}


def test_captions_speak_of_experiments_only_where_they_are_named(bench_run):
    page = (bench_run.out / "report.html").read_text("utf-8")
    # T-DM1 by viability and by growth rate; dasatinib and doxorubicin
    assert page.count("Large marks: means of experiments; points: wells; cultures of one dose") == 2
    assert page.count("Large marks: means of all wells of a dose") == 2
    assert page.count("residuals of wells from that curve") == 2


def test_the_sidecar_holds_both_tests(bench_run):
    told = json.loads((bench_run.out / "data" / "t-dm1-1-tests.json").read_text("utf-8"))
    assert told["unit_of_analysis"] == "experiment"
    assert [one["test"] for one in told["recommended"]] == ["paired t on experiments"] * 2
    assert [one["test"] for one in told["paper"]] == ["Student t on experiments"] * 2
    assert told["recommended"][0]["n_experiments"] == [4, 4]
    assert told["recommended"][0]["n_readings"] == [16, 16]
    assert told["stars"]["limits"] == [[0.0001, "***"], [0.001, "**"], [0.05, "*"]]


def test_histories_are_sequences(bench_run):
    table = bench_run.walk.sequences.table
    assert table.filter(subject="TP")["start"].to_list() == [0, 61]
    assert table.filter(subject="TP")["end"].to_list() == [61, 274]
    assert bench_run.walk.sequences.agents(table.filter(subject="TP")["agents"][0]) == (
        "trastuzumab",
        "pertuzumab",
    )
    assert table.filter(subject="CTR").is_empty()


def test_lines_of_therapy_are_for_patients(bench_study):
    from sequela.walk.path import read_sources

    with pytest.raises(StudyError, match="S130"):
        read_sources(bench_study, lambda _: None)


def test_an_unknown_key_of_the_bench_names_the_nearest(tmp_path):
    text = '[study]\nwing = "bench"\ntitle = "x"\nquestion = "y"\n[cultures.A]\nlabl = "a"\n[assays]\n'
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    with pytest.raises(StudyError) as fault:
        sq.Study.read(tmp_path)
    found = {finding.code: finding for finding in fault.value.findings}
    assert "did you mean `label`?" in found["S103"].message
    assert found["S103"].where.line == 6
    assert "`analyses` is missing" in found["S104"].message


def test_readings_average_wells_of_an_experiment():
    readings = Readings([1.0, 3.0, 5.0, 7.0], ["a"] * 4, ["1", "1", "1", "2"])
    assert readings.n == {"a": 2}
    means = readings.means()
    assert means.value.tolist() == [3.0, 7.0]
    assert Readings([1.0], ["a"]).n == {"a": 0}
    with pytest.raises(UsageError, match="T108"):
        Readings([np.nan], ["a"])
    with pytest.raises(UsageError, match="T102"):
        Readings([1.0, 2.0], ["a"])


def test_what_is_invented_says_so_everywhere(bench_run):
    for content in bench_run.contents:
        tables = [table for name, table in bench_run.tables.items() if name.startswith(content.heading.id)]
        assert {table.banner for table in tables} == {"Simulated measurements" if content.simulated else None}
        drawn = (bench_run.out / "figures" / f"{content.heading.id}.svg").read_text("utf-8")
        assert ("Simulated measurements" in drawn) == content.simulated
    data = {path.name: path.read_text("utf-8") for path in (bench_run.out / "data").glob("*.csv")}
    assert data["mtt.csv"].startswith("# Simulated measurements")
    assert not data["sarcoma.csv"].startswith("#")
    real = [line for line in bench_run.contrasts if "(simulated)" not in line]
    assert [line.split(":")[0] for line in real] == ["Phosphorylated ERK after heregulin"] * 3


def test_real_lines_without_named_experiments_have_curves_and_no_test(bench_run):
    content = next(one for one in bench_run.contents if one.heading.id == "doxorubicin")
    assert [row.experiments for row in content.rows] == [0, 0, 0]
    assert all(30 < dict(row.numbers)["IC50, nM"].value < 200 for row in content.rows)
    assert all(len(curve.dose) == 36 for curve in content.curves)
    assert content.comparisons.recommended == ()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("run", "--plan"), 0, "dose_response t-dm1"),
        (("check",), 0, "B211"),
        (("audit",), 2, "S130"),
    ],
)
def test_the_same_verbs(bench_study, capsys, words, code, said):
    from pathlib import Path

    from sequela.cli import main

    with pytest.raises(SystemExit) as done:
        main([words[0], str(Path(bench_study.path).parent), *words[1:]])
    printed = capsys.readouterr()
    assert done.value.code == code
    assert said in printed.out + printed.err


def test_findings_about_an_assay_as_a_whole_say_which(bench_run):
    placed = {finding.code: finding.where for finding in bench_run.findings}
    assert placed["I124"].field == "assays.lysates"
    assert placed["I133"].field == "assays.extracts.target"
    assert all(where.file or where.field for where in placed.values())


def test_every_picture_that_was_read_is_in_the_manifest(bench_run):
    files = bench_run.manifest["inputs"]["localisation"]["files"]
    kinds = {name.rsplit("-", 1)[1] for name in files if name.endswith(".png")}
    assert kinds == {"dna.png", "her2.png", "cells.png", "nuclei.png"}
    assert len(files) == 1 + 4 * 12


def test_tables_of_curves_have_units_statistics_and_whole_sentences(bench_run):
    page = (bench_run.out / "report.html").read_text("utf-8")
    assert "IC50, µg/ml" in page
    assert "ug/ml" not in page
    assert "t = 2.03 on 6.0 df" in page
    assert "Experiments are not named: the intervals cover wells, not repeats." in page
    assert "A204: experiments not named, 36 wells" in page


def test_a_place_in_the_study_file_stays_as_it_is(tmp_path):
    copy_template(tmp_path / "study", "bench")
    file = tmp_path / "study" / "study.toml"
    file.write_text(file.read_text("utf-8").replace("washout_hours = 72\n", ""), encoding="utf-8")
    told = walk_bench(sq.Study.read(file)).findings
    fields = {code: {one.where.field for one in told if one.code == code} for code in ("B220", "B231")}
    assert fields["B220"] == {"cultures.T.washout_hours", "cultures.TP.washout_hours"}
    assert fields["B231"] == {"assays.counts.role", "assays.sarcoma.role"}

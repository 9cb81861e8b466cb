"""What the bench's tables say of how values were made: averaged doses, washouts, growth, missing rates; every test."""

import csv
import io
import json
import math

import numpy as np
import pytest

import sequela as sq
from sequela.core.errors import DataError
from sequela.core.readings import Readings
from sequela.estimates.experiments import against_reference, anova

HEAD = """
[study]
wing = "bench"
title = "Cultures"
question = "Does it invade?"

[agents.drug]
label = "the drug"
target = "X"
molar_mass = 1000

[agents.old]
target = "X"
molar_mass = 1000

[cultures.A]
[cultures.B]
{history}
[cultures.C]
"""
GROWTH = """
[assays.growth]
kind = "growth"
file = "growth.csv"

[assays.invasion]
kind = "invasion"
file = "invasion.csv"
{hours}

[[analyses]]
kind = "compare"
id = "invaded"
title = "Invaded"
assay = "invasion"
response = "invasion"
per_growth = "growth"
"""
WELLS = """
[assays.wells]
kind = "viability"
file = "wells.csv"
dose_unit = "nM"
{medium}

[[analyses]]
kind = "compare"
id = "compared"
title = "Compared"
assay = "wells"
{analysis}
"""


def save(path, name, rows):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    (path / name).write_text(out.getvalue(), encoding="utf-8")


def invasion(path, *, hours="hours = 24", lost=None):
    """A doubles once a day, B and C twice; every culture invades 20 cells a field, in three experiments."""
    growth = [("experiment", "culture", "hours", "value")]
    inserts = [("experiment", "culture", "insert", "field", "value")]
    for e in "123":
        for culture, rate in (("A", 1), ("B", 2), ("C", 2)):
            wobble = 1 + 0.01 * int(e)
            if (culture, e) != lost:
                growth += [
                    (e, culture, h, f"{1000 * wobble * 2 ** (rate * h / 24):.1f}") for h in (0, 24, 48)
                ]
            inserts += [(e, culture, "1", f, f"{(20 + f) * wobble:.2f}") for f in (-1, 0, 1)]
    save(path, "growth.csv", growth)
    save(path, "invasion.csv", inserts)
    (path / "study.toml").write_text(HEAD.format(history="") + GROWTH.format(hours=hours), encoding="utf-8")
    return sq.Study.read(path)


def test_invasion_is_divided_by_growth_over_its_hours(tmp_path):
    """Over 24 h A doubles once and B twice: 20 cells become 10 and 5; the undivided means stand below."""
    (content,) = sq.run(invasion(tmp_path)).contents
    assert [level.mean for level in content.levels] == pytest.approx([10.2, 5.1, 5.1], rel=1e-3)
    assert content.comparisons.recommended[0].effect.value == pytest.approx(0.5, rel=1e-3)
    assert "undivided means: A 20.4, B 20.4, C 20.4" in content.notes[0]


def test_a_rate_that_is_lent_is_named(tmp_path):
    (content,) = sq.run(invasion(tmp_path, lost=("B", "2"))).contents
    assert any("B in 2" in note for note in content.notes)


def test_growth_without_hours_of_the_assay_is_refused(tmp_path):
    with pytest.raises(DataError, match="B261") as fault:
        sq.run(invasion(tmp_path, hours=""))
    assert "hours" in fault.value.findings[0].remedy


def wells(path, analysis="dose = 10", *, history="", medium="", doses=(0, 1, 10)):
    """Viability of A 0.5, B 0.65, C 0.55 at every dose, a day's factor on each, three wells."""
    rng = np.random.default_rng(8)
    rows = [("experiment", "plate", "culture", "agent", "dose", "value")]
    for e in "12345":
        day = rng.normal(0, 0.15)
        for culture, level in (("A", 0.5), ("B", 0.65), ("C", 0.55)):
            share = level * math.exp(day + rng.normal(0, 0.04))
            for dose in doses:
                for _ in range(3):
                    value = (share if dose else 1.0) * (1 + rng.normal(0, 0.01))
                    rows.append((e, f"p{e}", culture, "drug", dose, f"{value:.5f}"))
    save(path, "wells.csv", rows)
    text = HEAD.format(history=history) + WELLS.format(analysis=analysis, medium=medium)
    (path / "study.toml").write_text(text, encoding="utf-8")
    return sq.Study.read(path)


def test_averaged_doses_are_named(tmp_path):
    (content,) = sq.run(wells(tmp_path, "")).contents
    assert any("2 doses are averaged" in note for note in content.notes)
    assert not sq.run(wells(tmp_path)).contents[0].notes


LIVED = 'history = [{ agents = "old", dose = 1, unit = "uM", days = 60, why = "pre-exposure" }]'


@pytest.mark.parametrize(
    ("history", "medium", "said"),
    [
        (LIVED, "", "nothing says how long it was washed out"),
        (f'{LIVED}\nwashout_hours = "unknown"', "", "(unknown)"),
        (
            LIVED,
            'medium = [{ culture = "B", agents = "old", dose = 2, unit = "ug/ml" }]',
            "2 ug/ml = 2e+03 nM",
        ),
    ],
)
def test_what_may_be_left_in_the_medium_stands_below_the_table(tmp_path, history, medium, said):
    """The dosed agent is known from the rows alone; a washout that is told leaves nothing to say."""
    result = sq.run(wells(tmp_path, history=history, medium=medium), out=tmp_path / "out")
    assert any(said in note for note in result.contents[0].notes)
    assert said in (tmp_path / "out" / "report.html").read_text("utf-8").replace("&#39;", "'")
    told = sq.run(wells(tmp_path, history=f"{LIVED}\nwashout_hours = 72"))
    assert not told.contents[0].notes


@pytest.mark.parametrize("test", ["paired", "welch", "student", "mixed", "permutation"])
@pytest.mark.parametrize("paper", ["student", "welch"])
def test_every_test_through_a_study_file(tmp_path, test, paper):
    """The sidecar holds the library's numbers: raw and adjusted p of both tests, df, n, stars."""
    more = f'dose = 10\ntest = "{test}"\npaper_test = "{paper}"\nstars = "sepher"\nadjust = "holm"'
    result = sq.run(wells(tmp_path, more), out=tmp_path / "out")
    told = json.loads((tmp_path / "out" / "data" / "compared-tests.json").read_text("utf-8"))
    frame = result.walk.frames["wells"].filter(dose=10.0)
    readings = Readings(frame["relative"], frame["culture"], frame["experiment"])
    for key, name, how in (("recommended", test, "holm"), ("paper", paper, "none")):
        found = against_reference(readings, "A", test=name, adjustment=how)
        assert [one["p"] for one in told[key]] == pytest.approx([one.effect.p for one in found], rel=1e-9)
        assert [one["p_adjusted"] for one in told[key]] == pytest.approx(
            [one.adjusted for one in found], rel=1e-9
        )
        assert [one["n_experiments"] for one in told[key]] == [[5, 5], [5, 5]]
        assert [one["n_readings"] for one in told[key]] == [[15, 15], [15, 15]]
    overall = anova(readings, blocked=test in ("paired", "mixed"))
    assert told["overall"]["p"] == pytest.approx(overall.p, rel=1e-9)
    if test == "permutation":
        assert told["recommended"][0]["smallest_p_possible"] == 1 / 16


def test_stars_of_every_scheme(tmp_path):
    drawn = {}
    for scheme in ("usual", "sepher", "prism", "none"):
        result = sq.run(wells(tmp_path, f'dose = 10\nstars = "{scheme}"'))
        drawn[scheme] = [group.above for group in result.contents[0].groups]
        p = result.contents[0].comparisons.recommended[0].adjusted
    assert 0.0001 < p < 0.001
    assert [drawn[scheme][1] for scheme in drawn] == ["***", "**", "***", ""]


def test_a_paper_may_have_tested_plain_percentages(tmp_path):
    more = 'dose = 10\npaper_test = "student"\npaper_scale = "linear"'
    result = sq.run(wells(tmp_path, more), out=tmp_path / "out")
    frame = result.walk.frames["wells"].filter(dose=10.0)
    readings = Readings(frame["relative"], frame["culture"], frame["experiment"])
    found = against_reference(readings, "A", test="student", scale="linear", adjustment="none")
    told = json.loads((tmp_path / "out" / "data" / "compared-tests.json").read_text("utf-8"))
    assert [one["p"] for one in told["paper"]] == pytest.approx([one.effect.p for one in found])
    assert told["paper"][0]["effect"] == "B − A"
    assert told["recommended"][0]["effect"] == "B / A"
    heads = {column.spanner for column in result.tables["compared"].columns}
    assert "As in a paper: Student t on experiments of differences" in heads

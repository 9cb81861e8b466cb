"""What leaves the house gives no small count away: not in a cell, not by subtraction, not in a file."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

import sequela as sq
from sequela.core.wording import Few, number
from sequela.report.content import GroupSurvival
from sequela.report.disclosure import _group, coarse, in_words, protected
from tests.conftest import NOW

K = 5
COUNTED = re.compile(r"n|Events|Patients|Before|Not met|Undecided|Kept|.*\(n = .*\)")


def small(study):
    """The study with the option, described by all five groups: two of them and many cells are small."""
    kept = study.report.model_copy(update={"smallest_cell": K})
    first = next(one for one in study.analyses if one.id == "table-3")
    wide = first.model_copy(update={"id": "wide", "groups": ()})
    return study.model_copy(update={"report": kept, "analyses": (*study.analyses, wide)})


@pytest.fixture(scope="module")
def released(sepher_study, tmp_path_factory):
    study = small(sepher_study)
    return sq.run(study, tmp_path_factory.mktemp("release") / "out", now=NOW)


def texts(out: Path):
    kinds = {".html", ".csv", ".json", ".svg"}
    return {path: path.read_text("utf-8") for path in sorted(out.rglob("*")) if path.suffix in kinds}


@given(st.integers(0, 10**6), st.integers(2, 25))
def test_a_count_is_nothing_few_or_rounded(n, k):
    said = protected(n, k)
    if n == 0:
        assert said == 0 and not isinstance(said, Few)
    elif n < k:
        assert isinstance(said, Few) and str(said) == f"{said}" == f"{said:,}" == number(said, 0) == f"<{k}"
    else:
        assert said % k == 0 and abs(said - n) <= k / 2 and said >= k


def test_counts_in_sentences():
    assert in_words("the cohort (n = 371)", 5) == "the cohort (n = 370)"
    assert (
        in_words("Not known: ki67 missing (63); ihc missing (2).", 5)
        == "Not known: ki67 missing (65); ihc missing (<5)."
    )
    assert in_words("at 1.5 (2 to 3), p (0.04)", 5) == "at 1.5 (2 to 3), p (0.04)"


@given(st.lists(st.tuples(st.integers(1, 3000), st.booleans()), min_size=5, max_size=120), st.integers(2, 11))
def test_coarse_curves_hold_rounded_counts_on_whole_months(rows, k):
    exit, state = np.array([row[0] for row in rows]), np.array([row[1] for row in rows]).astype(int)
    curve = sq.kaplan_meier(sq.Times(exit, state))
    shown = coarse(curve, k, "month")
    months = shown.time / 30.4375
    assert np.allclose(months, np.round(months))
    for name in ("events", "censored"):
        so_far = np.cumsum(getattr(shown, name))
        assert np.all(so_far % k == 0)
        true = np.array([getattr(curve, name)[curve.time <= t].sum() for t in shown.time])
        assert np.all(np.abs(so_far - true) < k)
    assert np.all(shown.at_risk % k == 0) and np.all(np.diff(shown.at_risk) <= 0)
    assert np.array_equal(shown.survival, np.round(shown.survival, 2))
    until = [*shown.time[1:] - 1, curve.time[-1]][: len(shown.time)]
    for t, end, s in zip(shown.time, until, shown.survival, strict=True):
        assert curve.at(end).value - 0.0051 <= s <= curve.at(t).value + 0.0051
    if len(shown.time):
        assert curve.at_risk[np.searchsorted(curve.time, shown.time[-1], side="right") - 1] >= 1


def test_no_patient_and_no_list_leaves(released, sepher):
    names = {path.name for path in released.out.rglob("*")}
    assert not names & {"checks.html", "analysis.csv", "adtte.csv", "adtte.xpt", "lines.csv", "endpoints.csv"}
    words = {word for text in texts(released.out).values() for word in re.findall(r"[\w-]+", text)}
    assert not words & set(sepher.people.frame["patient"])
    record = json.loads((released.out / "run.json").read_text())
    assert record["smallest_cell"] == K and record["inputs"] == {}


def test_every_printed_count_follows_the_rule(released):
    few = 0
    for path, text in texts(released.out).items():
        for n in re.findall(r"n = ([\d,]+)", text):
            assert int(n.replace(",", "")) % K == 0, (path.name, n)
        if path.suffix == ".csv" and path.parent.name == "tables":
            rows = list(csv.reader(line for line in text.splitlines() if not line.startswith("#")))
            for place, head in enumerate(rows[0]):
                cells = [row[place].split(" (")[0] for row in rows[1:]] if COUNTED.fullmatch(head) else []
                counts = [cell for cell in cells if re.fullmatch(r"<?\d+", cell)]
                few += counts.count(f"<{K}")
                if "median" not in rows[1][1] and head.split(" (n")[0] not in ("", "label"):
                    ages = {row[place].split(" (")[0] for row in rows[1:] if "median" in row[1]}
                    assert all(c == f"<{K}" or int(c) % K == 0 for c in counts if c not in ages), (
                        path.name,
                        head,
                        counts,
                    )
    assert few > 10, "the study has small cells, or this test tests nothing"


def test_files_hold_no_more_digits_than_are_printed(released):
    """An exact p or ratio gives an exact table back."""
    for path, text in texts(released.out).items():
        if path.suffix == ".csv":
            assert not re.findall(r"\d\.\d{5,}", text), path.name


def test_at_risk_events_and_censored_are_rounded_at_every_tick(released):
    found = sorted((released.out / "figures").glob("*-at-risk.csv"))
    assert found
    for path in found:
        rows = [line for line in path.read_text().splitlines() if not line.startswith("#")]
        for row in csv.DictReader(rows):
            assert all(float(row[name]) % K == 0 for name in ("at_risk", "censored", "events")), path.name


def test_an_attacker_with_all_sums_cannot_pin_a_small_count(released, sepher_run):
    """Levels add up to their group, groups to the whole, in truth: what do all printed intervals leave of each `<5`?"""
    wide = next(table for name, table in released.tables.items() if name == "wide")
    sizes = [
        int(re.search(r"n = (\d+)", column.label)[1]) for column in wide.columns if "(n = " in column.label
    ]
    blocks, block = [], []
    for row in wide.rows:
        if row.kind == "group":
            blocks.append(block)
            block = []
        elif row.cells[0].text:
            block.append([cell.text.split(" (")[0] for cell in row.cells[: len(sizes)]])
    blocks = [one for one in [*blocks, block] if one]
    pinned = hidden = 0
    for block in blocks:
        cells = np.array([bounds(text) for row in block for text in row], float)
        levels, groups = len(block), len(sizes)
        sums = np.zeros((groups, levels * groups))
        for group in range(groups):
            sums[group, group::groups] = 1
        low, high = np.array([bounds(str(size)) for size in sizes], float).T
        matrix, limit = np.vstack([sums, -sums]), np.concatenate([high, -low])
        for at, text in enumerate(cell for row in block for cell in row):
            if text != f"<{K}":
                continue
            hidden += 1
            aim = np.eye(levels * groups)[at]
            least, most = (
                sign * linprog(sign * aim, matrix, limit, bounds=cells, method="highs").fun
                for sign in (1, -1)
            )
            pinned += np.ceil(least - 1e-9) >= np.floor(most + 1e-9)
    assert hidden > 10 and pinned == 0


def bounds(text):
    if text == f"<{K}":
        return 1, K - 1
    n = int(text)
    return (0, 0) if n == 0 else (n - K / 2, n + K / 2)


def test_small_terms_and_groups_have_no_ratio_and_no_curve(released):
    for table in released.tables.values():
        heads = [column.label for column in table.columns]
        for row in table.rows if "Events" in heads and any("HR" in head for head in heads) else ():
            if row.cells and f"<{K}" in {
                row.cells[heads.index("n")].text,
                row.cells[heads.index("Events")].text,
            }:
                assert not any(re.match(r"\d+\.\d", cell.text) for cell in row.cells), row


def test_without_the_option_nothing_changes(sepher_run):
    assert (sepher_run.out / "checks.html").is_file()
    assert sepher_run.attrition.rows[0].cells[0].text == "555"


def test_the_verb_writes_beside_the_full_report(tmp_path):
    from click.testing import CliRunner

    from sequela.cli import sequela
    from sequela.cli.examples import copy_template

    copy_template(tmp_path / "mine")
    told = CliRunner().invoke(
        sequela, ["run", str(tmp_path / "mine"), "--smallest-cell", "11", "--exit-zero"]
    )
    assert told.exit_code == 0, told.output
    page = (tmp_path / "mine" / "release" / "report.html").read_text()
    assert "&lt;11" in page and "k = 11" in page and not (tmp_path / "mine" / "out").exists()


def test_a_coarse_curve_is_not_late():
    """Between two steps stands the mean: the median of many patients keeps its place, within a step and a month."""
    rng = np.random.default_rng(5)
    lags = []
    for _ in range(40):
        days = rng.exponential(900, 110)
        curve = sq.kaplan_meier(sq.Times(exit=np.ceil(days), state=rng.random(110) < 0.7))
        known, shown = curve.median().value, coarse(curve, K, "month").median().value
        lags.append((shown - known) / 30.4375)
    assert abs(np.mean(lags)) < 0.8, np.mean(lags)


def test_a_median_beyond_the_end_of_a_short_curve_is_not_called_not_reached():
    """Eight patients, seven of whom die: the curve ends at the fourth, the median lies behind it."""
    days = 30.4375 * np.array([2, 4, 6, 8, 30, 31, 32, 33])
    curve = sq.kaplan_meier(sq.Times(exit=np.ceil(days), state=[0, 0, 0, 0, 1, 1, 1, 1]))
    group = GroupSurvival("A", curve, curve.median(), curve.median(), (), np.zeros(0))
    kept = _group(group, (), K, "month")
    assert not np.isnan(group.median.value) and np.isnan(kept.median.value)
    assert kept.median.reason == "not shown: fewer than 5 at risk"


def test_no_empty_list_stands_for_one_that_was_left_out(ovarian_study, tmp_path):
    """An empty list of disagreements would say that there are none; bars and table give one percentage."""
    kept = ovarian_study.report.model_copy(update={"smallest_cell": K})
    few = [one for one in ovarian_study.analyses if one.id in ("charted", "lines")]
    result = sq.run(
        ovarian_study.model_copy(update={"report": kept, "analyses": tuple(few)}), tmp_path / "out", now=NOW
    )
    assert "charted" in result.tables and "charted-disagreements" not in result.tables
    shares = [row.cells[0].text for row in result.tables["lines-per-patient"].rows]
    svg = (tmp_path / "out" / "figures" / "lines-per-patient.svg").read_text("utf-8")
    assert all(f">{share}<" in svg for share in shares if "%" in share)

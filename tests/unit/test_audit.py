"""The audit of the two demo studies, its page and its files."""

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sequela.audit.verdict import design_verdicts, estimates, numbers
from sequela.cli.codes import catalogue
from sequela.cli.examples import copy_example
from sequela.core.errors import StudyError
from sequela.core.estimate import Estimate
from sequela.report.audit_page import figure_table, summary_table
from sequela.report.figures.lexis import Lives, lexis
from sequela.study.model import Study
from sequela.walk.audit_outputs import as_dict, write_audit
from sequela.walk.auditing import audit, main_first


@pytest.fixture(scope="module")
def sepher_audit(sepher):
    return audit(sepher, banner="Simulated patients")


@pytest.fixture(scope="module")
def ovarian_audit(ovarian):
    return audit(ovarian)


def verdicts(found):
    return {verdict.code: verdict for verdict in found.audit.verdicts}


def test_the_main_comparison_is_the_one_whose_clock_starts_too_early(sepher_study, ovarian_study):
    assert next(clock.endpoint for clock in main_first(sepher_study)) == "os"
    assert next(clock.endpoint for clock in main_first(ovarian_study)) == "os"
    assert {clock.endpoint for clock in main_first(sepher_study)} == {"os", "os_t_dm1", "pfs1", "pfs2"}


def test_sepher_cannot_be_answered(sepher_audit):
    found = verdicts(sepher_audit)
    failed = {code for code, verdict in found.items() if verdict.verdict == "fail"}
    assert {"GT001", "GT002", "A101", "A102", "A111", "A112", "A121", "A122", "A123", "A131"} <= failed
    assert sepher_audit.audit.unanswerable == found["A123"].sentence
    assert "cannot be answered in these data" in sepher_audit.audit.unanswerable
    assert sepher_audit.audit.arms == ("T → T-DM1", "P+T → T-DM1")


def test_figures_agree_with_the_people(sepher, sepher_audit):
    """Medians of entry and shares before availability, worked out again from the table of patients."""
    found = verdicts(sepher_audit)
    frame = sepher.people.frame
    for place, arm in enumerate(sepher_audit.audit.arms):
        mine = frame.filter(frame["sequence"] == arm)
        wait = (mine["start[2]"] - mine["@metastatic"]).to_numpy() / 30.4375
        assert found["A101"].figures[1].values[place] == pytest.approx(np.median(wait))
        used = sepher.registry.used
        first = used.filter(used["agent"] == "pertuzumab")["start"].min()
        before = (mine["@metastatic"].to_numpy() < first).mean()
        assert found["A121"].figures[0].values[place] == pytest.approx(before)
        assert (
            found["A123"].figures[0].values[place]
            == mine.height - (mine["@metastatic"].to_numpy() < first).sum()
        )


def test_naive_hazard_ratio_is_that_of_the_corrections(sepher_audit):
    mine = next(one for one in sepher_audit.corrections if one.groups == sepher_audit.audit.arms)
    naive = mine.rows[0].hazard_ratio.value
    shown = {figure.label: figure.values[0] for figure in verdicts(sepher_audit)["A151"].figures}
    assert shown["Hazard ratio as asked, patients independent"] == pytest.approx(naive, rel=1e-9)


def test_ovarian_has_no_calendar(ovarian_audit):
    apart = {code for code, v in verdicts(ovarian_audit).items() if v.verdict == "not applicable"}
    assert apart == {"A111", "A121", "A123", "A172"}
    assert "calendar dates" in verdicts(ovarian_audit)["A121"].sentence
    assert ovarian_audit.audit.unanswerable is None
    assert ovarian_audit.lexis is None


def test_every_code_is_explained_and_every_verdict_says_something(sepher_audit, ovarian_audit):
    for found in (sepher_audit, ovarian_audit):
        for code, verdict in verdicts(found).items():
            assert code in catalogue()
            assert verdict.sentence
            assert verdict.verdict == "not applicable" or verdict.reference
            assert all(len(figure.values) == len(figure.texts) in (1, 2) for figure in verdict.figures), code


def test_every_audit_code_is_in_the_manual():
    manual = (Path(__file__).parents[2] / "docs" / "audit.md").read_text("utf-8")
    assert [code for code in catalogue() if re.fullmatch(r"A1\d\d", code) and f"`{code}`" not in manual] == []


def test_the_page_says_it_first_and_opens_alone(sepher, sepher_audit, tmp_path):
    page = write_audit(sepher, sepher_audit, tmp_path, "Simulated patients").read_text("utf-8")
    assert page.index("cannot be answered in these data") < page.index("Among patients with HER2-positive")
    assert page.count("Simulated patients") >= 2
    assert not re.findall(r'(?:src|href)="https?://', page)
    for code, verdict in verdicts(sepher_audit).items():
        assert f'id="{code.lower()}"' in page, verdict
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        f"{name}.{kind}"
        for name in ("lexis", "each-correction", "variants-pfs2-1", "variants-pfs1-2")
        for kind in ("svg", "png", "pdf", "csv")
    }
    told = json.loads((tmp_path / "audit.json").read_text("utf-8"))
    assert told == json.loads(json.dumps(as_dict(sepher_audit)))
    assert len(told["tests"]) == len(sepher_audit.ledger.entries)


def test_an_audit_is_repeatable(sepher, sepher_audit, tmp_path):
    again = audit(sepher, banner="Simulated patients")
    first = write_audit(sepher, sepher_audit, tmp_path / "a", None).read_bytes()
    assert write_audit(sepher, again, tmp_path / "b", None).read_bytes() == first


def test_the_ledger_counts_what_the_report_prints(sepher_run, sepher_audit):
    cox = [entry for entry in sepher_audit.ledger.entries if entry.analysis == "cox-os"]
    table = sepher_run.tables["cox-os"]
    printed = [
        cell for row in table.rows for cell in row.cells if cell.value is not None and cell.text[:1] in "<01"
    ]
    assert {round(entry.p, 12) for entry in cox} <= {round(cell.value, 12) for cell in printed}


def test_a_study_without_comparison_is_refused(sepher_study):
    alone = sepher_study.model_copy(update={"analyses": ()})
    with pytest.raises(StudyError) as fault:
        main_first(alone)
    assert fault.value.findings[0].code == "A100"


def test_tables_of_figures():
    (verdict,) = [v for v in design_verdicts(()) if v.code == "GT001"]
    assert verdict.verdict == "pass"
    mixed = dataclasses.replace(verdict, figures=(numbers("a", [1, 2]), numbers("b", [3])))
    table = figure_table(mixed, ("A", "B"))
    assert [column.label for column in table.columns] == ["A", "B", "Together"]
    assert [[cell.text for cell in row.cells] for row in table.rows] == [["1.0", "2.0", ""], ["", "", "3.0"]]


def test_an_estimate_that_does_not_exist_says_why():
    figure = estimates("median", [Estimate("median", float("nan"), reason="median not reached")])
    assert figure.values == (None,)
    assert figure.texts == ("median not reached",)


def test_the_summary_holds_what_did_not_pass_and_the_gravest_first(sepher_audit):
    rows = summary_table(sepher_audit.audit).rows
    words = [row.cells[0].text for row in rows]
    assert words == sorted(words)  # Failed before Warning
    assert len(rows) == sepher_audit.audit.count("fail") + sepher_audit.audit.count("warn")


def test_the_lexis_plot_carries_its_numbers(sepher_audit):
    drawn = sepher_audit.lexis
    assert len(drawn.data["arm"]) == 371
    assert drawn.banner == "Simulated patients"
    assert all(s <= x for s, x in zip(drawn.data["settled_months"], drawn.data["exit_months"], strict=True))
    lives = Lives("A", np.array([2010.0]), np.array([3.0]), np.array([9.0]), np.array([True]))
    assert lexis([lives], []).data["origin_year"] == [2010.0]


def test_the_verb_ends_with_one_when_a_check_fails(tmp_path):
    study = copy_example("sepher", tmp_path / "study")
    command = [str(Path(sys.executable).with_name("sequela")), "audit", str(study)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("The question cannot be answered in these data")
    assert (study / "audit" / "audit.html").is_file()
    calm = subprocess.run([*command, "--exit-zero", "--json"], capture_output=True, text=True, check=False)
    assert calm.returncode == 0
    assert json.loads(calm.stdout)["verdicts"][0]["code"] == "GT001"


def test_endpoints_with_entry_in_the_study_file_are_not_immortal(sepher_study, tmp_path):
    """The same study with `entry` at the moment of settling: nothing is settled later, and A101 passes."""
    from datetime import date

    from sequela.walk.path import walk

    directory = copy_example("sepher", tmp_path / "study")
    file = next(directory.glob("*.toml"))
    text = file.read_text("utf-8").replace(
        'origin = "metastatic.date"\n',
        'origin = "metastatic.date"\nentry = "line_of(trastuzumab_emtansine).start"\n',
    )
    file.write_text(text, "utf-8")
    found = verdicts(audit(walk(Study.read(directory), today=date(2026, 1, 1))))
    assert found["A101"].verdict == "pass"


def test_the_first_page_of_the_report_says_it_too(sepher_run, ovarian_run, sepher_audit):
    document = json.loads((sepher_run.out / "document.json").read_text("utf-8"))
    first = document["sections"][0]["blocks"][0]
    assert first["title"] == sepher_audit.audit.unanswerable
    document = json.loads((ovarian_run.out / "document.json").read_text("utf-8"))
    assert document["sections"][0]["blocks"][0]["block"] == "KeyNumbers"

"""Lines decided by hand, curative lines, early relapse, and rule sets that ask for progressions."""

import pytest

import sequela as sq
from sequela.cli import main
from sequela.cli.examples import copy_template
from sequela.core.errors import DataError, StudyError
from sequela.walk.explaining import explain_lines
from sequela.walk.path import walk
from tests.conftest import TODAY

HEAD = "patient,day,decision,user,date,reason\n"
SPLIT = "P01,2019-12-13,same line,Dr Rossi,2024-02-01,the switch was for toxicity\n"


@pytest.fixture
def template(tmp_path):
    copy_template(tmp_path / "s")
    return tmp_path / "s"


def edit(directory, old, new):
    file = directory / "study.toml"
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    return directory


def with_overrides(directory, text):
    edit(directory, 'index = "metastatic" ', 'overrides = "overrides.csv"\nindex = "metastatic" ')
    if text is not None:
        (directory / "overrides.csv").write_text(text, encoding="utf-8")
    return walk(sq.Study.read(directory), today=TODAY)


def lines_of(walked, patient):
    return walked.lines.sequences.table.filter(subject=patient)


def test_a_decision_is_followed_shown_and_counted(template, capsys):
    before = walk(sq.Study.read(template), today=TODAY)
    assert lines_of(before, "P01").height == 2
    text = (
        "# decided at the tumour board\n"
        + HEAD
        + SPLIT
        + "P02,1999-01-01,new line,Dr Rossi,2024-02-01,no such day\n"
    )
    walked = with_overrides(template, text)
    assert lines_of(walked, "P01").height == 1
    assert walked.overrides[0].line == 3
    found = {finding.code: finding for finding in walked.findings if finding.code in ("C320", "C321")}
    assert "Dr Rossi, 2024-02-01" in found["C320"].found and found["C320"].where.line == 3
    assert found["C321"].where.patient == "P02"
    assert explain_lines(walked, "P01").lines[0].given[-1].rule == "override: same line"
    with pytest.raises(SystemExit):
        main(["explain-lines", "P01", str(template)])
    printed = capsys.readouterr().out
    assert (
        "Decided by hand: same line on 2019-12-13: the switch was for toxicity (Dr Rossi, 2024-02-01)"
        in printed
    )
    assert "Lines: 1 (0 curative + 1 palliative)" in printed


@pytest.mark.parametrize(
    ("text", "fault", "code", "says"),
    [
        (None, StudyError, "S127", "does not exist"),
        ("patient,day,decision\n", StudyError, "S127", "user, date, reason"),
        (HEAD + "P01,2019-12-13,same line,,2024-02-01,why\n", DataError, "C319", "says no user"),
        (HEAD + "P01,13.12.2019,same line,me,2024-02-01,why\n", DataError, "C319", "cannot be read"),
        (HEAD + "P01,2019-12-13,joined,me,2024-02-01,why\n", DataError, "C319", "unknown decision"),
        (HEAD + SPLIT + SPLIT, DataError, "C319", "second decision"),
    ],
)  # fmt: skip
def test_a_decision_that_nobody_answers_for_is_refused(template, text, fault, code, says):
    with pytest.raises(fault) as found:
        with_overrides(template, text)
    assert code in str(found.value) and says in str(found.value)


def test_curative_lines_and_early_relapse(template):
    """P01's index is 2018-05-21: six months before it are 183 days."""
    rows = (
        "P01,trastuzumab,2017-01-10,2018-01-10,completed\n"  # 131 days before
        "P02,trastuzumab,2016-10-01,2017-09-30,completed\n"  # index 2018-04-29: 211 days
        "P03,docetaxel,2016-05-01,2016-09-01,completed\n"  # no anti-HER2 drug
    )
    file = template / "data" / "treatments.csv"
    file.write_text(file.read_text("utf-8") + rows, encoding="utf-8")
    walked = walk(sq.Study.read(template), today=TODAY)
    found = walked.people.frame.filter(walked.people.frame["patient"].is_in(["P01", "P02", "P03", "P04"]))
    assert found["curative_lines"].to_list() == [1, 1, 1, 0]
    assert found["early_relapse"].to_list() == ["yes", "no", None, None]
    assert explain_lines(walked, "P01").curative == 1


def test_early_relapse_can_be_asked_for(template):
    edit(template, 'where = "lines >= 1"', "where = 'lines >= 1 and not early_relapse == \"yes\"'")
    assert sq.Study.read(template).cohort[0].name


def test_a_rule_set_that_needs_progressions_says_so(template):
    rules = template / "own.toml"
    rules.write_text(
        'name = "own"\nversion = "1"\ntitle = "t"\nsource = "s"\n[progression]\nmode = "pd"\n',
        encoding="utf-8",
    )
    edit(template, 'rules = "her2-abc"  ', 'rules = "own.toml"  ')
    assert walk(sq.Study.read(template), today=TODAY).lines.sequences.rules.startswith("own 1")
    text = (template / "study.toml").read_text("utf-8")
    text = text.replace("[anchors.progression]", "[anchors.worse]").replace(
        '"progression.date"', '"worse.date"'
    )
    (template / "study.toml").write_text(text, encoding="utf-8")
    with pytest.raises(StudyError, match="S126"):
        walk(sq.Study.read(template), today=TODAY)

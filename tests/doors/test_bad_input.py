"""Each bad input gets one clear message, the right exit code, and leaves nothing half written."""

import pytest

import sequela as sq
from sequela.cli import main
from sequela.cli.examples import copy_template
from sequela.core.errors import SequelaError
from tests.doors.bad_inputs import BAD, make


def ids(bad):
    return bad.title


@pytest.mark.parametrize("bad", BAD, ids=ids)
def test_one_clear_message(bad, tmp_path):
    directory = make(bad, tmp_path / "study")
    with pytest.raises(SequelaError) as caught:
        sq.run(sq.Study.read(directory), directory / "out")
    assert caught.value.exit_code == bad.exit_code
    findings = [finding for finding in caught.value.findings if finding.severity == "error"]
    assert {finding.code for finding in findings} == {bad.code}
    for finding in findings:
        assert finding.message
        assert finding.remedy
        assert finding.where.file or finding.where.field
        assert finding.found or finding.allowed or bad.code == "S104"
    assert not (directory / "out").exists()
    assert [path.name for path in directory.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("bad", [bad for bad in BAD if bad.code in ("R104", "S112", "C406")], ids=ids)
def test_the_command_ends_with_its_code_and_the_last_output_stays(bad, tmp_path, capsys):
    directory = copy_template(tmp_path / "study") and tmp_path / "study"
    with pytest.raises(SystemExit) as done:
        main(["run", str(directory)])
    assert done.value.code == 0
    before = {path: path.read_bytes() for path in (directory / "out").rglob("*") if path.is_file()}
    bad.spoil(directory)
    capsys.readouterr()
    with pytest.raises(SystemExit) as done:
        main(["run", str(directory)])
    assert done.value.code == bad.exit_code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"error {bad.code}")
    assert "next:" in printed.err
    assert {path: path.read_bytes() for path in (directory / "out").rglob("*") if path.is_file()} == before


def test_a_patient_without_rows_is_a_finding_not_an_error(tmp_path):
    directory = copy_template(tmp_path / "study") and tmp_path / "study"
    path = directory / "data" / "patients.csv"
    path.write_text(path.read_text("utf-8") + "P99,C1,50,0,no,2015-01-01,2016-01-01\n", encoding="utf-8")
    result = sq.run(sq.Study.read(directory))
    found = {finding.code: finding for finding in result.findings if finding.where.patient == "P99"}
    assert set(found) == {"C317", "C346"}  # no treatment, and nobody has seen the patient again
    finding = found["C317"]
    assert (finding.code, finding.severity) == ("C317", "note")
    assert result.attrition.rows[1].cells[1].value == 1


def test_misspelt_key_names_the_line_and_the_nearest_key(tmp_path):
    bad = next(bad for bad in BAD if bad.code == "S103")
    directory = make(bad, tmp_path / "study")
    with pytest.raises(SequelaError) as caught:
        sq.Study.read(directory)
    (finding,) = caught.value.findings
    line = (directory / "study.toml").read_text("utf-8").splitlines()[finding.where.line - 1]
    assert line.startswith("lookback_day ")
    assert "did you mean `lookback_days`?" in finding.message

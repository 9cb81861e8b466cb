"""What a run leaves on disk: whole or not at all, nothing of others lost, equal runs equal bytes."""

import hashlib
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

import sequela as sq
from sequela.core.errors import DataError, UsageError
from sequela.records.writing import replace_directory

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def tree(directory):
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


@pytest.fixture
def study(sepher_study, sepher_run, tmp_path):
    """The SePHER study with a complete run, in a directory of its own."""
    shutil.copytree(Path(sepher_study.path).parent, tmp_path / "s")
    return sq.Study.read(tmp_path / "s")


def test_manifest_lists_every_output_with_its_hash(sepher_run):
    record = json.loads((sepher_run.out / "run.json").read_text("utf-8"))
    files = {
        name: hashlib.sha256(data).hexdigest()
        for name, data in tree(sepher_run.out).items()
        if name != "run.json"
    }
    assert record["outputs"] == files
    assert record["study"]["sha256"] == sepher_run.walk.study.sha256
    assert {name for source in record["inputs"].values() for name in source["files"]} >= {"data/patients.csv"}


def test_equal_runs_give_equal_bytes(study, sepher_run):
    again = sq.run(study, Path(study.path).parent / "again", now=NOW)
    old, new = tree(sepher_run.out), tree(again.out)
    assert set(old) == set(new)
    same = {name for name in old if old[name] == new[name]}
    # The study's path stands in these three; everything else is equal to the byte.
    assert set(old) - same <= {
        "run.json",
        "report.html",
        "document.json",
        "checks.html",
        "data/treatments-without-a-line.csv",
    }


def test_files_of_others_in_the_output_directory_are_kept(study):
    out = Path(study.path).parent / "out"
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    sq.run(study, out, now=NOW)
    assert (out / "notes.txt").read_text("utf-8") == "mine"
    assert (out / "report.html").is_file()


def test_a_directory_that_no_run_made_is_refused(study, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.docx").write_text("years of work", encoding="utf-8")
    with pytest.raises(UsageError, match="X107"):
        sq.run(study, tmp_path / "thesis", now=NOW)
    assert tree(tmp_path / "thesis") == {"chapter.docx": b"years of work"}


def test_a_run_that_fails_leaves_the_last_one_untouched(study):
    base = Path(study.path).parent
    before = tree(base / "out")
    text = Path(study.path).read_text("utf-8")
    Path(study.path).write_text(text.replace('at = "death.date"', 'at = "surgery.date"'), encoding="utf-8")
    with pytest.raises(DataError, match="no events"):
        sq.run(sq.Study.read(base), base / "out", now=NOW)
    assert tree(base / "out") == before
    assert [path.name for path in base.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError, ValueError])
def test_an_interruption_while_writing_leaves_nothing_half_done(tmp_path, fault):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old.txt").write_text("old", encoding="utf-8")

    def interrupted():
        with replace_directory(tmp_path / "out") as aside:
            (aside / "new.txt").write_text("new", encoding="utf-8")
            raise fault

    with pytest.raises(fault):
        interrupted()
    assert tree(tmp_path) == {"out/old.txt": b"old"}


def test_report_is_laid_out_again_without_computing(study):
    from sequela.walk.outputs import render_again

    out = Path(study.path).parent / "out"
    before = (out / "report.html").read_bytes()
    (out / "report.html").unlink()
    assert render_again(out).read_bytes() == before
    with pytest.raises(UsageError, match="no run"):
        render_again(out / "figures")

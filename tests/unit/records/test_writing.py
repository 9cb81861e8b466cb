"""Nothing half written: the old output stays until the new one is complete."""

import pytest

from sequela.records.writing import replace_directory, replace_file


def test_a_file_is_replaced(tmp_path):
    path = tmp_path / "a.txt"
    replace_file(path, b"one")
    replace_file(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_stays(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    replace_file(path, b"one")

    def full(_):
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        replace_file(path, b"two")
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_directory_appears_when_complete(tmp_path):
    out = tmp_path / "deep" / "out"
    with replace_directory(out) as aside:
        (aside / "report.html").write_text("x")
        assert not out.exists()
    assert [p.name for p in out.iterdir()] == ["report.html"]
    assert list(out.parent.iterdir()) == [out]


def test_nothing_of_the_old_directory_is_left(tmp_path):
    out = tmp_path / "out"
    for name in ("old", "new"):
        with replace_directory(out) as aside:
            (aside / name).write_text(name)
    assert [p.name for p in out.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ValueError, SystemExit])
def test_an_interruption_leaves_the_last_complete_output(tmp_path, interruption):
    out = tmp_path / "out"
    with replace_directory(out) as aside:
        (aside / "report.html").write_text("complete")

    def half():
        with replace_directory(out) as aside:
            (aside / "report.html").write_text("half")
            raise interruption

    with pytest.raises(interruption):
        half()
    assert (out / "report.html").read_text() == "complete"
    assert list(tmp_path.iterdir()) == [out]


def test_a_failed_swap_puts_the_old_directory_back(tmp_path):
    out = tmp_path / "out"
    with replace_directory(out) as aside:
        (aside / "report.html").write_text("complete")

    def gone():
        with replace_directory(out) as aside:
            aside.rmdir()

    with pytest.raises(FileNotFoundError):
        gone()
    assert (out / "report.html").read_text() == "complete"
    assert list(tmp_path.iterdir()) == [out]


def test_a_file_is_not_replaced_by_a_directory(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("mine")
    with pytest.raises(NotADirectoryError), replace_directory(path):
        pass
    assert path.read_text() == "mine"


def test_a_link_to_a_directory_stays_a_link(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    with replace_directory(link) as aside:
        (aside / "new").write_text("new")
    assert link.is_symlink()
    assert (real / "new").read_text() == "new"

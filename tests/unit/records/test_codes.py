"""Every finding of reading has its long text and its line in the documentation."""

import re
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

PACKAGE = Path(str(files("sequela")))
DOCS = PACKAGE.parents[1] / "docs"
CODES = tomllib.loads((PACKAGE / "data" / "codes_records.toml").read_text("utf-8"))


def used(*paths):
    return {code for path in paths for code in re.findall(r'"([RD]\d{3})"', path.read_text("utf-8"))}


def test_codes_that_are_raised_are_explained_and_no_others():
    assert used(*(PACKAGE / "records").glob("*.py"), PACKAGE / "clinic" / "drugs.py") == set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_each_is_documented(code):
    assert set(CODES[code]) == {"title", "severity", "text", "remedy"}
    page = "records.md" if code.startswith("R") else "drugs.md"
    assert f"| {code} |" in (DOCS / page).read_text("utf-8")

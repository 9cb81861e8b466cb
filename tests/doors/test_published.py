"""The published analyses: the code of the page prints what it says, and that is what was printed before."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "published.md").read_text("utf-8")
NUMBER = re.compile(r"\d+(?:\.\d+)?")


@pytest.fixture(scope="module")
def printed() -> dict[str, list[str]]:
    """What each section prints, line by line; later sections use names of earlier ones."""
    found: dict[str, list[str]] = {}
    names: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        for section in PAGE.split("\n## ")[1:]:
            lines: list[str] = []
            names["print"] = lambda *values, lines=lines: lines.append(" ".join(map(str, values)))
            for code in re.findall(r"```python\n(.*?)```", section, re.S):
                exec(compile(code, "docs/published.md", "exec"), names)
            found[section.splitlines()[0]] = lines
    return found


def sections() -> dict[str, str]:
    return {section.splitlines()[0]: section for section in PAGE.split("\n## ")[1:]}


@pytest.mark.parametrize("title", sections())
def test_comments_say_what_is_printed(title: str, printed: dict[str, list[str]]) -> None:
    section = sections()[title]
    said = re.findall(r"^print\(.*?\)\s+# (.*)$", section, re.M)
    assert said
    for words in said:
        assert words in printed[title]


def rows() -> list[tuple[str, str, str, str]]:
    found = []
    for title, section in sections().items():
        for line in section.splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if (
                line.startswith("|")
                and len(cells) == 3
                and cells[1] != "printed"
                and not cells[1].startswith("--")
            ):
                found.append((title, *cells))
    return found


@pytest.mark.parametrize(("title", "what", "theirs", "ours"), rows())
def test_ours_is_what_was_printed(
    title: str, what: str, theirs: str, ours: str, printed: dict[str, list[str]]
) -> None:
    said = [float(number) for line in printed[title] for number in NUMBER.findall(line)]
    assert all(float(number) in said for number in NUMBER.findall(ours)), (
        f"{what}: not in what the code prints"
    )
    for old, new in zip(NUMBER.findall(theirs), NUMBER.findall(ours), strict=False):
        digits = len(old.partition(".")[2])
        assert round(float(new), digits) == float(old), what


def test_at_least_eight_analyses_have_a_printed_value() -> None:
    assert len(rows()) >= 20 and len({title for title, *_ in rows()}) >= 7

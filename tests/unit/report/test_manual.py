"""The manual's examples run, and it names every block, figure and code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sequela.report import document, figures

ROOT = Path(__file__).parents[3]
MANUAL = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", MANUAL, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_run(example: str) -> None:
    names: dict[str, object] = {}
    exec(compile(example, "docs/report.md", "exec"), names)
    assert {"page", "figure"} & names.keys()


def test_every_figure_and_every_block_is_named() -> None:
    drawn = ("kaplan_meier", "forest", "naive_and_corrected", "flow", "bars", "agreement", "swimmer")
    assert set(drawn) <= set(figures.__all__)
    blocks = [kind.__name__ for kind in document.Block.__args__]
    assert [name for name in (*drawn, *blocks) if f"`{name}`" not in MANUAL] == []


def test_every_code_is_explained() -> None:
    sources = (ROOT / "src" / "sequela" / "report" / "figures").glob("*.py")
    raised = {
        code for path in sources for code in re.findall(r'"(F\d{3})"', path.read_text(encoding="utf-8"))
    }
    assert raised
    assert raised == set(re.findall(r"^\| (F\d{3}) \|", MANUAL, re.MULTILINE))

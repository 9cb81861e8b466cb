"""The code of docs/estimates.md runs and prints what its comments say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "estimates.md"


def test_the_page_prints_what_it_says() -> None:
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL))
    said = [line.split("  # ", 1)[1].strip() for line in code.splitlines() if line.startswith("print(")]
    printed: list[str] = []
    names: dict[str, Any] = {"print": lambda value: printed.append(str(value))}
    exec(compile(code, str(PAGE), "exec"), names)
    assert printed == said

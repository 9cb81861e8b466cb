"""The catalogue of finding codes: what each means and what to do."""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from importlib.resources import files
from typing import Any, Final

from sequela.core.errors import UsageError
from sequela.core.finding import Finding

KEYS: Final = ("title", "severity", "text", "remedy")


def catalogue() -> dict[str, dict[str, Any]]:
    """Every code with `title`, `severity`, `text` and `remedy`, in order."""
    data = files("sequela") / "data"
    texts = [
        entry for entry in data.iterdir() if entry.name.startswith("codes") and entry.name.endswith(".toml")
    ]
    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        found |= tomllib.loads(text.read_text("utf-8"))
    # The catalogue of checks holds more of a rule than its words.
    return {code: {key: found[code][key] for key in KEYS} for code in sorted(found)}


def explain(code: str) -> str:
    """The long text of a code.

    Raises:
        UsageError: there is no such code.
    """
    known = catalogue()
    entry = known.get(code.upper())
    if entry is None:
        near = get_close_matches(code.upper(), known, 3) or sorted(known)
        raise UsageError(
            Finding(
                "X103",
                "error",
                f"there is no code `{code}`",
                allowed=", ".join(near),
                remedy="give the code that a finding starts with, such as GT002",
            )
        )
    title = f"{code.upper()}  {entry['title']}  ({entry['severity']})"
    return f"{title}\n\n{entry['text'].strip()}\n\nWhat to do: {entry['remedy'].strip()}"

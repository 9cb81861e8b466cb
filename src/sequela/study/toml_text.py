"""Values as TOML writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any


def key(name: str) -> str:
    """A key: bare where that is allowed."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)


def value(told: Any) -> str:
    """A value on one line: text, number, yes or no, list, inline table."""
    if isinstance(told, bool):
        return "true" if told else "false"
    if isinstance(told, Mapping):
        inside = ", ".join(f"{key(str(k))} = {value(v)}" for k, v in told.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(told, str):
        return json.dumps(told, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(told, Sequence):
        return f"[{', '.join(map(value, told))}]"
    if isinstance(told, float) and told.is_integer():
        return str(int(told))
    return repr(told)

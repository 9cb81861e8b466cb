"""A finding: what is wrong, where, what was found, what is allowed, what to do next."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Where:
    """The place a finding points to; unknown parts stay None.

    `line` is the physical line in `file`, counted from 1.
    """

    file: str | None = None
    line: int | None = None
    field: str | None = None
    patient: str | None = None
    centre: str | None = None
    culture: str | None = None

    def __str__(self) -> str:
        place = self.file or ""
        if self.line is not None:
            place += f":{self.line}"
        parts = [place] if place else []
        if self.patient is not None:
            parts.append(f"patient {self.patient}")
        if self.culture is not None:
            parts.append(f"culture {self.culture}")
        if self.field is not None:
            parts.append(f"`{self.field}`")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Finding:
    """One observation by a data check, the study reader, the design audit or the printed-number check."""

    code: str
    severity: Severity
    message: str
    where: Where = field(default_factory=Where)
    found: str | None = None
    allowed: str | None = None
    remedy: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        place = str(self.where)
        lines = [f"{self.severity} {self.code}" + (f"  {place}" if place else "") + f"  {self.message}"]
        for name, text in (("found", self.found), ("allowed", self.allowed), ("next", self.remedy)):
            if text:
                lines.append(f"    {name}: {text}")
        return "\n".join(lines)

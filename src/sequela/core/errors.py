"""Errors carry findings, so that every door prints them the same way. One family per exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sequela.core.finding import Finding


class SequelaError(Exception):
    """Base of all errors that a user can mend; `findings` say how."""

    exit_code: ClassVar[int] = 1

    def __init__(self, findings: Finding | Sequence[Finding]) -> None:
        self.findings: tuple[Finding, ...] = (
            tuple(findings) if isinstance(findings, (list, tuple)) else (findings,)
        )  # type: ignore[arg-type]
        super().__init__("\n".join(str(finding) for finding in self.findings))


class DataError(SequelaError):
    """The records cannot be used as they are (exit code 1)."""


class StudyError(SequelaError):
    """The study file asks for something that cannot be done (exit code 2)."""

    exit_code: ClassVar[int] = 2


class UsageError(SequelaError):
    """A command or a call was given arguments it cannot take (exit code 2)."""

    exit_code: ClassVar[int] = 2

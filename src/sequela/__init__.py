"""Sequela: does treatment B still work after treatment A? From raw records to the printed page."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sequela.audit.design import audit_design
    from sequela.audit.printed.recheck import recheck
    from sequela.clinic.lines import lines
    from sequela.core.outcome import Times
    from sequela.estimates.cox import cox
    from sequela.estimates.curves import kaplan_meier
    from sequela.estimates.doseresponse import dose_response
    from sequela.estimates.tests import log_rank
    from sequela.study.model import Study
    from sequela.walk import run

__all__ = [
    "Study",
    "Times",
    "audit_design",
    "cox",
    "dose_response",
    "kaplan_meier",
    "lines",
    "log_rank",
    "recheck",
    "run",
]

_HOMES: Final = {
    "Study": "sequela.study.model",
    "Times": "sequela.core.outcome",
    "audit_design": "sequela.audit.design",
    "cox": "sequela.estimates.cox",
    "dose_response": "sequela.estimates.doseresponse",
    "kaplan_meier": "sequela.estimates.curves",
    "lines": "sequela.clinic.lines",
    "log_rank": "sequela.estimates.tests",
    "recheck": "sequela.audit.printed.recheck",
    "run": "sequela.walk",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: `import sequela` stays light."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'sequela' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

"""The audit of a study as files: the page, its numbers and its pictures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sequela.records.writing import replace_file
from sequela.report.adjusted import each_correction
from sequela.report.audit_page import audit_page
from sequela.report.content_tables import House
from sequela.report.document import figure_block
from sequela.report.figures.figure import save
from sequela.report.variants import variant_forest

if TYPE_CHECKING:
    from pathlib import Path

    from sequela.report.content import Adjusted, Variants
    from sequela.walk.auditing import Audited
    from sequela.walk.path import Walk


def write_audit(walk: Walk, found: Audited, out: Path, banner: str | None) -> Path:
    """Write `audit.html`, `audit.json`, the test ledger and the Lexis plot into `out`; other files stay."""
    out.mkdir(parents=True, exist_ok=True)
    picture = None
    if found.lexis is not None:
        picture = figure_block(found.lexis, save(found.lexis, out / "figures"), "", out)
    house = House.of(walk.study.report.style, walk.study.report.time_unit, banner)
    counted = [
        (content, figure_block(figure, save(figure, out / "figures"), "", out) if figure else None)
        for content in found.variants
        for figure in (variant_forest(content, house),)
    ]
    arms, label = found.audit.arms, found.endpoint
    own = next((one for one in found.corrections if (one.endpoint, one.groups) == (label, arms)), None)
    forest = each_correction(own, found.adjusted, label, arms, house)
    each = None if forest is None else figure_block(forest, save(forest, out / "figures"), "", out)
    page = audit_page(
        walk.study,
        found.audit,
        found.ledger,
        found.corrections,
        counted,
        picture,
        (found.adjusted, each),
        banner,
    )
    replace_file(
        out / "audit.json", (json.dumps(as_dict(found), indent=1, ensure_ascii=False) + "\n").encode()
    )
    replace_file(out / "audit.html", page.encode())
    return out / "audit.html"


def as_dict(found: Audited) -> dict[str, Any]:
    """Plain values, for JSON."""
    return {
        "comparison": found.audit.comparison,
        "arms": list(found.audit.arms),
        "unanswerable": found.audit.unanswerable,
        "corrections": [_corrected_dict(content) for content in found.adjusted],
        "variants": [_variant_dict(content) for content in found.variants],
        "verdicts": [verdict.as_dict() for verdict in found.audit.verdicts],
        "tests": [
            {
                "analysis": e.analysis,
                "what": e.what,
                "p": e.p,
                "holm": float(h),
                "benjamini_hochberg": float(b),
            }
            for e, h, b in zip(
                found.ledger.entries, found.ledger.holm, found.ledger.benjamini_hochberg, strict=True
            )
        ],
    }


def _corrected_dict(content: Adjusted) -> dict[str, Any]:
    return {
        "analysis": content.heading.id,
        "rows": [
            {
                "label": row.label,
                "hazard_ratio": None
                if row.hazard_ratio is None
                else [row.hazard_ratio.value, row.hazard_ratio.lower, row.hazard_ratio.upper],
                "p": row.p,
                "reason": row.reason,
            }
            for row in content.rows
        ],
    }


def _variant_dict(content: Variants) -> dict[str, Any]:
    ratios = {row.code: row.hazard_ratio for row in content.rows}
    return {
        "endpoint": content.endpoint,
        "arms": list(content.groups),
        "range": content.span,
        "hazard_ratios": {
            code: None if ratio is None or ratio.reason else [ratio.value, ratio.lower, ratio.upper]
            for code, ratio in ratios.items()
        },
        "reasons": {row.code: row.reason for row in content.rows if row.reason},
    }

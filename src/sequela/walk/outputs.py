"""From a `Walk` and its analyses to the documents on disk: built aside, then put in place as a whole."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from sequela.clinic.adtte import LABELS
from sequela.core.errors import UsageError
from sequela.core.finding import Finding, Where
from sequela.records.writing import replace_directory, replace_file, write_xpt
from sequela.report.checks import checks_page
from sequela.report.document import as_dict, from_dict, render
from sequela.report.html import table_page
from sequela.report.tables import to_csv
from sequela.walk.path import base_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    import polars as pl

    from sequela.report.bench_pages import BenchPages
    from sequela.report.pages import Pages
    from sequela.study.model import Study
    from sequela.walk.path import Walk

BANNER = "Simulated patients"
BENCH_BANNER = "Simulated measurements"
LIBRARIES = ("numpy", "scipy", "polars", "pydantic", "matplotlib", "jinja2", "pyreadstat")


def manifest(walk: Walk, now: datetime) -> dict[str, Any]:
    """What the results depend on: hashes of inputs, study, rule set and dictionary; versions; the clock."""
    return {
        "sequela": version("sequela"),
        "made": now.isoformat(timespec="seconds"),
        "study": {
            "file": walk.study.path,
            "sha256": walk.study.sha256,
            "simulated": walk.study.study.simulated,
        },
        "rules": walk.rules.stamp,
        "dictionary": {
            "name": walk.dictionary.name,
            "version": walk.dictionary.version,
            "sha256": walk.dictionary.sha256,
        },
        "inputs": {
            name: {"rows": table.rows_read, "files": dict(table.sha256)}
            for name, table in walk.tables.items()
        },
        **machine(),
    }


def released(record: dict[str, Any], study: Study) -> dict[str, Any]:
    """The manifest of a report that may leave the house: how many rows the inputs have stays inside."""
    return {**record, "inputs": {}, "smallest_cell": study.report.smallest_cell}


def machine() -> dict[str, Any]:
    """Python and the libraries that a result may depend on."""
    return {"python": platform.python_version(), "libraries": {name: version(name) for name in LIBRARIES}}


def write(
    pages: Pages | BenchPages,
    study: Study,
    findings: tuple[Finding, ...] | None,
    record: dict[str, Any],
    out: Path,
    frames: dict[str, str],
    progress: Callable[[str], None],
    adtte: pl.DataFrame | None = None,
) -> None:
    """Write every output of a run into `out`; what stood there is replaced only when all is complete.

    Args:
        pages: tables, figures and the function that lays out the document.
        study: for its title.
        findings: of the data, for checks.html; None writes none. Those of the design stand in `pages`.
        record: the manifest.
        out: the directory.
        frames: further CSV and JSON files by path under `out`, such as the analysis set.
        progress: told each step.
        adtte: the times in the columns of CDISC ADTTE, written as CSV and as a SAS transport file.
    """
    banner = pages.house.banner
    with replace_directory(out) as aside:
        for name in ("tables", "figures", "data"):
            (aside / name).mkdir()
        for table in pages.tables:
            _text(aside / "tables" / f"{table.id}.csv", _commented(banner) + to_csv(table))
            _text(aside / "tables" / f"{table.id}.html", table_page(table))
        for name, text in frames.items():
            _text(aside / name, (_commented(banner) if name.endswith(".csv") else "") + text)
        if adtte is not None:
            _text(aside / "data" / "adtte.csv", _commented(banner) + adtte.write_csv())
            label = banner or "Times to events (Sequela)"
            write_xpt(adtte, aside / "data" / "adtte.xpt", "ADTTE", label, LABELS)
        progress(f"drawing {len(pages.figures)} figures")
        document = pages.document(aside, record)
        progress("writing the report")
        _text(aside / "report.html", render(document))
        _text(aside / "document.json", json.dumps(as_dict(document), indent=1, ensure_ascii=False))
        if findings is not None:
            page = checks_page(findings, f"Data checks: {study.study.title}", banner)
            _text(aside / "checks.html", page)
        outputs = {
            str(path.relative_to(aside)): _hash(path) for path in sorted(aside.rglob("*")) if path.is_file()
        }
        whole = {**record, "findings": _counts((*(findings or ()), *pages.design)), "outputs": outputs}
        _text(aside / "run.json", json.dumps(whole, indent=1) + "\n")
        _keep_strangers(out, aside)


def banner_of(study: Study) -> str | None:
    """The warning that stands on everything made of an invented study."""
    if not study.study.simulated:
        return None
    return BENCH_BANNER if study.bench is not None else BANNER


def require_own(out: Path) -> None:
    """Refuse to write into a directory that no run has made.

    Raises:
        UsageError: `out` is a file, or holds something but no `run.json`.
    """
    inside = {path.name for path in out.iterdir()} if out.is_dir() else set[str]()
    if out.is_file() or (inside - {"checks.html"} and "run.json" not in inside):
        found = ", ".join(sorted(inside)[:5]) if inside else "a file"
        raise UsageError(
            Finding(
                "X107",
                "error",
                "the output directory holds something that is no run",
                Where(str(out)),
                found=found,
                allowed="a new or empty directory, or that of an earlier run",
                remedy="give another directory: --out DIR; nothing was written",
            )
        )


def _keep_strangers(out: Path, aside: Path) -> None:
    """Copy over what somebody else put into an earlier run's directory: nothing is lost."""
    if not (out / "run.json").is_file():
        return
    own = set(json.loads((out / "run.json").read_text("utf-8")).get("outputs", {})) | {"run.json"}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out)
        if path.is_file() and name.as_posix() not in own and not (aside / name).exists():
            (aside / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, aside / name)


def write_checks(study: Study, findings: tuple[Finding, ...], idle: Sequence[tuple[str, str]] = ()) -> Path:
    """Write `checks.html` beside the study's outputs and return where it stands.

    Args:
        study: the protocol.
        findings: of every check.
        idle: code and reason of every rule that does not apply to these records.
    """
    page = base_of(study) / "out" / "checks.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    banner = banner_of(study)
    replace_file(page, checks_page(findings, f"Data checks: {study.study.title}", banner, idle).encode())
    return page


def render_again(out: Path) -> Path:
    """Lay out `report.html` from the document and figures that a run left in `out`.

    Raises:
        UsageError: there is no run in `out`.
    """
    stored = out / "document.json"
    if not stored.is_file():
        raise UsageError(
            Finding(
                "X102",
                "error",
                "there is no run to report",
                Where(str(stored)),
                allowed="the output directory of a run",
                remedy="run the study first: sequela run",
            )
        )
    document = from_dict(json.loads(stored.read_text("utf-8")), out)
    replace_file(out / "report.html", render(document).encode())
    return out / "report.html"


def _counts(found: tuple[Finding, ...]) -> dict[str, int]:
    return {
        severity: sum(finding.severity == severity for finding in found)
        for severity in ("error", "warning", "note")
    }


def _commented(banner: str | None) -> str:
    return f"# {banner}\n" if banner else ""


def _text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

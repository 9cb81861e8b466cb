"""One document: sections of blocks, rendered to a single page that opens offline.

The document is plain data. It goes to JSON and back, figures by their SVG file, so that the page can be drawn
again without computing anything again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sequela.core.finding import Finding, Where
from sequela.report import tables
from sequela.report.checks import counts, gravest_first
from sequela.report.html import TEMPLATES
from sequela.report.svg import inline

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sequela.report.figures.figure import Figure
    from sequela.report.tables import Table

Tone = Literal["error", "warning", "note", "ok"]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Plain text; `**strong**`, `*emphasis*` and `` `code` `` are understood."""

    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """A remark that must not be missed."""

    severity: Tone
    title: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class TableBlock:
    """A table with links to its files, `(("CSV", "tables/t1.csv"), …)`."""

    table: Table
    files: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class FigureBlock:
    """A figure: its SVG text goes into the page, its files are linked.

    Attributes:
        svg: the SVG document as written by `figures.save`.
        path: where that SVG lies, relative to the document.
        alt: the picture in words.
        files: download links, `(("PDF", "figures/os.pdf"), …)`, relative to the document.
    """

    id: str
    number: str
    title: str
    caption: str
    alt: str
    svg: str
    path: str = ""
    files: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class KeyNumber:
    """One large figure with its label, and a smaller line below."""

    value: str
    label: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class KeyNumbers:
    """A row of large figures."""

    numbers: tuple[KeyNumber, ...]


@dataclass(frozen=True, slots=True)
class FindingsList:
    """Findings in words, the gravest first; `empty` is said when there are none."""

    findings: tuple[Finding, ...]
    empty: str = "No findings."


@dataclass(frozen=True, slots=True)
class SideBySide:
    """Two blocks in columns, one below the other on a narrow screen."""

    left: Block
    right: Block


Block = Paragraph | Note | TableBlock | FigureBlock | KeyNumbers | FindingsList | SideBySide


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the document with its own entry in the contents."""

    id: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """The whole report.

    Attributes:
        title, subtitle: of the page.
        question: the research question in one sentence.
        banner: a warning for every page, such as "Simulated patients".
        sections: the parts, in order.
        findings: what the checks and the design audit said, for the summary at the top.
        manifest: name and value of what the result depends on (inputs, versions, seed).
        lang: language of the text, for screen readers.
    """

    title: str
    subtitle: str = ""
    question: str = ""
    banner: str | None = None
    sections: tuple[Section, ...] = ()
    findings: tuple[Finding, ...] = ()
    manifest: tuple[tuple[str, str], ...] = ()
    lang: str = "en"


def kind(block: Block) -> str:
    """The name of a block's type, as used in JSON and in the template."""
    return type(block).__name__


def figure_block(figure: Figure, paths: Mapping[str, Path], number: str, beside: Path) -> FigureBlock:
    """The block of a saved figure.

    Args:
        figure: the figure.
        paths: what `figures.save` returned: file type to path.
        number: "Figure 1".
        beside: the directory of the document, to which links are relative.
    """
    links = {name: Path(path).relative_to(beside).as_posix() for name, path in paths.items()}
    return FigureBlock(
        id=figure.id,
        number=number,
        title=figure.title,
        caption=figure.caption,
        alt=figure.alt,
        svg=Path(paths["svg"]).read_text(encoding="utf-8"),
        path=links["svg"],
        files=tuple((_file_label(name), link) for name, link in links.items()),
    )


def _file_label(name: str) -> str:
    """`SVG`; further tables of numbers as `CSV: at risk`."""
    return name.upper() if name in {"svg", "pdf", "png", "csv"} else f"CSV: {name.replace('-', ' ')}"


def render(document: Document) -> str:
    """One self-contained HTML page: no request leaves it, it prints, and it reads in light and dark."""
    template = TEMPLATES.get_template("report.html.j2")
    return template.render(
        document=document,
        kind=kind,
        inline=inline,
        counts=counts(document.findings),
        gravest_first=gravest_first,
    )


def as_dict(document: Document) -> dict[str, Any]:
    """Plain values for JSON; a figure keeps the path of its SVG, not the drawing."""
    return {
        "title": document.title,
        "subtitle": document.subtitle,
        "question": document.question,
        "banner": document.banner,
        "lang": document.lang,
        "manifest": [list(line) for line in document.manifest],
        "findings": [finding.as_dict() for finding in document.findings],
        "sections": [
            {"id": section.id, "title": section.title, "blocks": [_block_as_dict(b) for b in section.blocks]}
            for section in document.sections
        ],
    }


def _block_as_dict(block: Block) -> dict[str, Any]:
    match block:
        case TableBlock(table, files):
            body: dict[str, Any] = {"table": tables.as_dict(table), "files": [list(link) for link in files]}
        case SideBySide(left, right):
            body = {"left": _block_as_dict(left), "right": _block_as_dict(right)}
        case FindingsList(findings, empty):
            body = {"findings": [finding.as_dict() for finding in findings], "empty": empty}
        case FigureBlock():
            body = {name: value for name, value in asdict(block).items() if name != "svg"}
            body["files"] = [list(link) for link in block.files]
        case KeyNumbers(numbers):
            body = {"numbers": [asdict(number) for number in numbers]}
        case Paragraph() | Note():
            body = asdict(block)
    return {"block": kind(block), **body}


def from_dict(data: Mapping[str, Any], directory: Path) -> Document:
    """The document that `as_dict` wrote, with the SVG files read from below `directory`."""
    return Document(
        title=data["title"],
        subtitle=data["subtitle"],
        question=data["question"],
        banner=data["banner"],
        lang=data["lang"],
        manifest=tuple((name, value) for name, value in data["manifest"]),
        findings=_findings(data["findings"]),
        sections=tuple(
            Section(part["id"], part["title"], tuple(_block(block, directory) for block in part["blocks"]))
            for part in data["sections"]
        ),
    )


def _findings(data: list[dict[str, Any]]) -> tuple[Finding, ...]:
    return tuple(_finding(finding) for finding in data)


def _finding(data: dict[str, Any]) -> Finding:
    fields: dict[str, Any] = {**data, "where": Where(**data["where"])}
    return Finding(**fields)


def _links(data: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((name, path) for name, path in data["files"])


def _figure(data: Mapping[str, Any], directory: Path) -> FigureBlock:
    svg = (directory / data["path"]).read_text(encoding="utf-8")
    fields: dict[str, Any] = {**_body(data), "files": _links(data), "svg": svg}
    return FigureBlock(**fields)


def _body(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name != "block"}


_READERS: dict[str, Callable[[Mapping[str, Any], Path], Block]] = {
    "Paragraph": lambda data, _: Paragraph(**_body(data)),
    "Note": lambda data, _: Note(**_body(data)),
    "TableBlock": lambda data, _: TableBlock(tables.from_dict(data["table"]), _links(data)),
    "FigureBlock": _figure,
    "KeyNumbers": lambda data, _: KeyNumbers(tuple(KeyNumber(**number) for number in data["numbers"])),
    "FindingsList": lambda data, _: FindingsList(_findings(data["findings"]), data["empty"]),
    "SideBySide": lambda data, directory: SideBySide(
        _block(data["left"], directory), _block(data["right"], directory)
    ),
}


def _block(data: Mapping[str, Any], directory: Path) -> Block:
    return _READERS[data["block"]](data, directory)

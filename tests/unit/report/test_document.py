"""The report page: self-contained, accessible in structure, and drawn again from JSON."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from sequela.report.checks import checks_page
from sequela.report.document import (
    Document,
    FindingsList,
    KeyNumber,
    KeyNumbers,
    Note,
    Paragraph,
    Section,
    SideBySide,
    TableBlock,
    as_dict,
    figure_block,
    from_dict,
    render,
)
from sequela.report.figures import save
from sequela.report.html import emphasis, unbroken
from tests.unit.report import demo

if TYPE_CHECKING:
    from pathlib import Path

VOID = {"meta", "br", "link", "input", "img", "hr"}


class Outline(HTMLParser):
    """Tags with attributes; fails on a tag that is closed out of order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def values(self, attribute: str) -> list[str]:
        return [value for _, attributes in self.tags if (value := attributes.get(attribute)) is not None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def document(folder: Path) -> Document:
    figures = [
        figure_block(figure, save(figure, folder / "figures"), f"Figure {place}", folder)
        for place, figure in enumerate(demo.figures(), 1)
    ]
    blocks = (
        Paragraph("A **strong**, an *emphasised* and a `coded` word, and <script>none</script>."),
        Note("error", "A title", "and a text"),
        Note("ok", "Passed"),
        KeyNumbers((KeyNumber("371", "patients", "of 1 204"),)),
        TableBlock(demo.table(), (("CSV", "tables/table-3.csv"),)),
        SideBySide(figures[4], figures[5]),
        FindingsList(demo.findings()),
        FindingsList((), "Nothing to say."),
    )
    return Document(
        title="Trastuzumab emtansine after pertuzumab",
        subtitle="An invented study",
        question="Does it *still* work?",
        banner=demo.BANNER,
        sections=(
            Section("found", "What was found", blocks),
            Section("figures", "Figures", tuple(figures[:4])),
        ),
        findings=demo.findings(),
        manifest=(("Seed", "20261122"),),
    )


def test_json_and_back_gives_the_same_page(document: Document, folder: Path) -> None:
    again = from_dict(json.loads(json.dumps(as_dict(document), allow_nan=False)), folder)
    assert again == document
    assert render(again) == render(document)


def test_no_request_leaves_the_page(document: Document) -> None:
    for html in (render(document), checks_page(demo.findings(), "Checks")):
        outline = Outline(html)
        assert not outline.values("src")
        assert not [tag for tag, _ in outline.tags if tag in {"link", "iframe", "object", "img"}]
        assert "@import" not in html
        assert "url(http" not in html
        assert not [link for link in outline.values("href") if "//" in link]


def test_structure_is_sound(document: Document) -> None:
    outline = Outline(render(document))
    assert not outline.open
    names = [tag for tag, _ in outline.tags]
    assert [names.count(tag) for tag in ("h1", "main", "nav", "header", "footer")] == [1] * 5
    ids = outline.values("id")
    assert len(ids) == len(set(ids))
    targets = [link.removeprefix("#") for link in outline.values("href") if link.startswith("#")]
    assert set(targets) <= set(ids)
    assert targets[0] == "content"  # the skip link comes first
    levels = [int(tag[1]) for tag in names if tag in {"h1", "h2", "h3", "h4"}]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    labelled = outline.values("aria-labelledby")
    assert set(labelled) <= set(ids)


def test_every_drawing_has_words_and_every_scrolling_region_can_be_reached(document: Document) -> None:
    outline = Outline(render(document))
    drawings = [attributes for tag, attributes in outline.tags if tag == "svg"]
    assert len(drawings) == 6
    assert all(drawing["role"] == "img" and drawing["aria-label"] for drawing in drawings)
    regions = [a for _, a in outline.tags if (a.get("class") or "") in {"scroll", "sheet"}]
    assert regions
    assert all(region["tabindex"] == "0" and region["aria-label"] for region in regions)


def test_users_words_are_escaped_and_the_banner_is_there(document: Document) -> None:
    html = render(document)
    assert "<script>" not in html
    assert "&lt;script&gt;none&lt;/script&gt;" in html
    assert f'aria-label="Warning">{demo.BANNER}</div>' in html
    assert "<strong>strong</strong>" in html
    plain = render(Document("Plain"))
    assert demo.BANNER not in plain


def test_emphasis_leaves_arithmetic_and_stars_alone() -> None:
    assert emphasis("2 * 3 * 4 and CYP2D6*4") == "2 * 3 * 4 and CYP2D6*4"
    assert emphasis("*so* **strong** `x < 1`") == "<em>so</em> <strong>strong</strong> <code>x &lt; 1</code>"


def test_short_names_with_a_hyphen_stay_on_one_line() -> None:
    assert unbroken("T-DM1 & Ki-67") == (
        '<span class="unbroken">T-DM1</span> &amp; <span class="unbroken">Ki-67</span>'
    )
    assert (
        unbroken("progression-free, 2019-02-03, second-line") == "progression-free, 2019-02-03, second-line"
    )


def test_links_name_the_files_beside(document: Document, folder: Path) -> None:
    links = [link for link in Outline(render(document)).values("href") if link.startswith("figures/")]
    assert len(links) == 6 * 4 + 1
    assert all((folder / link).exists() for link in links)

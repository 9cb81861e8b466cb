"""The table model and its writers."""

from __future__ import annotations

import csv
import io
import json
import math
from html.parser import HTMLParser

import pytest
from rich.console import Console

from sequela.report.html import table_page, to_html
from sequela.report.tables import (
    Cell,
    Column,
    Row,
    Table,
    as_dict,
    blocks,
    footnotes,
    from_dict,
    to_csv,
    to_text,
)
from tests.unit.report import demo


class Tags(HTMLParser):
    """Every opening tag with its attributes, and the text of header cells."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_footnotes_are_lettered_in_reading_order() -> None:
    assert footnotes(demo.table()) == {
        "Patients with early disease at diagnosis.": "a",
        "Two of them not confirmed.": "b",
    }
    many = Table("t", "", "", (), tuple(Row(str(n), notes=(str(n),)) for n in range(28)))
    assert list(footnotes(many).values())[-3:] == ["z", "aa", "bb"]


def test_a_group_row_opens_a_block() -> None:
    assert [block[0].label for block in blocks(demo.table())] == [
        "Progesterone receptor",
        "Ki-67, %",
        "Neo-/adjuvant treatment",
    ]


def test_a_row_with_too_few_cells_is_refused() -> None:
    with pytest.raises(ValueError, match="1 cells for 2 columns"):
        Table("t", "", "", (Column("a"), Column("b")), (Row("r", (Cell("1"),)),))


def test_csv_keeps_the_numbers_in_full() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(demo.table()))))
    first = "First line – Trastuzumab → T-DM1 (n = 194)"
    positive = rows[1]
    assert (positive["group"], positive["Characteristic"]) == ("Progesterone receptor", "Positive")
    assert positive[first] == "91 (46.9%)"
    assert float(positive[f"{first}: value"]) == 91
    assert float(positive[f"{first}: percent"]) == 100 * 91 / 194
    assert rows[0]["p value: value"] == "0.8281"
    assert rows[1]["p value: value"] == ""


def test_json_and_back_also_with_numbers_that_json_lacks() -> None:
    table = demo.table()
    assert from_dict(json.loads(json.dumps(as_dict(table), allow_nan=False))) == table
    odd = Table(
        "t", "", "", (Column("a"),), (Row("r", (Cell("NR", math.inf),)), Row("s", (Cell("–", math.nan),)))
    )
    back = from_dict(json.loads(json.dumps(as_dict(odd), allow_nan=False)))
    assert back.rows[0].cells[0].value == math.inf
    assert math.isnan(back.rows[1].cells[0].value or 0)


def test_html_says_what_every_header_cell_heads() -> None:
    tags = Tags(to_html(demo.table()))
    scopes = [cell["scope"] for cell in tags.all("th")]
    assert scopes[:5] == ["colgroup", "col", "col", "col", "col"]
    assert scopes.count("rowgroup") == 3
    assert scopes.count("row") == 7
    assert len(tags.all("tbody")) == 3
    assert len(tags.all("caption")) == 1


def test_html_escapes_what_users_wrote() -> None:
    table = Table(
        "t", "", "<b>", (Column("<i>"),), (Row("<u>", (Cell("<s>"),), notes=("<em>",)),), notes=("a < b",)
    )
    html = table_page(table)
    assert not any(f"<{tag}>" in html for tag in ("b", "i", "u", "s", "em"))
    assert "a &lt; b" in html


def test_a_table_page_stands_alone() -> None:
    html = table_page(demo.table())
    assert html.lstrip().startswith("<!doctype html>")
    assert not any({"src", "href"} & attributes.keys() for _, attributes in Tags(html).tags)


def test_terminal_shows_every_cell_and_note() -> None:
    out = io.StringIO()
    to_text(demo.table(), Console(file=out, width=200))
    text = out.getvalue()
    assert demo.BANNER in text
    for words in (
        "Table 3. Characteristics",
        "91 (46.9%)",
        "  Unknown",
        "68 (38.4%) [b]",
        "b Two of them not",
    ):
        assert words in text

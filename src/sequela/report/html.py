"""The templates, and a table as HTML."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from sequela.report import tables

if TYPE_CHECKING:
    from sequela.report.tables import Table

_EMPHASIS: Final = (
    (re.compile(r"\*\*(.+?)\*\*"), r"<strong>\1</strong>"),
    (re.compile(r"(?<![\w*])\*(?!\s)(.+?)(?<!\s)\*(?![\w*])"), r"<em>\1</em>"),
    (re.compile(r"`([^`]+)`"), r"<code>\1</code>"),
)


_HYPHENATED: Final = re.compile(r"(?<![\w-])\w{1,6}-\w*\d\w{0,4}(?![\w-])")


def unbroken(text: str) -> Markup:
    """Escaped text in which short names such as T-DM1 or Ki-67 stay on one line."""
    return Markup(_HYPHENATED.sub(r'<span class="unbroken">\g<0></span>', str(escape(text))))


def emphasis(text: str) -> Markup:
    """Plain text with `**strong**`, `*emphasis*` and `` `code` ``; everything else is escaped."""
    html = str(unbroken(text))
    for pattern, replacement in _EMPHASIS:
        html = pattern.sub(replacement, html)
    return Markup(html)


def slug(text: str) -> str:
    """A name that is safe as a file name and as an HTML id."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "item"


TEMPLATES: Final = Environment(
    loader=PackageLoader("sequela.report"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
cast("dict[str, Any]", TEMPLATES.filters).update(emphasis=emphasis, slug=slug, unbroken=unbroken)
cast("dict[str, Any]", TEMPLATES.globals).update(
    footnotes=tables.footnotes,
    letters_across=tables.letters_across,
    spanners=tables.spanners,
    blocks=tables.blocks,
)


def to_html(table: Table) -> str:
    """The table as a `<figure>` with caption, header cells with scope, and generated footnotes."""
    return TEMPLATES.get_template("table.html.j2").render(table=table)


def table_page(table: Table) -> str:
    """A whole page that holds one table and opens offline."""
    return TEMPLATES.get_template("table_page.html.j2").render(table=table, title=tables.heading(table))

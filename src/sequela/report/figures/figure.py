"""The figure noun, and its files."""

from __future__ import annotations

import base64
import csv
import io
import re
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from matplotlib import rc_context

from sequela.report.figures.page import DPI, WEB_FONTS, families

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure as Drawing

_SETTINGS: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "sequela",  # the same ids every time
    "pdf.fonttype": 42,  # TrueType, as journals ask
    "text.hinting": "no_hinting",  # words as wide as they were measured
    "savefig.bbox": None,
    "savefig.pad_inches": 0,
}


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """A picture with everything that must travel with it.

    Attributes:
        id: name for files and links.
        title: at most one line; not drawn into the picture.
        caption: what is shown and how, for the text below.
        alt: the picture in words, for those who cannot see it.
        data: the numbers drawn, as plain columns of equal length.
        draw: the matplotlib figure, at its final size.
        banner: a warning printed in the picture, such as "Simulated patients".
        more: further tables of numbers by name, such as the counts at risk.
    """

    id: str
    title: str
    caption: str
    alt: str
    data: Mapping[str, Sequence[Any]]
    draw: Drawing
    banner: str | None = None
    more: Mapping[str, Mapping[str, Sequence[Any]]] = field(default_factory=dict)


def save(figure: Figure, directory: Path) -> dict[str, Path]:
    """Write SVG, PDF, PNG (200 dpi) and CSV into `directory`; equal figures give equal bytes.

    A banner stands in the picture and as a comment in the first line of each CSV.

    Returns:
        Paths by type: `svg`, `pdf`, `png`, `csv`, and one more CSV per entry of `figure.more`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    paths: dict[str, Path] = {}
    for kind, content in (("svg", to_svg(figure)), ("pdf", _pdf(figure)), ("png", _png(figure))):
        paths[kind] = directory / f"{figure.id}.{kind}"
        paths[kind].write_bytes(content)
    tables = {"csv": (figure.id, figure.data)}
    tables |= {name: (f"{figure.id}-{name}", columns) for name, columns in figure.more.items()}
    for kind, (stem, columns) in tables.items():
        paths[kind] = directory / f"{stem}.csv"
        warning = f"# {figure.banner}\n" if figure.banner else ""
        paths[kind].write_text(warning + columns_to_csv(columns), encoding="utf-8")
    return paths


def to_svg(figure: Figure) -> bytes:
    """The SVG document, with text as text and without a date; fonts fall back to any sans-serif."""
    out = _print(figure, "svg", {"Date": None, "Creator": "Sequela"})
    written = ", ".join(f"'{name}'" if " " in name else name for name in families())
    text = out.decode("utf-8").replace(written, WEB_FONTS)
    return _RASTER.sub(lambda found: found[1] + _leaner(found[2]), text).encode("utf-8")


_RASTER: Final = re.compile(r"(data:image/png;base64,)\s*([^\"]+)")


def _leaner(encoded: str) -> str:
    """The same PNG in as few channels as it needs: grey, or colours without transparency."""
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(encoded))) as opened:
        shown = opened.convert("RGBA")
    channels = [channel.tobytes() for channel in shown.split()]
    if channels[3].strip(b"\xff"):
        return encoded
    out = io.BytesIO()
    grey = channels[0] == channels[1] == channels[2]
    shown.convert("L" if grey else "RGB").save(out, "PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode("ascii")


def _pdf(figure: Figure) -> bytes:
    return _print(
        figure, "pdf", {"Title": figure.title, "Creator": "Sequela", "Producer": None, "CreationDate": None}
    )


def _png(figure: Figure) -> bytes:
    return _print(figure, "png", {"Software": None})


def _print(figure: Figure, kind: str, metadata: dict[str, Any]) -> bytes:
    """One file. A glyph that no installed font has is drawn as a box, without a warning."""
    out = io.BytesIO()
    with rc_context(_SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.draw.savefig(out, format=kind, dpi=DPI, metadata=metadata)
    return out.getvalue()


def columns_to_csv(columns: Mapping[str, Sequence[Any]]) -> str:
    """Columns of equal length as comma-separated text; numbers in full, None as an empty field."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return out.getvalue()

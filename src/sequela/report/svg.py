"""An SVG document made fit to stand inside an HTML page."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

_HEAD = re.compile(r"^.*?(?=<svg\b)", re.DOTALL)
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
_STYLE = re.compile(r"\s*<defs>\s*<style[^>]*>\s*\*\{([^}]*)\}\s*</style>\s*</defs>", re.DOTALL)
_COMMENT = re.compile(r"\s*<!--.*?-->", re.DOTALL)
_OPENING = re.compile(r"<svg\b[^>]*>", re.DOTALL)
_VIEW = re.compile(r'viewBox="([^"]+)"')
_ID = re.compile(r' id="([^"]+)"')
_REFERENCE = re.compile(r'(url\(#|href="#)([^")]+)')

ENLARGED = 1.3  # on a screen, where 8 pt is small


def inline(svg: str, name: str, alt: str) -> Markup:
    """The drawing alone: no prolog, no style that would leak into the page, ids of its own, named by `alt`.

    Args:
        svg: an SVG document as matplotlib writes it.
        name: prefix for the ids that are referred to; the others are dropped.
        alt: the picture in words.
    """
    text = _COMMENT.sub("", _METADATA.sub("", _HEAD.sub("", svg, count=1)))
    found = _STYLE.search(text)
    style = found.group(1).strip() if found else ""
    text = _STYLE.sub("", text)
    view = _VIEW.search(text)
    width = float(view.group(1).split()[2]) if view else 480.0
    box = view.group(1) if view else ""
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="{box}" '
        f'role="img" aria-label="{escape(alt)}" style="{style}; max-width: {ENLARGED * width / 72:.3f}in">'
    )
    return Markup(_own_ids(_OPENING.sub(lambda _: opening, text, count=1), name))


def _own_ids(text: str, name: str) -> str:
    wanted = {target for _, target in _REFERENCE.findall(text)}
    text = _ID.sub(lambda hit: f' id="{name}-{hit[1]}"' if hit[1] in wanted else "", text)
    return _REFERENCE.sub(lambda hit: f"{hit[1]}{name}-{hit[2]}", text)

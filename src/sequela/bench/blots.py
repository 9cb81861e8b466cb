"""Blots: lanes, bands and their volumes above a local baseline, from unmodified pictures.

volume = sum over the lane's middle of (signal - straight line between the medians above and below the band).
A band with pixels at the limit of the camera is a lower limit: it is marked `saturated` and not averaged. A
volume under three standard deviations of the lane's own empty windows is marked as not detected.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from sequela.bench.pictures import Picture, grey, measurable, plateau
from sequela.core.errors import DataError
from sequela.core.finding import Finding, Where

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MIDDLE: Final = 0.7  # of the lane's width is measured
EDGE: Final = 6  # rows above and below a band that make its baseline
SATURATED: Final = 0.002  # share of a band's pixels at the camera's limit
DETECTED: Final = 3.0  # standard deviations of the lane's background
TURNS: Final = np.arange(-3.0, 3.01, 0.5)  # degrees


@dataclass(frozen=True, slots=True)
class Band:
    """One band of one lane: its rows, its volume, and the reason where the volume is not a measurement."""

    lane: int
    name: str
    top: int
    bottom: int
    left: int
    right: int
    volume: float
    baseline: float
    limit: float
    saturated: float
    reason: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Blot:
    """A measured blot.

    Attributes:
        signal: rows x columns, bright bands on dark, after turning.
        lanes: left and right edge of each lane, in columns.
        bands: every band of every lane, lane by lane.
        degrees: by which the picture was turned.
        findings: of the picture and of the measurement.
        zero: the picture's own grey where the signal is 0.
        dark: bands are darker than the ground in the picture: grey = zero - signal, else zero + signal.
        clipped: pixels at the limit of the camera.
        name, sha256: of the file.
    """

    signal: NDArray[np.float64]
    lanes: tuple[tuple[int, int], ...]
    bands: tuple[Band, ...]
    degrees: float
    findings: tuple[Finding, ...]
    zero: float
    dark: bool
    clipped: NDArray[np.bool_]
    name: str = ""
    sha256: str = ""

    def frame(self) -> pl.DataFrame:
        """One row a band: lane, band, volume, baseline, limit, saturated, reason."""
        rows = [
            (one.lane, one.name, one.volume, one.baseline, one.limit, one.saturated, one.reason)
            for one in self.bands
        ]
        names = ("lane", "band", "volume", "baseline", "limit", "saturated", "reason")
        kinds = (pl.Int64, pl.String, pl.Float64, pl.Float64, pl.Float64, pl.Float64, pl.String)
        return pl.DataFrame(rows, schema=dict(zip(names, kinds, strict=True)), orient="row")


def measure_blot(
    source: Picture,
    *,
    lanes: int | Sequence[tuple[int, int]] | None = None,
    bands: Sequence[str] | int | None = None,
    rows: Sequence[tuple[int, int]] | None = None,
    dark: bool | None = None,
    straighten: bool = True,
) -> Blot:
    """Lanes, bands and volumes of a blot or gel.

    Args:
        source: the unmodified picture.
        lanes: how many there are, or their edges in columns; looked for by default.
        bands: their names from top to bottom, or how many; looked for by default.
        rows: top and bottom of each band; looked for by default.
        dark: whether bands are darker than the ground; judged from the picture by default.
        straighten: turn by up to three degrees so that bands lie level.

    Raises:
        DataError: I102 lossy compression; I107 a mask; I111 lanes or bands are not found as asked.
    """
    flat = grey(measurable(source))
    values = flat.pixels.astype(float)
    is_dark = bool(np.mean(values) < np.median(values)) if dark is None else dark
    cut = is_dark and (values.min() <= 0 or plateau(flat.pixels.max() - flat.pixels))
    full = values <= values.min() if cut else flat.clipped & (not is_dark)
    signal = values.max() - values if is_dark else values - values.min()
    degrees = _tilt(signal) if straighten else 0.0
    signal, full = _turned(signal, degrees), _turned(full.astype(float), degrees) > 0.5
    edges = _lanes(signal, lanes, flat.name) if not _given(lanes) else tuple(lanes)  # type: ignore[arg-type]
    names, spans = _spans(signal, edges, bands, rows, flat.name)
    found = [
        _band(signal, full, edges, number, name, span, straighten and rows is None)
        for number in range(len(edges))
        for name, span in zip(names, spans, strict=True)
    ]
    noted = _limits(signal, edges, spans, found)
    zero = float(values.max() if is_dark else values.min())
    findings = (*flat.findings, *_findings(noted, flat.name))
    return Blot(signal, edges, noted, degrees, findings, zero, is_dark, full, flat.name, flat.sha256)


def _given(lanes: Any) -> bool:
    return lanes is not None and not isinstance(lanes, (int, np.integer))


def _turned(values: NDArray[np.float64], degrees: float) -> NDArray[np.float64]:
    from scipy import ndimage

    if not degrees:
        return values
    return ndimage.rotate(values, degrees, reshape=False, order=1, mode="nearest")


def _tilt(signal: NDArray[np.float64]) -> float:
    """The turn that makes rows differ most from each other: bands are level there."""
    step = max(1, max(signal.shape) // 400)
    small = signal[::step, ::step]
    spread = [float(_turned(small, turn).mean(axis=1).var()) for turn in TURNS]
    best = int(np.argmax(spread))
    level = spread[len(TURNS) // 2]
    return float(TURNS[best]) if spread[best] > 1.05 * level else 0.0


def _peaks(profile: NDArray[np.float64], least: int, count: int | None) -> NDArray[np.int64]:
    """Peaks that rise a tenth of the highest above their surroundings, or the `count` that rise most."""
    from scipy.signal import find_peaks

    padded = np.pad(profile, 1, constant_values=profile.min())
    places, facts = find_peaks(padded, distance=least, prominence=1e-9)
    rise = facts["prominences"]
    if count is None:
        kept = places[rise > 0.1 * rise.max()] if len(rise) else places
    else:
        kept = places[np.argsort(-rise, kind="stable")[:count]]
    return np.sort(kept) - 1


def _lanes(signal: NDArray[np.float64], count: Any, name: str) -> tuple[tuple[int, int], ...]:
    from scipy import ndimage

    width = signal.shape[1]
    profile = ndimage.gaussian_filter1d(np.percentile(signal, 98, axis=0), max(2.0, width / 200))
    if count is not None:
        middles = _comb(profile, count)
    else:
        ground = ndimage.gaussian_filter1d(ndimage.minimum_filter1d(profile, max(5, width // 2)), width / 8)
        middles = _peaks(profile - ground, max(3, width // 40), None)
    if not len(middles):
        raise DataError(_missing("lanes", 1, 0, name))
    return _between(middles, width)


def _comb(profile: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Middles of `count` evenly spaced lanes: most signal in the lanes, least between them.

    A comb finds lanes whose bands touch, and lanes without a band, which have no peak of their own. The picture
    is cropped to the lanes: they fill 0.88 to 1.06 of its width.
    """
    width = len(profile)
    steps = np.linspace(0.88, 1.06, 37) * width / count  # the lanes fill the picture
    firsts = np.linspace(0.3, 0.9, 61)
    profile = np.sqrt(np.maximum(profile - profile.min(), 0.0))  # weak lanes count too
    at, x = np.arange(count), np.arange(width)
    best, found = -np.inf, (0.0, 0.0)
    for step in steps:
        for first in firsts * step:
            if first + (count - 0.7) * step > width:
                break
            lanes = np.interp(first + at * step, x, profile).sum()
            gaps = np.interp(first + (np.arange(count + 1) - 0.5) * step, x, profile, left=0.0, right=0.0)
            score = float(lanes / count - gaps.mean())
            if score > best:
                best, found = score, (first, step)
    return np.round(found[0] + at * found[1]).astype(int)


def _between(middles: NDArray[np.int64], length: int) -> tuple[tuple[int, int], ...]:
    """Lanes of equal width around their middles: unequal ones would make equal bands differ."""
    half = float(np.median(np.diff(middles))) / 2 if len(middles) > 1 else length / 2
    return tuple((round(at - half), round(at + half)) for at in middles)


def _spans(
    signal: NDArray[np.float64],
    edges: tuple[tuple[int, int], ...],
    bands: Sequence[str] | int | None,
    rows: Sequence[tuple[int, int]] | None,
    name: str,
) -> tuple[list[str], list[tuple[int, int]]]:
    """Names and rows of the bands, from top to bottom."""
    from scipy import ndimage

    count = bands if isinstance(bands, int) else None if bands is None else len(bands)
    if rows is not None:
        spans = [(int(top), int(bottom)) for top, bottom in rows]
    else:
        middle = np.concatenate([signal[:, _inner(edge)] for edge in edges], axis=1)
        profile = ndimage.gaussian_filter1d(middle.mean(axis=1), 2.0)
        wide = max(31, signal.shape[0] // 3)
        profile = profile - ndimage.minimum_filter1d(profile, wide)
        places = _peaks(profile, 8, count)
        if count is not None and len(places) != count:
            raise DataError(_missing("bands", count, len(places), name))
        if not len(places):
            raise DataError(_missing("bands", 1, 0, name))
        spans = _around(places, profile)
    names = (
        list(bands)
        if bands is not None and not isinstance(bands, int)
        else [f"band {at + 1}" for at in range(len(spans))]
    )
    if len(names) != len(spans):
        raise DataError(_missing("bands", len(names), len(spans), name))
    return names, spans


def _around(places: NDArray[np.int64], profile: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Rows of each band: two and a half times its width at half height either way, not into a neighbour."""
    from scipy.signal import peak_widths

    wide = peak_widths(profile, places, rel_height=0.5)[0]
    spans: list[tuple[int, int]] = []
    for at, place in enumerate(places):
        half = float(np.clip(2.5 * wide[at] / 2, 6, 40)) + 2
        above = (places[at - 1] + place) / 2 if at else 0
        below = (places[at + 1] + place) / 2 if at + 1 < len(places) else len(profile)
        spans.append((round(max(place - half, above)), round(min(place + half, below))))
    return spans


def _inner(edge: tuple[int, int]) -> slice:
    """The middle columns of a lane; a lane may reach over the picture's edge."""
    trim = (edge[1] - edge[0]) * (1 - MIDDLE) / 2
    first = max(0, round(edge[0] + trim))
    return slice(first, max(round(edge[1] - trim), first + 1))


def _volume(block: NDArray[np.float64], top: int, bottom: int) -> tuple[float, float]:
    """Volume of rows top to bottom above the line between the medians of the rows outside, and that line's mean."""
    over, under = block[max(0, top - EDGE) : top], block[bottom : bottom + EDGE]
    known = [np.median(part, axis=0) for part in (over, under) if len(part)]
    if not known:
        known = [np.median(block, axis=0)]
    share = (np.arange(top, bottom) - top + 0.5)[:, None] / (bottom - top)
    ground = known[0] * (1 - share) + known[-1] * share
    return float((block[top:bottom] - ground).sum()), float(ground.mean())


def _band(
    signal: NDArray[np.float64],
    full: NDArray[np.bool_],
    edges: tuple[tuple[int, int], ...],
    number: int,
    name: str,
    span: tuple[int, int],
    follow: bool,
) -> Band:
    """One band, its window moved by up to eight rows to the lane's own middle."""
    inner = _inner(edges[number])
    block = signal[:, inner]
    top, bottom = span
    if follow:
        moved = _moved(block.mean(axis=1), top, bottom)
        top, bottom = max(0, top + moved), min(len(signal), bottom + moved)
    volume, ground = _volume(block, top, bottom)
    clipped = float(full[top:bottom, inner].mean())
    reason = "saturated: at least this much" if clipped > SATURATED else None
    return Band(number + 1, name, top, bottom, inner.start, inner.stop, volume, ground, 0.0, clipped, reason)


def _moved(profile: NDArray[np.float64], top: int, bottom: int) -> int:
    """Rows from the window's middle to the lane's own peak, if there is one near it."""
    from scipy import ndimage

    smooth = ndimage.gaussian_filter1d(profile, 2.0)
    middle = (top + bottom) // 2
    first = max(0, middle - 8)
    near = smooth[first : middle + 9]
    place = int(near.argmax())
    inside = 0 < place < len(near) - 1
    return first + place - middle if inside and near[place] - np.median(smooth) > 3 * smooth.std() / 2 else 0


def _limits(
    signal: NDArray[np.float64],
    edges: tuple[tuple[int, int], ...],
    spans: list[tuple[int, int]],
    bands: list[Band],
) -> tuple[Band, ...]:
    """Each band with the smallest volume that its lane's empty rows would let us see."""
    free = np.ones(len(signal), bool)
    for top, bottom in spans:
        free[max(0, top - EDGE) : bottom + EDGE] = False
    noted: list[Band] = []
    for band in bands:
        block = signal[:, _inner(edges[band.lane - 1])]
        height = band.bottom - band.top
        starts = [
            at
            for at in range(EDGE, len(signal) - height - EDGE, max(1, height // 2))
            if free[at : at + height].all()
        ]
        empty = np.array([_volume(block, at, at + height)[0] for at in starts])
        if len(empty) >= 3:
            limit = DETECTED * float(empty.std(ddof=1))
        else:  # no room for empty windows: the pixels' own scatter along the rows
            limit = DETECTED * float(
                np.diff(block, axis=0).std() / np.sqrt(2) * np.sqrt(height * block.shape[1])
            )
        low = band.volume < limit and band.reason is None
        noted.append(replace(band, limit=limit, reason="not detected" if low else band.reason))
    return tuple(noted)


def _missing(what: str, wanted: int, found: int, name: str) -> Finding:
    return Finding("I111", "error", f"the {what} are not found as asked", Where(name or None), f"{found} {what}",
                   f"{wanted}", f"give the places of the {what} (columns of lanes, rows of bands)")  # fmt: skip


def _findings(bands: tuple[Band, ...], name: str) -> list[Finding]:
    found: list[Finding] = []
    for code, reason, message, remedy in (
        ("I112", "saturated", "saturated bands, whose volumes are lower limits and are not used",
         "expose for a shorter time, or load less"),
        ("I113", "not detected", "bands below the limit of detection",
         "give them as `<` limits; a volume of noise is no measurement"),
    ):  # fmt: skip
        hit = [one for one in bands if one.reason and one.reason.startswith(reason)]
        if hit:
            shown = ", ".join(f"{one.name} lane {one.lane}" for one in hit[:6]) + (
                ", …" if len(hit) > 6 else ""
            )
            found.append(
                Finding(code, "warning", message, Where(name or None), f"{len(hit)}: {shown}", None, remedy)
            )
    return found

"""Invented pictures with a known truth: blots, and fields of cells with membrane, cytoplasm and nucleus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def invented_blot(
    rng: np.random.Generator,
    amounts: ArrayLike,
    *,
    width: int = 36,
    spacing: int = 90,
    gain: float = 600.0,
    smear: float = 0.02,
    degrees: float = 0.0,
    ceiling: int = 65535,
) -> NDArray[np.uint16]:
    """A chemiluminescent blot, bright on dark: rows of bands x lanes of `amounts`, each band of that volume.

    Bands have a Gaussian profile and smile a little; the ground has a gradient, each lane a smear; photons are
    counted (Poisson), then the camera reads with noise and clips at `ceiling`.

    Args:
        rng: source of chance.
        amounts: bands x lanes; a band of amount 1 has the volume `gain` x 1000.
        width: of a lane's band, in pixels (lanes are half as wide again).
        spacing: between bands, in rows.
        gain: brightness.
        smear: share of a lane's signal that is spread over its length.
        degrees: by which the blot lies turned.
        ceiling: of the camera.
    """
    table = np.asarray(amounts, float)
    pitch = round(width * 1.5)
    shape = (spacing * (len(table) + 1), pitch * table.shape[1])
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    light = 300 + 0.4 * y + 0.2 * x
    for row, band in enumerate(table):
        for lane, amount in enumerate(band):
            middle = (lane + 0.5) * pitch
            across = np.clip((x - middle) / (width / 2), -1.4, 1.4)
            level = spacing * (row + 1) + 2.5 * across**2 + rng.normal(0, 1.0)
            inside = 1 / (1 + np.exp((np.abs(x - middle) - width / 2) / 1.2))
            profile = np.exp(-0.5 * ((y - level) / 5.0) ** 2) * inside
            light += amount * gain * 1000 * profile / profile.sum()
            light += smear * amount * gain * 1000 * inside / inside.sum()
    if degrees:
        from scipy import ndimage

        light = ndimage.rotate(light, degrees, reshape=False, order=1, mode="nearest")
    read = rng.poisson(light) + rng.normal(0, 12.0, shape)
    return np.clip(np.round(read), 0, ceiling).astype(np.uint16)


@dataclass(frozen=True, slots=True, eq=False)
class InventedCells:
    """A field of cells: nuclear stain, target, the true cells and nuclei, and the fractions that were drawn."""

    nuclear: NDArray[np.uint16]
    target: NDArray[np.uint16]
    cells: NDArray[Any]
    nuclei: NDArray[Any]
    membrane: float
    nucleus: float


def invented_cells(
    rng: np.random.Generator,
    *,
    membrane: float = 0.6,
    nucleus: float = 0.05,
    grid: int = 6,
    pitch: int = 80,
    blur: float = 1.5,
    amount: float = 400.0,
    spread: float = 0.2,
    apart: float = 0.0,
    ceiling: int = 65535,
) -> InventedCells:
    """A square field of `grid` x `grid` cells whose target lies in known shares on membrane, in cytoplasm, in nucleus.

    Args:
        rng: source of chance.
        membrane, nucleus: shares of each cell's target; the cytoplasm has the rest.
        grid: cells along each side.
        pitch: between cells, in pixels; cells have a radius of about 0.4 of it.
        blur: of the microscope (a Gaussian's standard deviation, pixels).
        amount: target a pixel of cell, in counts.
        spread: of the amount between cells (of its logarithm).
        apart: standard deviation, between cells, of the log odds of both shares.
        ceiling: of the camera.
    """
    from scipy import ndimage

    side = grid * pitch
    y, x = np.mgrid[:side, :side].astype(float)
    cells, nuclei = np.zeros((side, side), int), np.zeros((side, side), int)
    target = np.zeros((side, side))
    for number in range(grid * grid):
        row, column = divmod(number, grid)
        cy, cx = (np.array([row, column]) + 0.5) * pitch + rng.uniform(-0.04, 0.04, 2) * pitch
        angle = np.arctan2(y - cy, x - cx)
        shape = (
            1
            + 0.06 * np.sin(2 * angle + rng.uniform(0, 6.3))
            + 0.04 * np.sin(3 * angle + rng.uniform(0, 6.3))
        )
        far = np.hypot(y - cy, x - cx)
        cell = far < 0.4 * pitch * shape
        core = np.hypot(y - cy - rng.uniform(-2, 2), x - cx - rng.uniform(-2, 2)) < 0.19 * pitch
        inner: Any = ndimage.binary_erosion(cell)
        rim = cell & ~inner
        total = amount * cell.sum() * np.exp(rng.normal(0, spread))
        cells[cell], nuclei[core] = number + 1, number + 1
        edge, middle = _shares(rng, membrane, nucleus, apart)
        for part, share in ((rim, edge), (core, middle), (inner & ~core, 1 - edge - middle)):
            target[part] += total * share / part.sum()
    dna = ndimage.gaussian_filter((nuclei > 0) * 900.0, blur)
    seen = ndimage.gaussian_filter(target, blur)
    noisy = [rng.poisson(part + 100) + rng.normal(0, 5.0, part.shape) for part in (dna, seen)]
    taken = [np.clip(np.round(part), 0, ceiling).astype(np.uint16) for part in noisy]
    return InventedCells(taken[0], taken[1], cells, nuclei, membrane, nucleus)


def _shares(rng: np.random.Generator, membrane: float, nucleus: float, apart: float) -> tuple[float, float]:
    """One cell's shares on its membrane and in its nucleus: log odds against the cytoplasm, moved by chance."""
    if not apart:
        return membrane, nucleus
    odds = np.array([membrane, nucleus]) / (1 - membrane - nucleus) * np.exp(rng.normal(0, apart, 2))
    found = odds / (1 + odds.sum())
    return float(found[0]), float(found[1])


@dataclass(frozen=True, slots=True, eq=False)
class InventedSlide:
    """A slide of cells in eight bits a colour: true cells and nuclei, and each cell's rim: (completeness, OD)."""

    colours: NDArray[np.uint8]
    cells: NDArray[Any]
    nuclei: NDArray[Any]
    rims: tuple[tuple[float, float], ...]


def invented_slide(
    rng: np.random.Generator,
    rims: ArrayLike,
    *,
    columns: int = 12,
    pitch: int = 44,
    inside: float = 0.05,
    blur: float = 0.8,
) -> InventedSlide:
    """A slide stained with haematoxylin and DAB, cells in rows, brown rims of known completeness and density.

    Args:
        rng: source of chance.
        rims: cells x 2: share of the outline that is brown (one arc, anywhere), and its optical density.
        columns: cells in a row.
        pitch: between cells, in pixels.
        inside: optical density of DAB within cells.
        blur: of the scanner (a Gaussian's standard deviation, pixels).
    """
    from scipy import ndimage

    table = np.atleast_2d(np.asarray(rims, float))
    shape = (-(-len(table) // columns) * pitch, columns * pitch)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    cells, nuclei = np.zeros(shape, int), np.zeros(shape, int)
    brown, blue = np.zeros(shape), np.full(shape, 0.03)
    for number, (share, density) in enumerate(table):
        row, column = divmod(number, columns)
        cy, cx = (np.array([row, column]) + 0.5) * pitch
        far = np.hypot(y - cy, (x - cx) * rng.uniform(0.92, 1.08))
        turn = (np.arctan2(y - cy, x - cx) - rng.uniform(0, 2 * np.pi)) % (2 * np.pi)
        cell, core = far < 0.4 * pitch, far < 0.2 * pitch
        rim = (np.abs(far - 0.4 * pitch) < 1.6) & (turn < 2 * np.pi * share)
        cells[cell], nuclei[core] = number + 1, number + 1
        brown[cell] = np.maximum(brown[cell], inside)
        brown[rim] = np.maximum(brown[rim], density)
        blue[core] = 0.5
    vectors = np.array([(0.650, 0.704, 0.286), (0.268, 0.570, 0.776)])
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    soft = [np.asarray(ndimage.gaussian_filter(part, blur)) for part in (blue, brown)]
    light = 245 * 10 ** -(np.stack(soft, axis=-1) @ vectors) + rng.normal(0, 1.5, (*shape, 3))
    colours = np.clip(np.round(light), 0, 255).astype(np.uint8)
    return InventedSlide(colours, cells, nuclei, tuple((float(a), float(b)) for a, b in table))

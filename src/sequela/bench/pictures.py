"""Pictures: unmodified pixels with what is known of them, and what forbids a measurement."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sequela.core.errors import DataError, UsageError
from sequela.core.finding import Finding, Where

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from numpy.typing import ArrayLike, NDArray

CLIPPED: Final = 0.001  # share of pixels at the limit of the camera from which a whole picture is suspicious
LOSSY: Final = (".jpg", ".jpeg", ".jpe", ".jp2", ".webp")


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """Pixels as they were stored.

    Attributes:
        pixels: rows x columns, or channels x rows x columns; for a colour picture rows x columns x 3.
        ceiling: the largest value that the file can hold (255, 65535), NaN for decimal numbers.
        name: of the file.
        sha256: of the file; empty for an array.
        findings: what limits a measurement.
    """

    pixels: NDArray[Any]
    ceiling: float
    name: str = ""
    sha256: str = ""
    findings: tuple[Finding, ...] = ()

    @property
    def clipped(self) -> NDArray[np.bool_]:
        """Pixels at the ceiling."""
        if np.isnan(self.ceiling):
            return np.zeros(self.pixels.shape, bool)
        return self.pixels >= self.ceiling


def images_extra(package: str) -> ModuleType:
    """A package of the extra `images`, imported when it is needed.

    Raises:
        UsageError: I100, it is not installed.
    """
    from importlib import import_module

    try:
        return import_module(package)
    except ModuleNotFoundError:
        raise UsageError(
            Finding(
                "I100",
                "error",
                f"this needs the package {package.split('.')[0]}, which is not installed",
                remedy="pip install 'sequela[images]'",
            )
        ) from None


def picture(pixels: ArrayLike, name: str = "", ceiling: float | None = None) -> Picture:
    """A picture of an array; `ceiling` is that of its integer type unless a camera of fewer bits is named.

    Raises:
        DataError: I101, it has no two to three dimensions, no pixels, or values that are missing.
    """
    values = np.asarray(pixels)
    if values.ndim not in (2, 3) or not values.size or not np.isfinite(values).all():
        found = (
            f"shape {values.shape}"
            if values.ndim not in (2, 3) or not values.size
            else "values that are missing"
        )
        raise DataError(
            Finding("I101", "error", "no picture that can be measured", Where(name or None), found,
                    "rows x columns, with channels or colours as a third axis", "export the picture again")
        )  # fmt: skip
    if ceiling is None:
        ceiling = float(np.iinfo(values.dtype).max) if values.dtype.kind == "u" else float("nan")
    return Picture(values, ceiling, name, "", _judged(values, ceiling, name))


def read_picture(path: Path, ceiling: float | None = None) -> Picture:
    """A picture from a TIFF, PNG or other file; pixels are not changed.

    A 12-bit camera's picture in a 16-bit file needs `ceiling=4095`, else its saturation cannot be seen (where
    the largest value is 1023, 4095 or 16383 and often reached, that is taken and said: I105).

    Raises:
        DataError: I101, the file is missing or no picture.
        UsageError: I100, tifffile is not installed.
    """
    if not path.is_file():
        raise DataError(
            Finding("I101", "error", "the picture is missing", Where(str(path)), remedy="correct the path")
        )
    raw = path.read_bytes()
    values = _pixels(path)
    made = picture(values, path.name, ceiling)
    found = list(made.findings)
    if path.suffix.lower() in LOSSY:
        found.insert(
            0,
            Finding("I102", "error", "a picture with lossy compression cannot be quantified", Where(path.name),
                    path.suffix.lower(), "TIFF or PNG, as the instrument wrote it",
                    "export the unmodified picture; a JPEG turned into TIFF stays a JPEG"),
        )  # fmt: skip
    digest = hashlib.sha256(raw).hexdigest()
    limit, more = _camera(made) if ceiling is None else (made.ceiling, [])
    return Picture(made.pixels, limit, path.name, digest, (*found, *more))


def _pixels(path: Path) -> NDArray[Any]:
    try:
        if path.suffix.lower() in (".tif", ".tiff"):
            return images_extra("tifffile").imread(path)
        from PIL import Image

        with Image.open(path) as opened:
            return np.asarray(opened.convert("RGB") if opened.mode in ("P", "RGBA", "CMYK") else opened)
    except (OSError, ValueError) as fault:
        raise DataError(
            Finding("I101", "error", "the file is no picture that can be read", Where(str(path)), str(fault),
                    "TIFF, PNG", "export it again as TIFF")
        ) from None  # fmt: skip


def _camera(made: Picture) -> tuple[float, list[Finding]]:
    """The ceiling of a camera of 10, 12 or 14 bits behind a 16-bit file."""
    top = float(made.pixels.max())
    if made.ceiling == 65535 and top in (1023, 4095, 16383) and (made.pixels == top).mean() > CLIPPED / 10:
        bits = int(np.log2(top + 1))
        note = Finding("I105", "note", f"taken for a camera of {bits} bits: {top:g} is its largest value",
                       Where(made.name), f"largest value {top:g}", None, "pass `ceiling` if it is wrong")  # fmt: skip
        clipped = (made.pixels == top).mean()
        return top, [note, *_clipping(clipped, made.name)]
    return made.ceiling, []


def _judged(values: NDArray[Any], ceiling: float, name: str) -> tuple[Finding, ...]:
    found: list[Finding] = []
    if values.dtype == np.uint8:
        found.append(
            Finding("I103", "note", "8 bits: 256 steps between black and white", Where(name or None), "uint8",
                    "16 bits", "export with the full depth of the camera: weak bands drown in the steps")
        )  # fmt: skip
    elif values.dtype == np.uint16 and (steps := _steps(values)) <= 256:
        found.append(
            Finding("I103", "note", "8 bits in a file of 16: at most 256 steps between black and white",
                    Where(name or None), f"{steps} different values", "16 bits",
                    "export with the full depth of the camera: weak bands drown in the steps")
        )  # fmt: skip
    if not np.isnan(ceiling):
        found += _clipping(float((values >= ceiling).mean()), name)
    return tuple(found)


def _steps(values: NDArray[np.uint16]) -> int:
    """How many different values there are, where there are pixels, and a range, that would hold far more."""
    steps = int((np.bincount(values.ravel()) > 0).sum())
    return steps if values.size > 4096 and np.ptp(values) > 4 * steps > 8 else 65536


def _clipping(share: float, name: str) -> list[Finding]:
    if share <= CLIPPED:
        return []
    return [
        Finding("I104", "warning", "pixels at the limit of the camera", Where(name or None),
                f"{100 * share:.1f} % of pixels", f"at most {100 * CLIPPED:g} %",
                "expose for a shorter time; measurements in clipped places are lower limits")
    ]  # fmt: skip


def grey(source: Picture) -> Picture:
    """One value a pixel: colours are averaged, which a note says (I106); other pictures stay as they are."""
    if source.pixels.ndim == 2:
        return source
    if source.pixels.shape[-1] not in (3, 4):
        raise DataError(
            Finding("I101", "error", "the picture has several channels", Where(source.name or None),
                    f"shape {source.pixels.shape}", "rows x columns", "choose one channel")
        )  # fmt: skip
    note = Finding("I106", "note", "a colour picture was averaged to grey", Where(source.name or None),
                   f"shape {source.pixels.shape}", "one value a pixel", "give the scanner's grey picture")  # fmt: skip
    values = source.pixels[..., :3].astype(float).mean(axis=-1)
    return Picture(values, source.ceiling, source.name, source.sha256, (*source.findings, note))

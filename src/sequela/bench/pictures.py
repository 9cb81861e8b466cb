"""Pictures: unmodified pixels with what is known of them, and what forbids a measurement."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sequela.core.errors import DataError, UsageError
from sequela.core.finding import Finding, Where

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import ModuleType

    from numpy.typing import ArrayLike, NDArray

CLIPPED: Final = 0.001  # share of pixels at the limit of the camera from which a whole picture is suspicious
LOSSY: Final = (".jpg", ".jpeg", ".jpe", ".jp2", ".webp")
FORMATS: Final = ("JPEG", "JPEG2000", "MPO", "WEBP")  # by the file's first bytes, whatever it is called
COMPRESSIONS: Final = (6, 7, 33003, 33004, 33005, 34712, 34892, 50001, 50002)  # of TIFF: JPEG and its kin
TONES: Final = 16  # different values, at most, of a mask or a picture reduced to a few greys
UNMEASURABLE: Final = ("I102", "I107")


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

    A 12-bit camera's picture in a 16-bit file needs `ceiling=4095`, else its saturation may not be seen (where
    the largest value is 1023, 4095 or 16383 and often reached, or stands out as a plateau, that is taken and
    said: I105).

    Raises:
        DataError: I101, the file is missing or no picture; I102, a TIFF that was packed with loss.
        UsageError: I100, tifffile is not installed.
    """
    if not path.is_file():
        raise DataError(
            Finding("I101", "error", "the picture is missing", Where(str(path)), remedy="correct the path")
        )
    raw = path.read_bytes()
    values, lossy = _pixels(path)
    made = picture(values, path.name, ceiling)
    found = list(made.findings)
    if lossy:
        found.insert(0, _lossy(path.name, lossy))
    digest = hashlib.sha256(raw).hexdigest()
    limit, more = _camera(made) if ceiling is None else (made.ceiling, [])
    return Picture(made.pixels, limit, path.name, digest, (*found, *more))


def _pixels(path: Path) -> tuple[NDArray[Any], str]:
    """The pixels, and how they were compressed with loss: by the file itself, not only by its name."""
    name = path.suffix.lower()
    try:
        if name in (".tif", ".tiff"):
            with images_extra("tifffile").TiffFile(path) as opened:
                packed = opened.pages[0].compression
                if int(packed) in COMPRESSIONS:  # what unpacks it may not be there, and would not help
                    raise DataError(_lossy(path.name, f"{name} packed as {packed.name}"))
                return opened.asarray(), ""
        from PIL import Image

        with Image.open(path) as opened:
            kind = str(opened.format)
            pixels = np.asarray(opened.convert("RGB") if opened.mode in ("P", "RGBA", "CMYK") else opened)
    except (OSError, ValueError) as fault:
        raise DataError(
            Finding("I101", "error", "the file is no picture that can be read", Where(str(path)), str(fault),
                    "TIFF, PNG", "export it again as TIFF")
        ) from None  # fmt: skip
    if name in LOSSY:
        return pixels, name
    return pixels, f"{kind} under the name {name}" if kind in FORMATS else ""


def _lossy(name: str, found: str) -> Finding:
    return Finding("I102", "error", "a picture with lossy compression cannot be quantified", Where(name), found,
                   "TIFF or PNG, as the instrument wrote it",
                   "export the unmodified picture; a JPEG turned into TIFF stays a JPEG")  # fmt: skip


def measurable(source: Picture) -> Picture:
    """The picture itself, if amounts can be read from it.

    Raises:
        DataError: I102, lossy compression; I107, a mask or a few greys.
    """
    if faults := [finding for finding in source.findings if finding.code in UNMEASURABLE]:
        raise DataError(faults)
    return source


def copies(named: Sequence[tuple[str, str]]) -> dict[int, Finding]:
    """Places among (name, sha256) whose file is that of another place too: one picture cannot be two measurements."""
    places: dict[str, list[int]] = {}
    for place, (_, sha256) in enumerate(named):
        places.setdefault(sha256, []).append(place)
    return {
        place: Finding("I108", "error", "the same picture stands in several places", Where(named[place][0]),
                       "the same as " + ", ".join(named[other][0] for other in alike if other != place),
                       "a picture of its own for each", "correct the file names; none of them is used")
        for alike in places.values() if len(alike) > 1 for place in alike
    }  # fmt: skip


def _camera(made: Picture) -> tuple[float, list[Finding]]:
    """The limit of a camera of fewer bits than the file, or the value at which the picture was cut off."""
    if made.pixels.dtype.name not in ("uint8", "uint16") or made.pixels.shape[-1] in (3, 4):
        return made.ceiling, []
    top = float(made.pixels.max())
    share = float((made.pixels == top).mean())
    camera = made.ceiling == 65535 and top in (1023, 4095, 16383) and share > CLIPPED / 10
    if top >= made.ceiling or not (camera or plateau(made.pixels)):
        return made.ceiling, []
    words = f"taken for a camera of {int(np.log2(top + 1))} bits: {top:g} is its largest value" if camera else (
        f"taken for cut off at {top:g}: many pixels have that value, and few one just below")  # fmt: skip
    note = Finding("I105", "note", words, Where(made.name), f"largest value {top:g}", None,
                   "say `ceiling` if it is wrong")  # fmt: skip
    return top, [note, *_clipping(share, made.name)]


def plateau(values: NDArray[Any]) -> bool:
    """Whether the largest value is held by far more pixels than the values just below: it was cut off there.

    At least ten pixels and a ten-thousandth of the picture, and five times as many as a value of the two hundredths
    of the range below it holds on average; the top of an intact band or cell is rounded, and holds about twice.
    """
    top, span = float(values.max()), float(np.ptp(values))
    near = max(1.0, 0.02 * span)
    held, below = int((values == top).sum()), values[(values < top) & (values >= top - near)]
    steps = int(near) if values.dtype.kind in "ui" else max(1, len(np.unique(below)))
    return span > 0 and held >= max(10, CLIPPED / 10 * values.size) and held >= 5 * below.size / steps


def _judged(values: NDArray[Any], ceiling: float, name: str) -> tuple[Finding, ...]:
    found: list[Finding] = []
    if tones := _tones(values):
        found.append(
            Finding("I107", "error", "a mask, or a picture of a few greys: it holds no amounts", Where(name or None),
                    f"{tones} different values ({values.dtype})", "8 bits at the least, 16 better",
                    "give the picture as the camera wrote it, without threshold or palette")
        )  # fmt: skip
    elif values.dtype == np.uint8:
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


def _tones(values: NDArray[Any]) -> int:
    """How many values there are if they are too few for a measurement, 0 if not (or if all are the same)."""
    if values.size <= 4096:
        return 0
    small = values.dtype.name in ("uint8", "uint16")
    found = int((np.bincount(values.ravel()) > 0).sum()) if small else len(np.unique(values))
    return found if 1 < found <= TONES else 0


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

"""Data sets of your own pictures: a folder with one subfolder per class."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.datasets.arrays import PARTS
from zoo.errors import DataError, InvalidValue
from zoo.utils.constraints import Count, check

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff")
_PARTS = {folder: part for part, folders in PARTS.items() for folder in folders}
Examples = tuple[np.ndarray, np.ndarray]


def read_folder(
    path: Path, *, size: int | tuple[int, int] | None = None, color: bool | None = None, invert: bool = False
) -> dict[str, Examples]:
    """Reads a folder of pictures.

    Args:
        path: Folder with one subfolder per class, or with the subfolders `train`, `validation` and `test` of such.
            Pictures are taken in the order of their names, whatever their class. Other files are refused, unless they
            lie beside the subfolders or begin with a dot.
        size: Height and width to resize the pictures to, or one number for both. Defaults to None: they must all have
            one size.
        color: Whether to read colors, or brightness alone. Defaults to None: colors if any picture has them.
        invert: Whether to exchange dark and light. Defaults to False.

    Returns:
        Inputs, float32 in [0, 1], `(examples, height, width, channels)`, and names of classes, by part.

    Raises:
        InvalidValue: The folder has no pictures in subfolders, or pictures of several sizes.
        DataError: A file is not a picture or damaged.
    """
    for side in size if isinstance(size, (tuple, list)) else [size]:
        check("size", side, Count | None)
    if isinstance(size, (tuple, list)) and len(size) != 2:
        raise InvalidValue(f"size must be a height and a width; got {size}.")
    color = check("color", color, bool | None)
    folders = {_PARTS.get(each.name, each.name): each for each in _list_folders(path)}
    parts = folders if "train" in folders else {"train": path}
    if unknown := [part for part in parts if part not in PARTS]:
        raise InvalidValue(f"{path} must have the folders train, validation and test; got {', '.join(unknown)} too.")
    files = {part: _list_pictures(folder) for part, folder in parts.items()}
    pictures = {part: [open_picture(file) for file, _ in listed] for part, listed in files.items()}
    if color is None:
        color = any(has_color(picture) for listed in pictures.values() for picture in listed)
    examples = {}
    for part, listed in files.items():
        arrays = [to_array(picture, size=size, color=color, invert=invert) for picture in pictures[part]]
        shapes = {array.shape[:2] for array in arrays}
        if len(shapes) > 1:
            found = ", ".join(f"{height}x{width}" for height, width in sorted(shapes)[:4])
            raise InvalidValue(f"The pictures in {path} must have one size, or be resized by size=28; got {found}.")
        examples[part] = np.stack(arrays), np.array([label for _, label in listed])
    return examples


def open_picture(path: str | Path) -> Image:
    """Opens a picture, turned upright.

    Raises:
        DataError: The file is missing, damaged or of another kind, or has several frames.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as picture:
            if (frames := getattr(picture, "n_frames", 1)) > 1:
                raise DataError(f"{path} must be one picture; got {frames} frames.")
            return ImageOps.exif_transpose(picture).copy()
    except DataError:
        raise
    except Exception as error:  # Pillow raises anything for a damaged file
        raise DataError(f"{path} is damaged, or is not one of {', '.join(SUFFIXES)}: {error}") from error


def has_color(picture: Image) -> bool:
    """Returns whether a picture has colors, and not only brightness."""
    if picture.mode in ("1", "L", "LA", "I", "F") or picture.mode.startswith("I;"):
        return False
    red, green, blue = (np.asarray(band) for band in picture.convert("RGB").split())
    return not (np.array_equal(red, green) and np.array_equal(green, blue))


def to_array(
    picture: Image, *, size: int | Sequence[int] | None = None, color: bool = False, invert: bool = False
) -> np.ndarray:
    """Returns a picture as an array.

    Args:
        picture: A picture. What is transparent becomes white.
        size: Height and width, or one number for both. Defaults to None, as it is.
        color: Whether to keep colors. Defaults to False.
        invert: Whether to exchange dark and light. Defaults to False.

    Returns:
        float32 in [0, 1], `(height, width, channels)`, with one channel or three.
    """
    from PIL import Image

    if picture.mode == "F":
        raise InvalidValue("A picture must have whole numbers; got 32-bit floats. Save it as PNG.")
    if picture.mode.startswith("I"):  # 16 bits, which Pillow would cut off at 255
        picture = Image.fromarray((np.asarray(picture, np.float32) / 257).round().clip(0, 255).astype(np.uint8))
    if picture.mode in ("LA", "PA", "RGBA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    picture = picture.convert("RGB" if color else "L")
    if size is not None:
        height, width = (size, size) if isinstance(size, int) else size
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    array = np.asarray(picture, np.float32).reshape(picture.height, picture.width, -1) / np.float32(255)
    return 1 - array if invert else array


def _list_folders(path: Path) -> list[Path]:
    return sorted(each for each in path.iterdir() if each.is_dir() and not each.name.startswith("."))


def _list_pictures(path: Path) -> list[tuple[Path, str]]:
    """Returns the files of all classes in a folder and their classes, in the order of the files' names."""
    found = []
    for folder in _list_folders(path):
        for file in folder.rglob("*"):
            if file.is_dir() or file.name.startswith(".") or file.name == "Thumbs.db":
                continue
            if file.suffix.lower() not in SUFFIXES:
                raise DataError(f"{file} is not a picture: its name must end in one of {', '.join(SUFFIXES)}.")
            found.append((file, folder.name))
    if not found:
        raise InvalidValue(f"{path} must have one subfolder of pictures per class; it has none.")
    return sorted(found, key=lambda pair: (_natural(pair[0].name), pair[1]))


def _natural(name: str) -> list[Any]:
    """Returns a key by which 2.png comes before 10.png."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]

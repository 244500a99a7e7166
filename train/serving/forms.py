"""Reads multipart forms of fields and photographs, bounded in parts, bytes, pixels and time."""

from __future__ import annotations

import asyncio
import io
import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError
from PIL import Image

from common.errors import UserError
from train.inference.outfits.photographs import IMAGE_SUFFIXES

_MAX_FIELD_BYTES: Final = 64


@dataclass(frozen=True)
class FormLimits:
    """The largest form that is read."""

    bytes: int = 10 * 2**20
    """Of one photograph"""
    pixels: int = 60_000_000
    """Of one photograph"""
    parts: int = 12
    seconds: float = 60.0
    """Maximum time until the whole form has arrived"""


@dataclass
class Form:
    """A submitted form: its fields, each of which may come several times, and how many photographs of each name."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    photographs: dict[str, int] = field(default_factory=dict)

    def first(self, name: str, default: str = "") -> str:
        """Return a field's first value."""
        return self.fields.get(name, [default])[0]


async def read_form(
    request: web.Request, limits: FormLimits, photographs: Collection[str], open_file: Callable[[str], BinaryIO]
) -> Form:
    """Read a form part by part; each photograph goes into the file that ``open_file(name)`` returns, as it arrives.

    Parts of other names than ``photographs`` are fields. Raise HTTPRequestTimeout, HTTPRequestEntityTooLarge,
    HTTPUnsupportedMediaType or HTTPBadRequest.
    """
    if not request.content_type.startswith("multipart/"):
        raise web.HTTPUnsupportedMediaType(reason="expected multipart form data")
    form = Form()
    try:
        async with asyncio.timeout(limits.seconds):
            await _read_parts(request, limits, photographs, open_file, form)
    except TimeoutError as error:
        raise web.HTTPRequestTimeout(
            reason=f"the form did not arrive within {limits.seconds:g} seconds", headers={"Connection": "close"}
        ) from error
    except (ValueError, HttpProcessingError, web.RequestPayloadError) as error:
        raise web.HTTPBadRequest(reason="malformed form data") from error
    return form


async def _read_parts(
    request: web.Request,
    limits: FormLimits,
    photographs: Collection[str],
    open_file: Callable[[str], BinaryIO],
    form: Form,
) -> None:
    count = 0
    async for part in await request.multipart():
        count += 1
        if count > limits.parts:
            raise web.HTTPRequestEntityTooLarge(
                limits.parts, count, reason=f"too many parts; the maximum is {limits.parts}"
            )
        if not isinstance(part, BodyPartReader):
            raise web.HTTPBadRequest(reason="nested multipart data is not supported")
        name = str(part.name)
        if name in photographs:
            with open_file(name) as file:
                await _copy(part, limits.bytes, file)
            form.photographs[name] = form.photographs.get(name, 0) + 1
        else:
            value = io.BytesIO()
            await _copy(part, _MAX_FIELD_BYTES, value)
            form.fields.setdefault(name, []).append(value.getvalue().decode("utf-8", errors="replace"))


async def _copy(part: BodyPartReader, most: int, file: BinaryIO) -> None:
    """Write a part's bytes to ``file``, at most ``most``."""
    size = 0
    while chunk := await part.read_chunk():
        size += len(chunk)
        if size > most:
            said = f"{most // 2**20} MB per image" if most > 2**20 else f"{most} bytes per field"
            raise web.HTTPRequestEntityTooLarge(most, size, reason=f"too large; the maximum is {said}")
        file.write(chunk)


def image_suffix(file: BinaryIO, most_pixels: int) -> str:
    """Return the file name's suffix of an image by its content, of which only the header is read.

    Raise UserError if it is not an image that can be read here, or has more pixels.
    """
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(file, formats=_formats()) as image:
            suffix = IMAGE_SUFFIXES[image.format or ""]
            pixels = image.width * image.height
    except Image.DecompressionBombError as error:
        raise UserError(f"the image has too many pixels; the maximum is {most_pixels / 1e6:.0f} million") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise UserError("cannot read this file as an image; send a JPEG, PNG, WebP, AVIF or TIFF") from error
    if pixels > most_pixels:
        raise UserError(
            f"the image has {pixels / 1e6:.0f} million pixels; the maximum is {most_pixels / 1e6:.0f} million"
        )
    return suffix


def _formats() -> list[str]:
    """Return the formats that this Pillow reads; MPO is a JPEG followed by more images, opened as its first.

    HEIC is not among them, whether or not its package was registered meanwhile: browsers send JPEG in its place.
    """
    Image.init()
    return [name for name in IMAGE_SUFFIXES if name in Image.OPEN and name != "HEIF"]

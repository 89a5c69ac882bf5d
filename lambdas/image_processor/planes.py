"""Samples of a picture outside MuPDF: a colour plane and an alpha plane, joined whatever their sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdas.image_processor import png
from lambdas.image_processor.engine import mupdf

if TYPE_CHECKING:
    from lambdas.image_processor.contract import Format


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished image file."""

    width: int
    height: int
    format: Format
    data: bytes


@dataclass(frozen=True, slots=True)
class Plane:
    """Bytes of one or more channels, pixel after pixel, rows without padding."""

    width: int
    height: int
    channels: int
    samples: bytes

    @classmethod
    def of(cls, pixmap: Any) -> Plane:
        """Copy a pixmap's samples, alpha included: they go with the pixmap."""
        return cls(pixmap.w(), pixmap.h(), pixmap.n(), bytes(mupdf.fz_pixmap_samples_memoryview(pixmap)))

    @classmethod
    def filled(cls, width: int, height: int, colour: tuple[int, int, int]) -> Plane:
        """Make a plane of one sRGB colour, of one channel where it is a grey."""
        pixel = bytes(colour[:1] if len(set(colour)) == 1 else colour)
        return cls(width, height, len(pixel), pixel * (width * height))

    def pixmap(self, space: Any) -> Any:
        """Hand the samples to MuPDF, as opaque colours of a colour space."""
        pixmap = mupdf.fz_new_pixmap(space, self.width, self.height, mupdf.FzSeparations(), 0)
        mupdf.fz_pixmap_samples_memoryview(pixmap)[:] = self.samples
        return pixmap

    def channel(self, index: int) -> Plane:
        """Take one channel out."""
        return Plane(self.width, self.height, 1, self.samples[index :: self.channels])

    def without_last(self) -> Plane:
        """Leave the last channel out."""
        kept = self.channels - 1
        out = bytearray(self.width * self.height * kept)
        for index in range(kept):
            out[index::kept] = self.samples[index :: self.channels]
        return Plane(self.width, self.height, kept, bytes(out))

    def divided(self, alpha: Plane) -> Plane:
        """Undo the multiplication of colours by an alpha of the same size."""
        out = bytearray(self.samples)
        for index in range(self.channels):
            pairs = zip(self.samples[index :: self.channels], alpha.samples, strict=True)
            out[index :: self.channels] = bytes(min(255, value * 255 // part) if part else 0 for value, part in pairs)
        return Plane(self.width, self.height, self.channels, bytes(out))

    def stretched(self, width: int, height: int) -> Plane:
        """Repeat pixels, as the PDF standard shows an image that is not to be interpolated."""
        if (width, height) == (self.width, self.height):
            return self
        columns = [(2 * x + 1) * self.width // (2 * width) for x in range(width)]
        stride, rows, last, wide = self.width * self.channels, [], -1, b""
        for y in range(height):
            row = (2 * y + 1) * self.height // (2 * height)
            if row != last:
                last, wide = row, self._wide(self.samples[row * stride : (row + 1) * stride], columns)
            rows.append(wide)
        return Plane(width, height, self.channels, b"".join(rows))

    def _wide(self, row: bytes, columns: list[int]) -> bytes:
        out = bytearray(len(columns) * self.channels)
        for channel in range(self.channels):
            out[channel :: self.channels] = bytes(map(row[channel :: self.channels].__getitem__, columns))
        return bytes(out)


def joined(colour: Plane, alpha: Plane) -> Picture:
    """Make a picture of grey or RGB colours and an alpha. The smaller is stretched, so that neither loses a pixel."""
    width, height = max(colour.width, alpha.width), max(colour.height, alpha.height)
    samples = [plane.stretched(width, height).samples for plane in (colour, alpha)]
    return Picture(width, height, "png", png.encode(width, height, *samples))

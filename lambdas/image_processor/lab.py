"""CIE L*a*b* images, which MuPDF shows in wrong colours: it ignores the colour space's white point and its range.

Each such colour space is replaced, in memory, by a DeviceN of three components with a function that computes sRGB by
the formulas of ISO 32000-1, 8.6.5.4, and Bradford's adaptation of the white. It costs about a second a megapixel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lambdas.image_processor import device_n
from lambdas.image_processor.engine import mupdf

if TYPE_CHECKING:
    from collections.abc import Sequence

Matrix = tuple[tuple[float, ...], ...]

D65 = (0.95047, 1.0, 1.08883)
DEFAULT_RANGE = (-100.0, 100.0, -100.0, 100.0)
BRADFORD: Matrix = (
    (0.8951, 0.2664, -0.1614),
    (-0.7502, 1.7135, 0.0367),
    (0.0389, -0.0685, 1.0296),
)
BRADFORD_BACK: Matrix = (
    (0.9869929, -0.1470543, 0.1599627),
    (0.4323053, 0.5183603, 0.0492912),
    (-0.0085287, 0.0400428, 0.9684867),
)
SRGB: Matrix = (
    (3.2404542, -1.5371385, -0.4985314),
    (-0.9692660, 1.8760108, 0.0415560),
    (0.0556434, -0.2040259, 1.0572252),
)
"""From XYZ under D65."""

_CUBE = "dup 0.2068966 gt {dup dup mul mul} {0.1379310 sub 0.1284185 mul} ifelse"
_GAMMA = "dup 0.0031308 le {12.92 mul} {0.41666667 exp 1.055 mul 0.055 sub} ifelse"


def replaced(pdf: Any, space: Any) -> Any | None:
    """Return what stands for a colour space that is Lab, or Indexed over Lab; None for others."""
    name = mupdf.pdf_to_name(mupdf.pdf_array_get(space, 0))
    if name == "Lab":
        return _device_n(pdf, mupdf.pdf_array_get(space, 1))
    if name not in ("Indexed", "I"):
        return None
    base = mupdf.pdf_array_get(space, 1)
    if mupdf.pdf_to_name(mupdf.pdf_array_get(base, 0)) != "Lab":
        return None
    copy = mupdf.pdf_copy_array(space)
    mupdf.pdf_array_put(copy, 1, _device_n(pdf, mupdf.pdf_array_get(base, 1)))
    return copy


def decode(space: Any, given: Sequence[float]) -> list[float]:
    """Return a Lab image's Decode array, which is in units of L*, a* and b*, in units from 0 to 1."""
    limits = (0.0, 100.0, *_range(mupdf.pdf_array_get(space, 1)))
    return [
        (value - limits[index // 2 * 2]) / (limits[index // 2 * 2 + 1] - limits[index // 2 * 2] or 1.0)
        for index, value in enumerate(given[:6])
    ]


def program(white: Sequence[float], limits: Sequence[float]) -> str:
    """Write the PostScript function: L*, a*, b*, each from 0 to 1 over its range, to sRGB."""
    a_least, a_most, b_least, b_most = limits
    adapted = tuple(
        tuple(value * cone for value, cone in zip(row, _cones(white), strict=True)) for row in BRADFORD_BACK
    )
    scaled = tuple(tuple(value * part for value, part in zip(row, white, strict=True)) for row in BRADFORD)
    red, green, blue = _product(SRGB, _product(adapted, scaled))
    return (
        f"{{ exch {a_most - a_least:g} mul {a_least:g} add 500 div "
        f"exch {b_most - b_least:g} mul {b_least:g} add 200 div "
        "3 -1 roll 100 mul 16 add 116 div dup 4 1 roll exch sub 3 1 roll 1 index add "
        f"{_CUBE} 3 1 roll {_CUBE} 3 1 roll {_CUBE} "
        f"3 copy {_dot(red)} 4 1 roll 3 copy {_dot(green)} 4 1 roll {_dot(blue)} "
        f"{_GAMMA} 3 1 roll {_GAMMA} 3 1 roll {_GAMMA} 3 1 roll }}"
    )


def _device_n(pdf: Any, parameters: Any) -> Any:
    white = _numbers(mupdf.pdf_dict_gets(parameters, "WhitePoint"))
    text = program(white if len(white) == 3 and min(white) > 0 else D65, _range(parameters))  # noqa: PLR2004
    return device_n.space(pdf, 3, "DeviceRGB", 3, text)


def _range(parameters: Any) -> Sequence[float]:
    given = _numbers(mupdf.pdf_dict_gets(parameters, "Range"))
    return given if len(given) == len(DEFAULT_RANGE) else DEFAULT_RANGE


def _numbers(array: Any) -> list[float]:
    return [mupdf.pdf_to_real(mupdf.pdf_array_get(array, index)) for index in range(min(6, mupdf.pdf_array_len(array)))]


def _cones(white: Sequence[float]) -> list[float]:
    """How each cone's response grows from the given white to D65."""
    return [_sum(row, D65) / (_sum(row, white) or 1.0) for row in BRADFORD]


def _sum(row: Sequence[float], column: Sequence[float]) -> float:
    return sum(left * right for left, right in zip(row, column, strict=True))


def _product(left: Matrix, right: Matrix) -> Matrix:
    return tuple(tuple(_sum(row, column) for column in zip(*right, strict=True)) for row in left)


def _dot(row: Sequence[float]) -> str:
    """X, Y and Z are on the stack in the order Y, X, Z."""
    return f"{row[2]:.7f} mul exch {row[0]:.7f} mul add exch {row[1]:.7f} mul add"

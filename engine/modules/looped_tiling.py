"""Tiles that are cut, and put together, in one pass over memory by loops in C.

They take a third of the time of the products of matrices that do the same, so Winograd's form gains
with fewer maps.

Shape letters: as in ``engine.modules.tiling``.
"""

import ctypes
from functools import cache

import torch
from torch import Tensor

from engine.loops.library import library
from engine.modules.tiling import REACH, SIDE, TILE, Tiling
from engine.modules.transforms import transforms

VECTOR = 16
"""Maps are a multiple of this."""

APART = 16
"""Numbers between the matrices of two products: those that lie powers of two apart would share few
lines of the cache; measured."""

POINTERS = ("matrix", "pixels", "products", "bias")
COUNTS = (
    *("image", "row", "column", "product"),
    *("images", "down", "across", "maps", "rows", "columns", "top", "left"),
)


class Turn(ctypes.Structure):
    """What the loops are called with; their source, ``engine/loops/tiles.c``, tells the fields."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in POINTERS),
        *((name, ctypes.c_int64) for name in COUNTS),
    )


def has_loops(maps: int, filters: int) -> bool:
    """Return whether there are loops for so many maps and filters on this processor."""
    return maps % VECTOR == filters % VECTOR == 0 and library("tiles") is not None


def can_loop(x: Tensor, u_PCK: Tensor) -> bool:
    """Return whether the loops can take images (N, C, H, W) and turned filters."""
    is_plain = x.dtype is torch.float32 and x.device.type == "cpu" and x.stride(1) == 1
    return is_plain and has_loops(*u_PCK.shape[1:])


@cache
def matrices() -> tuple[Tensor, Tensor]:
    """Return Bᵀ (6, 6) and A (6, 4) of one axis."""
    found = transforms(TILE, SIDE, torch.float32)
    return found.into_products, found.into_outputs.T.contiguous()


class LoopedTiling(Tiling):
    """How images are cut; see ``can_loop``."""

    def tiles(self, x_NHWC: Tensor) -> Tensor:
        return self._turned("tiles", x_NHWC)

    def products(self, v_PNC: Tensor, u_PCK: Tensor) -> Tensor:
        _, tiles, _ = v_PNC.shape
        return torch.bmm(v_PNC, u_PCK, out=room_for_products(tiles, u_PCK.shape[2]))

    def pixels(self, m_PNK: Tensor, bias: Tensor | None, y_NHWK: Tensor) -> None:
        self._turn("pixels", y_NHWK, m_PNK, bias)

    def tiles_of_pixels(self, y_NHWK: Tensor) -> Tensor:
        return self._turned("tiles_of_pixels", y_NHWK)

    def images(self, v_PNC: Tensor, x_NHWC: Tensor) -> None:
        self._turn("images", x_NHWC.zero_(), v_PNC)

    def _turned(self, loop: str, x_NHWC: Tensor) -> Tensor:
        """Return the factors of products that a loop makes of images, (P, N T U, C)."""
        if x_NHWC.stride(3) != 1:
            x_NHWC = x_NHWC.contiguous()
        images, *_, maps = x_NHWC.shape
        found = room_for_products(images * self.down * self.across, maps)
        self._turn(loop, x_NHWC, found)
        return found

    def _turn(self, loop: str, x_NHWC: Tensor, m_PNC: Tensor, bias: Tensor | None = None) -> None:
        images, rows, columns, maps = x_NHWC.shape
        of_input, of_output = matrices()
        is_input = loop in ("tiles", "images")
        left, _, top, _ = self.margins if is_input else (0, 0, 0, 0)
        pointers = (of_input if is_input else of_output, x_NHWC, m_PNC, bias)
        turn = Turn(
            *(None if each is None else each.data_ptr() for each in pointers),
            *x_NHWC.stride()[:3],
            m_PNC.stride(0),
            *(images, self.down, self.across, maps, rows, columns, top, left),
        )
        getattr(library("tiles"), f"castorch_{loop}")(ctypes.byref(turn))


def room_for_products(tiles: int, maps: int) -> Tensor:
    """Return matrices for numbers to come, (P, tiles, maps)."""
    apart = tiles * maps + APART
    room = torch.empty(REACH * REACH * apart)
    return room.as_strided((REACH * REACH, tiles, maps), (apart, maps, 1))

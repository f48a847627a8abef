"""Calls the loops of ``pooled.c``: convolutions of few maps, and the largest of 2 x 2 neighbours.

Shape letters: N rows, C maps, H W height and width, K filters, R S cells of a filter.
"""

import ctypes
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from engine.loops.arguments import WINDOW, Images, Margins, address, laid_images


class _Pooled(ctypes.Structure):
    """``Pooled`` of ``pooled.c``."""

    _fields_ = (
        ("x", Images),
        ("y", Images),
        *((name, ctypes.c_void_p) for name in ("filters", "bias", "scratch")),
        *(
            (name, ctypes.c_int64)
            for name in ("room", "images", "maps", "count", "down", "across", "threads")
        ),
    )


HANDED = (_Pooled,)
"""What the loops are handed."""


@dataclass(frozen=True)
class PooledLoops:
    """The loops; all tensors are float32 on a processor.

    Attributes:
        library: in which they are.
    """

    library: ctypes.CDLL

    @cached_property
    def lanes(self) -> int:
        """Numbers of a vector."""
        return int(self.library.castorch_lanes())

    def packed(self, weight: Tensor) -> Tensor:
        """Return filters (K, C, R, S) in the order that ``convolve`` reads."""
        filters = functional.pad(weight.permute(2, 3, 1, 0), (0, -len(weight) % self.lanes))
        return torch.stack(torch.split(filters, self.lanes, -1))

    def convolve(
        self, x: Tensor, packed: Tensor, bias: Tensor | None, margins: Margins, y: Tensor
    ) -> None:
        """Write the largest of every 2 x 2 neighbours of a convolution.

        Args:
            x: images (N, C, H, W), channels last.
            packed: filters; see ``packed``.
            bias: (K,), or None.
            margins: zeros around an image.
            y: (N, K, H', W'), channels last: at most as many windows as there are neighbours for.
        """
        left, _, top, _ = margins
        _, down, across, maps, _ = packed.shape
        threads = torch.get_num_threads()
        room = (down + WINDOW - 1) * (WINDOW * y.shape[3] + across - 1) * maps
        scratch = torch.empty(threads * room)
        job = _Pooled(
            x=laid_images(x, top, left),
            y=laid_images(y),
            filters=address(packed),
            bias=address(bias),
            scratch=address(scratch),
            room=room,
            images=len(x),
            maps=maps,
            count=y.shape[1],
            down=down,
            across=across,
            threads=threads,
        )
        self.library.castorch_convolve_pooled(ctypes.byref(job))

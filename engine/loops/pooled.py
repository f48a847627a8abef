"""Calls the loops of ``pooled.c``: convolutions of few maps, and the largest of 2 x 2 neighbours.

Shape letters: N rows, C maps, H W height and width, K filters, R S cells of a filter.
"""

import ctypes
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from engine.loops.arguments import WINDOW, Images, Margins, address, laid_images
from engine.loops.library import lanes


class _Pooled(ctypes.Structure):
    """``Pooled`` of ``pooled.c``."""

    _fields_ = (
        ("x", Images),
        ("y", Images),
        *(
            (name, ctypes.c_void_p)
            for name in ("filters", "bias", "places", "gradients", "scratch")
        ),
        *(
            (name, ctypes.c_int64)
            for name in ("room", "images", "maps", "count", "down", "across", "threads")
        ),
    )


HANDED = (_Pooled,)
"""What the loops are handed."""


@dataclass(frozen=True)
class PooledLoops:
    """The loops; all tensors but places are float32, on a processor.

    Attributes:
        library: in which they are.
    """

    library: ctypes.CDLL

    def convolve(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        margins: Margins,
        y: Tensor,
        places: Tensor | None = None,
    ) -> None:
        """Write the largest of every 2 x 2 neighbours of a convolution.

        Args:
            x: images (N, C, H, W), channels last.
            weight: filters (K, C, R, S).
            bias: (K,), or None.
            margins: zeros around an image.
            y: (N, K, H', W'), channels last: at most as many windows as there are neighbours for.
            places: int32, laid as ``y``: where a maximum is found, 0 to 3, row by row; or None.
        """
        filters = functional.pad(
            weight.permute(2, 3, 1, 0), (0, -len(weight) % lanes(self.library))
        )
        packed = torch.stack(torch.split(filters, lanes(self.library), -1))
        job = self._job(x, weight, margins, y)
        scratch = torch.empty(job.threads * job.room)
        job.filters, job.bias = address(packed), address(bias)
        job.places, job.scratch = address(places), address(scratch)
        self.library.castorch_convolve_pooled(ctypes.byref(job))

    def gradients(
        self, x: Tensor, y: Tensor, places: Tensor, margins: Margins, weight: Tensor
    ) -> None:
        """Write the gradients of filters.

        Args:
            x: images (N, C, H, W), channels last.
            y: gradients of maxima (N, K, H', W'), channels last.
            places: those of ``convolve``.
            margins: zeros around an image.
            weight: (K, C, R, S), where they go, in any order in memory.
        """
        job = self._job(x, weight, margins, y)
        vectors = -(-len(weight) // lanes(self.library))
        job.room += y.shape[3] * WINDOW**2 * vectors * lanes(self.library)
        scratch = torch.empty(job.threads * job.room)
        _, maps, down, across = weight.shape
        sums = torch.empty(job.threads, vectors, down, across, maps, lanes(self.library))
        job.places, job.gradients, job.scratch = map(address, (places, sums, scratch))
        self.library.castorch_sum_pooled_gradients(ctypes.byref(job))
        found = sums.sum(0).permute(0, 4, 3, 1, 2).flatten(0, 1)
        weight.copy_(found[: len(weight)])

    def _job(self, x: Tensor, weight: Tensor, margins: Margins, y: Tensor) -> _Pooled:
        """Return what both loops are handed; room is that for the rows a row of windows sees."""
        left, _, top, _ = margins
        count, maps, down, across = weight.shape
        return _Pooled(
            x=laid_images(x, top, left),
            y=laid_images(y),
            room=(down + WINDOW - 1) * (WINDOW * y.shape[3] + across - 1) * maps,
            images=len(x),
            maps=maps,
            count=count,
            down=down,
            across=across,
            threads=torch.get_num_threads(),
        )

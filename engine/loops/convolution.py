"""Calls the loops of ``convolution.h``: convolutions in Winograd's form, and gradients of filters.

Shape letters: N rows, C maps, H W height and width, K filters, P products along both axes.
"""

import ctypes
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from engine.loops.arguments import Images, Margins, address, laid_images
from engine.loops.library import lanes

TILE = 4
"""Pixels of the output, down and across, that one tile gives."""

BLOCK = 24
"""Tiles that go through all steps together, in the cache of a core; measured."""
SUMMED_VALUES = 1 << 18
"""Values of tiles whose shares in the gradients of filters are summed at a time, or as many as the
sums if these are more; measured."""


class _Convolution(ctypes.Structure):
    """``Convolution`` of ``convolution.h``."""

    _fields_ = (
        ("x", Images),
        ("y", Images),
        *(
            (name, ctypes.c_void_p)
            for name in ("into", "out_of", "turned", "bias", "gradients", "scratch")
        ),
        *(
            (name, ctypes.c_int64)
            for name in ("room", "images", "down", "across", "maps", "filters")
        ),
        *((name, ctypes.c_int64) for name in ("block", "window", "threads")),
    )


class _Filters(ctypes.Structure):
    """``Filters`` of ``convolution.h``."""

    _fields_ = (
        ("first", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("filter", "map", "row", "column", "maps", "filters")),
        *((name, ctypes.c_void_p) for name in ("turn", "turned")),
        ("threads", ctypes.c_int64),
    )


HANDED = (_Convolution, _Filters)
"""What the loops are handed."""


@dataclass(frozen=True)
class Loops:
    """The loops for filters of one side; all tensors are float32 on a processor.

    Attributes:
        library: in which they are.
        into: Bᵀ of one axis, (√P, √P); all three lie row by row.
        of_filters: G of one axis, (√P, S).
        out_of: A of one axis, (√P, 4).
    """

    library: ctypes.CDLL
    into: Tensor
    of_filters: Tensor
    out_of: Tensor

    @cached_property
    def products(self) -> int:
        """P."""
        return len(self.into) ** 2

    def turned(self, weight: Tensor, *, back: bool = False) -> Tensor:
        """Return filters in the form of the products, in the order that ``convolve`` reads.

        Args:
            weight: filters (K, C, S, S), in any order in memory.
            back: turn them by half a circle and let maps and filters change places.
        """
        maps, filters = weight.shape[:2] if back else weight.shape[1::-1]
        job = self._filters(weight, maps, filters)
        if back:
            job.filter, job.map = job.map, job.filter
            job.first += 4 * (len(weight[0, 0]) - 1) * (job.row + job.column)
            job.row, job.column = -job.row, -job.column
        found = torch.empty(self._numbers(maps, filters))
        job.turned = address(found)
        self.library.castorch_turn(ctypes.byref(job))
        return found

    def convolve(
        self,
        x: Tensor,
        packed: Tensor,
        bias: Tensor | None,
        margins: Margins,
        y: Tensor,
        *,
        window: int = 1,
    ) -> None:
        """Write the convolution of images, or its maxima, into those of the output.

        Args:
            x: (N, C, H, W), channels last.
            packed: filters; see ``turned``.
            bias: (K,), or None.
            margins: zeros around an image.
            y: (N, K, H', W'), channels last.
            window: neighbours down and across of which the largest is taken; 1 or ``WINDOW``.
        """
        job = self._job(x, y, margins, window)
        job.block = min(BLOCK, -(-_tiles(job) // job.threads))
        job.room = self._room(job)
        scratch = torch.empty(job.threads * job.room)
        job.turned, job.bias, job.scratch = map(address, (packed, bias, scratch))
        self.library.castorch_convolve(ctypes.byref(job))

    def gradients(self, x: Tensor, y: Tensor, margins: Margins, weight: Tensor) -> None:
        """Write the gradients of filters.

        Args:
            x: images (N, C, H, W), channels last.
            y: gradients of the output (N, K, H', W'), channels last.
            margins: zeros around an image.
            weight: (K, C, S, S), where they go, in any order in memory.
        """
        job = self._job(x, y, margins)
        job.threads = min(job.threads, _tiles(job))
        of_tile = self.products * (job.maps + job.filters)
        values = max(SUMMED_VALUES, self.products * job.maps * job.filters)
        job.block = min(max(BLOCK, values // of_tile), -(-_tiles(job) // job.threads))
        job.room = self._room(job)
        scratch = torch.empty(job.threads * job.room)
        turned = torch.empty(job.threads * self._numbers(job.maps, job.filters))
        job.gradients, job.scratch = map(address, (turned, scratch))
        self.library.castorch_sum_gradients(ctypes.byref(job))
        filters = self._filters(weight, job.maps, job.filters)
        filters.turned, filters.threads = address(turned), job.threads
        self.library.castorch_turn_back(ctypes.byref(filters))

    def _filters(self, weight: Tensor, maps: int, filters: int) -> _Filters:
        return _Filters(
            weight.data_ptr(),
            *weight.stride(),
            maps=maps,
            filters=filters,
            turn=address(self.of_filters),
            threads=torch.get_num_threads(),
        )

    def _job(self, x: Tensor, y: Tensor, margins: Margins, window: int = 1) -> _Convolution:
        left, _, top, _ = margins
        images, maps, *_ = x.shape
        _, filters, rows, columns = y.shape
        return _Convolution(
            x=laid_images(x, top, left),
            y=laid_images(y),
            into=address(self.into),
            out_of=address(self.out_of),
            images=images,
            down=-(-rows * window // TILE),
            across=-(-columns * window // TILE),
            maps=maps,
            filters=filters,
            window=window,
            threads=torch.get_num_threads(),
        )

    def _room(self, job: _Convolution) -> int:
        """Return how many numbers the factors and the products of a block take."""
        return sum(self._numbers(job.block, each) for each in (job.maps, job.filters))

    def _numbers(self, rows: int, columns: int) -> int:
        """Return how many numbers the matrices of all products take."""
        vectors = rows * -(-columns // lanes(self.library)) + 1
        return self.products * lanes(self.library) * vectors


def _tiles(job: _Convolution) -> int:
    return int(job.images * job.down * job.across)

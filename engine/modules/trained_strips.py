"""Convolutions of images cut into strips, to be trained, in Winograd's form along the width.

The columns d that a strip looks at become V = Bᵀ d, each row g of a filter becomes U = G g, and
Aᵀ M are the columns that the strip gives, where M are the products, summed over maps and over the
rows that a filter sees. Those lie side by side in V, so that every row of the output is one product
of matrices for each of the P numbers. All steps are linear, so gradients go the same way back,
through the transposed matrices.

Shape letters: as in ``engine.modules.strips``; P products, as many as R; B strips of all images,
N T; L rows of a filter, J rows of the output.

Source: Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016, F(Q, S).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from engine.modules.strips import Strips
from engine.modules.transforms import Transforms, transforms

PASS_VALUES = 8_000_000
"""Values of V and M that are computed at a time, 32 MB. Fewer would stay in the caches and yet gain
nothing, and lose where threads wait long for one another; measured."""

MANY_STRIPS = 128
"""Least strips of a mini-batch with which turning filters and their gradients pays; measured."""


@dataclass(frozen=True)
class Form:
    """What is known of a convolution before any of its numbers.

    Attributes:
        strips: how images are cut.
        height: of an image, its margins among it.
        maps: C.
        filters: K.
        reach: L.
        dtype: of the numbers.
    """

    strips: Strips
    height: int
    maps: int
    filters: int
    reach: int
    dtype: torch.dtype

    @property
    def rows(self) -> int:
        """J."""
        return self.height - self.reach + 1

    @property
    def transforms(self) -> Transforms:
        return transforms(self.strips.gives, self.strips.side, self.dtype)

    @property
    def at_a_time(self) -> int:
        """Images that go through all steps together."""
        of_strip = self.strips.looks_at * (self.height * self.maps + self.rows * self.filters)
        return max(1, PASS_VALUES // (of_strip * self.strips.across))

    def turned(self, weight: Tensor) -> Tensor:
        """Return U (P, L C, K) of filters (K, C, L, S)."""
        u_KCLP = weight @ self.transforms.of_filters.T
        return u_KCLP.permute(3, 2, 1, 0).flatten(1, 2).contiguous()

    def turned_back(self, u: Tensor, weight: Tensor) -> Tensor:
        """Return the gradients of filters, laid as these, of those of U."""
        u_KCLP = u.view(-1, self.reach, self.maps, self.filters).permute(3, 2, 1, 0)
        return torch.empty_like(weight).copy_(u_KCLP @ self.transforms.of_filters)

    def cut(self, x: Tensor) -> Tensor:
        """Return V (P, B, H C) of images (N, C, H, W)."""
        d_HNTRC = self.strips.seen(x)
        d_R = d_HNTRC.permute(3, 1, 2, 0, 4).reshape(self.strips.looks_at, -1)
        v_P = self.transforms.into_products @ d_R
        return v_P.view(len(v_P), -1, self.height * self.maps)

    def joined(self, v: Tensor, image: Tensor) -> None:
        """Write the gradients of images (N, H, W, C), of those of V: strips overlap."""
        left, _, top, bottom = self.strips.margins
        height, width = self.height - top - bottom, image.shape[2]
        given, looked_at = self.strips.gives, self.strips.looks_at
        d_P = self.transforms.into_products.T @ v.flatten(1)
        d_NHTCR = d_P.view(looked_at, len(image), -1, self.height, self.maps).permute(1, 3, 2, 4, 0)
        columns = self.strips.across * given + self.strips.side - 1
        whole = v.new_zeros(len(image), self.height, columns, self.maps)
        seen_NHTCR = whole.unfold(2, looked_at, given)
        for first in range(0, looked_at, given):  # such columns of two strips never overlap
            here = slice(first, first + given)
            seen_NHTCR[..., here] += d_NHTCR[..., here]
        image.copy_(whole[:, top : top + height, left : left + width])

    def windows(self) -> Iterator[tuple[slice, slice]]:
        """Yield for every row of the output what filters see of V there, and where it is itself."""
        for row in range(self.rows):
            seen = slice(row * self.maps, (row + self.reach) * self.maps)
            yield seen, slice(row * self.filters, (row + 1) * self.filters)

    def products(self, v: Tensor, u: Tensor) -> Tensor:
        """Return M (J, P, B, K)."""
        m_JPBK = v.new_empty(self.rows, *v.shape[:2], self.filters)
        for m_PBK, (seen, _) in zip(m_JPBK, self.windows(), strict=True):
            torch.bmm(v[..., seen], u, out=m_PBK)
        return m_JPBK

    def columns(self, m_JPBK: Tensor, rows: int) -> Tensor:
        """Return what the products of so many images give, (N, J, T, Q, K)."""
        y_JQ = torch.matmul(self.transforms.into_outputs, m_JPBK.flatten(2))
        y_JQNTK = y_JQ.view(*y_JQ.shape[:2], rows, -1, self.filters)
        return y_JQNTK.permute(2, 0, 3, 1, 4)

    def of_columns(self, y: Tensor) -> Tensor:
        """Return the gradients (P, B, J K) of the products, of those of the output (N, K, J, W)."""
        y_NJWK = y.permute(0, 2, 3, 1)
        if self.strips.beyond:
            y_NJWK = functional.pad(y_NJWK, [0, 0, 0, self.strips.beyond])
        y_NJTQK = y_NJWK.reshape(len(y), self.rows, -1, self.strips.gives, self.filters)
        y_Q = y_NJTQK.permute(3, 0, 2, 1, 4).reshape(self.strips.gives, -1)
        m_P = self.transforms.into_outputs.T @ y_Q
        return m_P.view(len(m_P), -1, self.rows * self.filters)


def has_many_strips(x: Tensor, strips: Strips) -> bool:
    """Return whether images (N, C, H, W) have the strips with which training in strips gains."""
    return len(x) * strips.across >= MANY_STRIPS


def convolve_in_strips(x: Tensor, weight: Tensor, bias: Tensor | None, strips: Strips) -> Tensor:
    """Return the convolution (N, K, H', W') of images (N, C, H, W) with filters that are trained.

    Args:
        x: the images.
        weight: filters (K, C, L, S).
        bias: (K,), or None.
        strips: how the images are cut.
    """
    y: Tensor = _StripConvolution.apply(x, weight, bias, strips)  # type: ignore[no-untyped-call]
    return y


class _StripConvolution(torch.autograd.Function):
    """A convolution with its gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, strips: Strips) -> Tensor:
        """Return the convolution; V is kept for the gradients of filters."""
        filters, maps, reach, _ = weight.shape
        _, _, top, bottom = strips.margins
        form = Form(strips, x.shape[2] + top + bottom, maps, filters, reach, x.dtype)
        u = form.turned(weight)
        size = (len(x), filters, form.rows, strips.across * strips.gives)
        order = torch.channels_last
        y = torch.empty(size, dtype=x.dtype, device=x.device, memory_format=order)
        y_NJTQK = y.permute(0, 2, 3, 1).view(len(x), form.rows, -1, strips.gives, filters)
        keeps, kept = ctx.needs_input_grad[1], []
        parts = (torch.split(each, form.at_a_time) for each in (x, y_NJTQK))
        for part, result in zip(*parts, strict=True):
            v = form.cut(part)
            columns = form.columns(form.products(v, u), len(part))
            if bias is None:
                result.copy_(columns)
            else:
                torch.add(columns, bias, out=result)
            if keeps:
                kept.append(v)
        ctx.save_for_backward(weight, u, *kept)
        ctx.form, ctx.width = form, x.shape[3]
        if not strips.beyond:
            return y
        # activations overwrite it, which torch forbids where it is a part of something else
        return y[..., : strips.columns].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of images, filters and bias."""
        (y,) = gradients
        weight, u, *kept = ctx.saved_tensors
        form, (needs_x, needs_weight, needs_bias, _) = ctx.form, ctx.needs_input_grad
        _, _, top, bottom = form.strips.margins
        x_NHWC = y.new_empty(len(y), form.height - top - bottom, ctx.width, form.maps)
        of_u = torch.zeros_like(u)
        parts = (torch.split(each, form.at_a_time) for each in (y, x_NHWC))
        for place, (of_part, image) in enumerate(zip(*parts, strict=True)):
            m = form.of_columns(of_part)
            if needs_weight:
                for seen, here in form.windows():
                    of_u.baddbmm_(kept[place][..., seen].transpose(1, 2), m[..., here])
            if needs_x:
                of_v = m.new_zeros(*m.shape[:2], form.height * form.maps)
                for seen, here in form.windows():
                    of_v[..., seen].baddbmm_(m[..., here], u.transpose(1, 2))
                form.joined(of_v, image)
        return (
            x_NHWC.permute(0, 3, 1, 2) if needs_x else None,
            form.turned_back(of_u, weight) if needs_weight else None,
            y.sum((0, 2, 3)) if needs_bias else None,
            None,
        )

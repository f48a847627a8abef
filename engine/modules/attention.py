"""Attention over the steps of a sequence.

Shape letters: N rows, T steps, D values a step, H heads.
"""

from math import inf

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.modules.dropout import Dropout
from engine.modules.finish import Activation, Finish
from engine.sequences import is_true_step

QUERY, KEY, VALUE, OUTPUT = range(4)


class SelfAttention(Finish):
    """Multi-head attention of a sequence on itself.

    Shapes: (N, T, D) or (N, 1, T, D) → the same; ``weight`` (4, D, D) and ``bias`` (4, D) of query,
    key, value and output, each matrix (inputs, outputs).
    """

    bias: Tensor | None

    def __init__(
        self,
        sizes: tuple[int, int],
        activation: Activation | None,
        dropout: Dropout | None,
        attention_dropout: Dropout | None,
        *,
        bias: bool,
        causal: bool,
    ) -> None:
        super().__init__(activation, dropout)
        values, self.heads = sizes
        self.attention_dropout = attention_dropout
        self.causal = causal
        self.weight = nn.Parameter(torch.empty(4, values, values))
        self.register_parameter("bias", nn.Parameter(torch.empty(4, values)) if bias else None)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        x_NTD = x.flatten(0, -3)
        rows, steps, values = x_NTD.shape
        by_head = (rows, steps, self.heads, values // self.heads)
        query, key, value = (
            self._project(x_NTD, which).view(by_head).transpose(1, 2)
            for which in (QUERY, KEY, VALUE)
        )
        seen = self._look(query, key, value, self._visible(steps, lengths))
        y = self._project(seen.transpose(1, 2).flatten(2), OUTPUT)
        return self.finish(y.view(x.shape))

    def _project(self, x: Tensor, which: int) -> Tensor:
        bias = None if self.bias is None else self.bias[which]
        return functional.linear(x, self.weight[which].t(), bias)

    def _visible(self, steps: int, lengths: Tensor | None) -> Tensor | None:
        """Return which steps may be looked at, (N, 1, 1, T) or (N, 1, T, T); None: all."""
        if lengths is None:
            return None
        true_N11T = is_true_step(lengths, steps)[:, None, None]
        return true_N11T & _earlier(steps, lengths.device) if self.causal else true_N11T

    def _look(self, query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None) -> Tensor:
        if self.attention_dropout is None:
            causal = self.causal and visible is None
            return functional.scaled_dot_product_attention(
                query, key, value, attn_mask=visible, is_causal=causal
            )
        scores_NHTT = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
        if visible is None and self.causal:
            visible = _earlier(scores_NHTT.shape[-1], scores_NHTT.device)
        if visible is not None:
            scores_NHTT = scores_NHTT.masked_fill(~visible, -inf)
        looks: Tensor = self.attention_dropout(scores_NHTT.softmax(-1))
        return looks @ value


def _earlier(steps: int, device: torch.device) -> Tensor:
    """Return which steps (columns) are not later than a step (rows)."""
    return torch.ones(steps, steps, dtype=torch.bool, device=device).tril()

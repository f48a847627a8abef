"""Attention over the steps of a sequence.

Shape letters: N rows, T steps, D values a step, H heads.
"""

from math import inf

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.modules.dropout import Dropout
from engine.modules.finish import Activation, Finish

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

    def forward(self, x: Tensor) -> Tensor:
        x_NTD = x.flatten(0, -3)
        rows, steps, values = x_NTD.shape
        by_head = (rows, steps, self.heads, values // self.heads)
        query, key, value = (
            self._project(x_NTD, which).view(by_head).transpose(1, 2)
            for which in (QUERY, KEY, VALUE)
        )
        seen = self._look(query, key, value)
        y = self._project(seen.transpose(1, 2).flatten(2), OUTPUT)
        return self.finish(y.view(x.shape))

    def _project(self, x: Tensor, which: int) -> Tensor:
        bias = None if self.bias is None else self.bias[which]
        return functional.linear(x, self.weight[which].t(), bias)

    def _look(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        if self.attention_dropout is None:
            return functional.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        scores_NHTT = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
        if self.causal:
            later = torch.ones_like(scores_NHTT[0, 0], dtype=torch.bool).triu(1)
            scores_NHTT = scores_NHTT.masked_fill(later, -inf)
        looks: Tensor = self.attention_dropout(scores_NHTT.softmax(-1))
        return looks @ value

"""Attention over the steps of a sequence."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, PositiveInt, model_validator
from torch import nn

from engine.errors import LayerError, ShapeError
from engine.layers.activations import ACTIVATION_SYNONYMS, activation
from engine.layers.base import BuildOptions, layer_type
from engine.layers.weighted import Shaped
from engine.modules.attention import SelfAttention
from engine.modules.dropout import dropout
from engine.shapes import Shape, one, sequence

PROJECTIONS = 4
"""Query, key, value and output."""

AttentionActivationName = Literal[
    "AUTO", "IDENTITY", "LOGISTIC", "EXP", "TANH", "RECTIFIER", "GELU"
]


@layer_type
class MultiHeadAttention(Shaped):
    """Let every step of a sequence look at all steps, with several heads side by side.

    With n / nAttnHeads = d values a head: softmax(Q K' / √d) V per head, the heads side by side,
    times the output weights, activated. Q, K and V are products of the source with their weights,
    plus their biases. No step looks at padding. AUTO of ``act`` is IDENTITY.

    Shapes: (T, n), or one map (1, T, n), → the same; weights (4, n, n) and biases (4, n) of query,
    key, value and output in this order, each matrix (inputs, outputs).

    Source: Vaswani et al., "Attention is all you need", 2017; the deepLearn reference, layer type
    mhattention.
    """

    code: ClassVar[int] = 29
    prefix: ClassVar[str] = "dlmhattentionopts"
    title: ClassVar[str] = "multi-head attention"

    type: Literal["mhattention"] = "mhattention"
    n: PositiveInt
    """Values of a step, in and out."""
    n_attn_heads: PositiveInt
    """Number of heads; divides ``n``."""
    act: Annotated[AttentionActivationName, ACTIVATION_SYNONYMS] = "AUTO"
    """Activation."""
    mask: Literal["NONE", "CAUSAL"] = "NONE"
    """CAUSAL: a step looks at itself and at those before it only; an extension."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Rate of dropped outputs."""
    attn_dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Rate of dropped weights between steps, the values of the softmax."""

    @model_validator(mode="after")
    def _heads_share_the_values(self) -> Self:
        if self.n % self.n_attn_heads:
            raise LayerError(
                f"options 'n' and 'nAttnHeads' got {self.n} and {self.n_attn_heads}, "
                "expected a number of values that the heads can share equally",
                options=["n", "nAttnHeads"],
            )
        return self

    @property
    def takes_lengths(self) -> bool:
        return True

    @property
    def keeps_steps(self) -> bool:
        return True

    def infer(self, sources: Sequence[Shape], options: BuildOptions) -> Shape | None:
        del options
        self._steps(sources)
        return one(sources)

    def weight_shape(self, sources: Sequence[Shape]) -> Shape | None:
        del sources
        return PROJECTIONS, self.n, self.n

    def fans(self, weight: Shape) -> tuple[int, int]:
        return weight[1], weight[2]

    def bias_shape(self, weight: Shape) -> Shape:
        return weight[:2]

    def multiply_adds(self, sources: Sequence[Shape], options: BuildOptions) -> int:
        del options
        steps = self._steps(sources)
        projections, looks = PROJECTIONS * steps * self.n**2, 2 * steps**2 * self.n
        return projections + looks

    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        del sources
        return SelfAttention(
            (self.n, self.n_attn_heads),
            activation(self.act, "IDENTITY"),
            dropout(self.dropout, options.dropout_type),
            dropout(self.attn_dropout, options.dropout_type),
            bias=self.include_bias,
            causal=self.mask == "CAUSAL",
        )

    def _steps(self, sources: Sequence[Shape]) -> int:
        steps, values = sequence(sources)
        if values != self.n:
            raise ShapeError(
                f"got steps of {values} values, expected {self.n}: the option 'n'",
                got=values,
                expected=self.n,
            )
        return steps

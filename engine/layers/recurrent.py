"""Layers that read sequences step by step."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import nn

from engine.errors import LayerError, ShapeError
from engine.layers.activations import (
    ACTIVATION_SYNONYMS,
    ActivationName,
    check_user_function,
    pure_activation,
)
from engine.layers.base import (
    UNSET_BY_ZERO,
    Aliases,
    Arity,
    BuildOptions,
    TensorSpec,
    layer_type,
)
from engine.layers.initializers import initialize
from engine.layers.weighted import Weighted
from engine.modules.dropout import dropout
from engine.modules.recurrent import GATES, Embedding, Manner, Recurrent
from engine.shapes import Shape, flat_size, one, sequence, side_by_side


@layer_type
class RecurrentLayer(Weighted):
    """Read a sequence step by step and keep a state of n values.

    ``outputType`` ENCODING gives the state after the last true step of a row, SAMELENGTH the state
    at every step, zero where the row is padded. ARBITRARYLENGTH takes an encoding, reads it
    ``maxOutputLength`` times over, and gives the state at each of these steps. ``reversed`` begins
    with the last true step; its SAMELENGTH states lie at the steps they were reached at. Several
    sources lie side by side in every step. AUTO of ``act`` is TANH; it is the activation of the
    state (and of the cell of an LSTM), gates are logistic. The state begins with zeros.

    Shapes: (T, D), one map (1, T, D), or maps of one pixel (D, 1, 1), one step, → (n,) or (T, n);
    weights (g n, D) of the source, then (g n, n) of the state; biases (g n,), one set. Blocks of n
    rows: RNN one; GRU reset, update, new; LSTM input, forget, cell, output. A GRU's bias stands
    outside the product with the reset gate: new = act(W x + b + reset * (U h)).

    Source: the deepLearn reference, layer type recurrent and decision D13; the order of the gates
    is torch's.
    """

    code: ClassVar[int] = 6
    prefix: ClassVar[str] = "rnnopts"
    title: ClassVar[str] = "Recurrent"
    arity: ClassVar[Arity] = Arity(1, None)

    type: Literal["recurrent"] = "recurrent"
    n: PositiveInt
    """Number of neurons: values of the state."""
    rnn_type: Literal["RNN", "LSTM", "GRU"] = "RNN"
    """How the state is carried on."""
    output_type: Literal["ENCODING", "SAMELENGTH", "ARBITRARYLENGTH"] = "ENCODING"
    """The last state, the states of all steps, or the states of ``maxOutputLength`` steps."""
    max_output_length: Annotated[PositiveInt | None, UNSET_BY_ZERO] = None
    """Steps of the output with ARBITRARYLENGTH; 0 is as good as None."""
    reversed: Annotated[bool, Aliases("reverse")] = False
    """Whether to read from the last step to the first."""
    act: Annotated[ActivationName, ACTIVATION_SYNONYMS] = "AUTO"
    """Activation of the state."""
    fcmp_act: str | None = None
    """With ``act`` FCMP: the text of the function of x."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Rate of dropped outputs."""

    @model_validator(mode="after")
    def _options_agree(self) -> Self:
        check_user_function(self.act, self.fcmp_act)
        is_open = self.output_type == "ARBITRARYLENGTH"
        if is_open != (self.max_output_length is not None):
            raise LayerError(
                f"options 'outputType' and 'maxOutputLength' got {self.output_type!r} and "
                f"{self.max_output_length}, expected a length with 'ARBITRARYLENGTH' and none "
                "without",
                options=["outputType", "maxOutputLength"],
            )
        if is_open and self.reversed:
            raise LayerError(
                "option 'reversed' got True with outputType 'ARBITRARYLENGTH', expected False: "
                "an encoding has no direction",
                option="reversed",
            )
        if not self.include_bias:
            raise LayerError(
                "option 'includeBias' got False, expected True: recurrent layers have a bias",
                option="includeBias",
            )
        return self

    @property
    def takes_lengths(self) -> bool:
        return True

    @property
    def keeps_steps(self) -> bool:
        return self.output_type == "SAMELENGTH"

    def infer(self, sources: Sequence[Shape], options: BuildOptions) -> Shape | None:
        del options
        steps, _ = self._source(sources)
        return (self.n,) if self.output_type == "ENCODING" else (steps, self.n)

    def infer_open(self) -> Shape | None:
        if self.output_type == "SAMELENGTH":
            return None
        return (self.n,) if self.max_output_length is None else (self.max_output_length, self.n)

    def tensors(self, sources: Sequence[Shape], options: BuildOptions) -> tuple[TensorSpec, ...]:
        del options
        rows = GATES[self.rnn_type] * self.n
        return (
            TensorSpec("weights", "weight_input", (rows, self._source(sources)[1])),
            TensorSpec("weights", "weight_state", (rows, self.n)),
            TensorSpec("biases", "bias", (rows,)),
        )

    def multiply_adds(self, sources: Sequence[Shape], options: BuildOptions) -> int:
        del options
        steps, values = self._source(sources)
        return steps * GATES[self.rnn_type] * self.n * (values + self.n)

    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        act = "TANH" if self.act == "AUTO" else self.act
        return Recurrent(
            self.rnn_type,
            (self._source(sources)[1], self.n),
            Manner(self.reversed, self.max_output_length, self.output_type != "ENCODING"),
            (act, pure_activation(act, self.fcmp_act)),
            dropout(self.dropout, options.dropout_type),
        )

    def fans(self, weight: Shape) -> tuple[int, int]:
        return weight[1], self.n

    def initialize(
        self, module: nn.Module, sources: Sequence[Shape], generator: torch.Generator
    ) -> None:
        del sources
        for name in ("weight_input", "weight_state"):
            weight = module.get_parameter(name)
            initialize(weight, self.start(tuple(weight.shape)), generator)
        nn.init.constant_(module.get_parameter("bias"), self.init_bias)

    def _source(self, sources: Sequence[Shape]) -> tuple[int, int]:
        """Return how many steps are read, and the values of all sources in a step."""
        if self.max_output_length is not None:
            return self.max_output_length, self._encoding_size(sources)
        return side_by_side(sources)

    @staticmethod
    def _encoding_size(sources: Sequence[Shape]) -> int:
        for shape in sources:
            if len(shape) != 1:
                raise ShapeError(
                    f"got {shape}, expected one axis: outputType 'ARBITRARYLENGTH' reads an "
                    "encoding; put a recurrent layer with outputType 'ENCODING' before it",
                    source=list(shape),
                )
        return flat_size(sources)


@layer_type
class Projection(Weighted):
    """Give every token of a sequence its vector; the vectors are the weights of the layer.

    Tokens come as ids from 0 to alphabetSize - 1, one a step; an id outside has a vector of zeros.
    Vectors start from ``init``; freeze the layer to keep those of ``initWeights``.

    Shapes: ids (T, 1) or (T,) → (T, embeddingSize); weights (alphabetSize, embeddingSize), no
    biases.

    Source: the deepLearn reference, layer type projection.
    """

    code: ClassVar[int] = 7
    prefix: ClassVar[str] = "projectionopts"
    title: ClassVar[str] = "Projection"

    type: Literal["projection"] = "projection"
    embedding_size: PositiveInt
    """Values of a token's vector."""
    alphabet_size: PositiveInt
    """Number of tokens."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Rate of dropped outputs."""

    @property
    def takes_lengths(self) -> bool:
        return True

    @property
    def keeps_steps(self) -> bool:
        return True

    def infer(self, sources: Sequence[Shape], options: BuildOptions) -> Shape | None:
        del options
        return self._steps(sources), self.embedding_size

    def tensors(self, sources: Sequence[Shape], options: BuildOptions) -> tuple[TensorSpec, ...]:
        del sources, options
        return (TensorSpec("weights", "weight", (self.alphabet_size, self.embedding_size)),)

    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        del sources
        drop = dropout(self.dropout, options.dropout_type)
        return Embedding(self.alphabet_size, self.embedding_size, drop)

    def fans(self, weight: Shape) -> tuple[int, int]:
        return weight[0], weight[1]

    def initialize(
        self, module: nn.Module, sources: Sequence[Shape], generator: torch.Generator
    ) -> None:
        del sources
        weight = module.get_parameter("weight")
        initialize(weight, self.start(tuple(weight.shape)), generator)

    @staticmethod
    def _steps(sources: Sequence[Shape]) -> int:
        shape = one(sources)
        steps, values = (shape[0], 1) if len(shape) == 1 else sequence(sources)
        if values != 1:
            raise ShapeError(
                f"got steps of {values} values, expected one id a step",
                got=values,
                expected=1,
            )
        return steps

"""Recurrent networks over padded sequences.

Shape letters: N rows, T steps, D values a step, H neurons, G gates.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from engine.modules.dense import steps_of
from engine.modules.dropout import Dropout
from engine.modules.finish import Activation
from engine.sequences import cleared, full_lengths

Kind = Literal["RNN", "GRU", "LSTM"]
Step = Callable[[Tensor, Tensor, Tensor, Tensor, Activation], tuple[Tensor, Tensor]]

GATES: dict[Kind, int] = {"RNN": 1, "GRU": 3, "LSTM": 4}
"""Blocks of H rows in the weights, in torch's order: GRU reset, update, new; LSTM input, forget,
cell, output."""


@dataclass(frozen=True)
class Manner:
    """How a recurrent module reads its source and what it gives.

    Attributes:
        reads_backwards: begin with the last true step.
        repeats: the source is one vector a row, read so many times; None: the source is a sequence.
        keeps_steps: give the state at every step and not the last one only.
    """

    reads_backwards: bool
    repeats: int | None
    keeps_steps: bool


class Recurrent(nn.Module):
    """Read a sequence step by step.

    Padding is not read into any result: the last state is that of the last true step, reading
    backwards begins with it, and states of padded steps are zero.

    Shapes: any number of (N, T, D) → (N, T, H) or (N, H); ``weight_input`` (G H, D),
    ``weight_state`` (G H, H), ``bias`` (G H,).
    """

    no_bias: Tensor

    def __init__(
        self,
        kind: Kind,
        sizes: tuple[int, int],
        manner: Manner,
        activation: tuple[str, Activation],
        dropout: Dropout | None,
    ) -> None:
        super().__init__()
        values, neurons = sizes
        rows = GATES[kind] * neurons
        self.kind = kind
        self.manner = manner
        self.act, self.activation = activation
        self.dropout = dropout
        self.weight_input = nn.Parameter(torch.empty(rows, values))
        self.weight_state = nn.Parameter(torch.empty(rows, neurons))
        self.bias = nn.Parameter(torch.empty(rows))
        self.register_buffer("no_bias", torch.zeros(rows), persistent=False)

    def forward(self, *sources: Tensor, lengths: Tensor | None = None) -> Tensor:
        x_NTD = self._joined(sources)
        true = full_lengths(x_NTD, x_NTD.shape[1]) if lengths is None else lengths
        if self.manner.reads_backwards:
            x_NTD = _mirrored(x_NTD, true)
        y_NTH = self._read(x_NTD)
        if not self.manner.keeps_steps:
            y = _at_end(y_NTH, true)
        else:
            y = _mirrored(y_NTH, true) if self.manner.reads_backwards else y_NTH
            y = y if lengths is None else cleared(y, true)
        return y if self.dropout is None else self.dropout(y)

    def compact(self) -> None:
        """Lay the weights in one run of memory, which cuDNN would else do at every call.

        Elsewhere than on a graphics processor this does nothing.
        """
        neurons, values = self.weight_state.shape[1], self.weight_input.shape[1]
        peer = _PEERS[self.kind](values, neurons, batch_first=True, device="meta")
        peer.weight_ih_l0, peer.weight_hh_l0 = self.weight_input, self.weight_state
        peer.bias_ih_l0 = self.bias
        peer.bias_hh_l0 = nn.Parameter(self.no_bias, requires_grad=False)
        peer.flatten_parameters()
        self.no_bias = peer.bias_hh_l0.data

    def _joined(self, sources: Sequence[Tensor]) -> Tensor:
        repeats = self.manner.repeats
        if repeats is not None:
            sources = [source.flatten(1)[:, None].expand(-1, repeats, -1) for source in sources]
        return steps_of(tuple(sources))

    def _read(self, x_NTD: Tensor) -> Tensor:
        """Return the states of all steps, by torch's kernels where they compute just this."""
        state_NH = x_NTD.new_zeros(x_NTD.shape[0], self.weight_state.shape[1])
        weights = [self.weight_input, self.weight_state, self.bias, self.no_bias]
        settings = (weights, True, 1, 0.0, self.training, False, True)
        start = state_NH[None]
        if self.kind == "LSTM" and self.act == "TANH":
            return torch.lstm(x_NTD, [start, start], *settings)[0]
        if self.kind == "GRU" and self.act == "TANH":
            return torch.gru(x_NTD, start, *settings)[0]
        if self.kind == "RNN" and self.act == "TANH":
            return torch.rnn_tanh(x_NTD, start, *settings)[0]
        if self.kind == "RNN" and self.act == "RECTIFIER":
            return torch.rnn_relu(x_NTD, start, *settings)[0]
        return self._read_slowly(x_NTD, state_NH)

    def _read_slowly(self, x_NTD: Tensor, state_NH: Tensor) -> Tensor:
        step, memory_NH, states = _STEPS[self.kind], state_NH, []
        gates_NTG = x_NTD @ self.weight_input.t() + self.bias
        for gates in gates_NTG.unbind(1):
            state_NH, memory_NH = step(
                gates, state_NH @ self.weight_state.t(), state_NH, memory_NH, self.activation
            )
            states.append(state_NH)
        return torch.stack(states, 1)


def _rnn(
    gates: Tensor, recalled: Tensor, state: Tensor, memory: Tensor, act: Activation
) -> tuple[Tensor, Tensor]:
    del state
    return act(gates + recalled), memory


def _gru(
    gates: Tensor, recalled: Tensor, state: Tensor, memory: Tensor, act: Activation
) -> tuple[Tensor, Tensor]:
    reset_x, update_x, new_x = gates.chunk(3, -1)
    reset_h, update_h, new_h = recalled.chunk(3, -1)
    reset, update = (reset_x + reset_h).sigmoid(), (update_x + update_h).sigmoid()
    new = act(new_x + reset * new_h)
    return new + update * (state - new), memory


def _lstm(
    gates: Tensor, recalled: Tensor, state: Tensor, memory: Tensor, act: Activation
) -> tuple[Tensor, Tensor]:
    del state
    enter, forget, cell, leave = (gates + recalled).chunk(4, -1)
    memory = forget.sigmoid() * memory + enter.sigmoid() * act(cell)
    return leave.sigmoid() * act(memory), memory


_PEERS: dict[Kind, type[nn.RNN | nn.GRU | nn.LSTM]] = {
    "RNN": nn.RNN,
    "GRU": nn.GRU,
    "LSTM": nn.LSTM,
}

_STEPS: dict[Kind, Step] = {"RNN": _rnn, "GRU": _gru, "LSTM": _lstm}


def _mirrored(x_NTD: Tensor, lengths: Tensor) -> Tensor:
    """Return every row's true steps in opposite order, before its padding."""
    steps = torch.arange(x_NTD.shape[1], device=x_NTD.device)
    from_end = lengths[:, None] - 1 - steps
    places = torch.where(from_end >= 0, from_end, steps)
    return x_NTD.gather(1, places[..., None].expand_as(x_NTD))


def _at_end(y_NTH: Tensor, lengths: Tensor) -> Tensor:
    """Return the state after every row's last true step."""
    places = (lengths - 1).clamp(min=0)[:, None, None].expand(-1, 1, y_NTH.shape[2])
    return y_NTH.gather(1, places)[:, 0]


class Embedding(nn.Module):
    """Look up the vector of every token; a token outside the alphabet has a vector of zeros.

    Shapes: token ids as numbers (N, T), (N, T, 1) or (N, 1, T, 1) → (N, T, E); ``weight`` (A, E).
    """

    def __init__(self, alphabet: int, values: int, dropout: Dropout | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(alphabet, values))
        self.dropout = dropout

    def forward(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        ids = tokens.reshape(tokens.shape[0], -1).round().to(torch.int64)
        known = (ids >= 0) & (ids < len(self.weight))
        found = nn.functional.embedding(ids.where(known, 0), self.weight)
        y = found * known[..., None]
        y = y if lengths is None else cleared(y, lengths)
        return y if self.dropout is None else self.dropout(y)

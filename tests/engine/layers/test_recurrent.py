import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from engine.errors import LayerError, ShapeError
from engine.layers.recurrent import Projection, RecurrentLayer
from engine.modules.recurrent import Recurrent
from engine.shapes import Shape
from tests.engine.rows import DEFAULTS, built

KINDS = ["RNN", "GRU", "LSTM"]


def sequences(rows: int, steps: int, values: int, seed: int = 1) -> Tensor:
    draw = np.random.default_rng(seed).normal(size=(rows, steps, values))
    return torch.tensor(draw, dtype=torch.float32)


def layer(kind: str = "GRU", **options: object) -> RecurrentLayer:
    return RecurrentLayer.model_validate({"n": 4, "rnn_type": kind, **options})


def peer(kind: str, module: nn.Module, values: int, nonlinearity: str = "tanh") -> nn.RNNBase:
    """Return torch's own module with the same weights, and zeros for its second bias."""
    other: nn.RNNBase = nn.RNN(values, 4, batch_first=True, nonlinearity=nonlinearity)
    if kind != "RNN":
        other = (nn.GRU if kind == "GRU" else nn.LSTM)(values, 4, batch_first=True)
    pairs = {
        "weight_ih_l0": module.get_parameter("weight_input"),
        "weight_hh_l0": module.get_parameter("weight_state"),
        "bias_ih_l0": module.get_parameter("bias"),
        "bias_hh_l0": torch.zeros_like(module.get_parameter("bias")),
    }
    other.load_state_dict({name: tensor.detach() for name, tensor in pairs.items()})
    return other


@pytest.mark.parametrize("kind", KINDS)
def test_the_states_are_those_of_torchs_own_module(kind: str) -> None:
    module = built(layer(kind, output_type="SAMELENGTH", init_bias=0.3), (5, 3))
    x = sequences(2, 5, 3)

    torch.testing.assert_close(module(x), peer(kind, module, 3)(x)[0])


def test_maps_of_one_pixel_are_one_step() -> None:
    maps = torch.randn(2, 3, 1, 1)

    step = built(layer("GRU"), (1, 3))(maps.reshape(2, 1, 3))
    torch.testing.assert_close(built(layer("GRU"), (3, 1, 1))(maps), step)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_unequal_length_give_what_torchs_packed_sequences_give(kind: str) -> None:
    module = built(layer(kind), (6, 3))
    x, lengths = sequences(3, 6, 3), torch.tensor([2, 6, 1])
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    state = peer(kind, module, 3)(packed)[1]
    last = state[0] if kind == "LSTM" else state

    torch.testing.assert_close(module(x, lengths=lengths), last[0])


def test_a_rectified_rnn_is_torchs() -> None:
    module = built(layer("RNN", act="RECTIFIER", output_type="SAMELENGTH"), (4, 3))
    x = sequences(2, 4, 3)

    expected = peer("RNN", module, 3, nonlinearity="relu")(x)[0]
    torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_the_slow_way_of_other_activations_agrees_with_the_kernels(kind: str) -> None:
    fast = built(layer(kind, output_type="SAMELENGTH"), (5, 3))
    slow = built(layer(kind, output_type="SAMELENGTH", act="IDENTITY"), (5, 3))
    slow.__dict__["activation"] = torch.tanh
    x = sequences(2, 5, 3)

    torch.testing.assert_close(slow(x), fast(x))


def test_a_linear_rnn_is_worked_by_hand() -> None:
    # h = 2 x + 0.5 h + 1: h1 = 2*1 + 1 = 3, h2 = 2*2 + 1.5 + 1 = 6.5
    module = built(RecurrentLayer(n=1, act="IDENTITY", output_type="SAMELENGTH"), (2, 1))
    for name, value in (("weight_input", 2.0), ("weight_state", 0.5), ("bias", 1.0)):
        nn.init.constant_(module.get_parameter(name), value)

    assert module(torch.tensor([[[1.0], [2.0]]])).flatten().tolist() == [3.0, 6.5]


@pytest.mark.parametrize("kind", KINDS)
def test_reading_backwards_is_reading_the_mirrored_sequence(kind: str) -> None:
    forward = built(layer(kind, output_type="SAMELENGTH"), (5, 3))
    backward = built(layer(kind, output_type="SAMELENGTH", reversed=True), (5, 3))
    x = sequences(2, 5, 3)

    torch.testing.assert_close(backward(x), forward(x.flip(1)).flip(1))


def test_the_encoding_of_a_reversed_layer_is_its_state_at_the_first_step() -> None:
    states = built(layer(output_type="SAMELENGTH", reversed=True), (5, 3))
    encoding = built(layer(reversed=True), (5, 3))
    x, lengths = sequences(2, 5, 3), torch.tensor([3, 5])

    torch.testing.assert_close(encoding(x, lengths=lengths), states(x, lengths=lengths)[:, 0])


@settings(max_examples=30)
@given(
    kind=st.sampled_from(KINDS),
    output=st.sampled_from(["ENCODING", "SAMELENGTH"]),
    is_reversed=st.booleans(),
    length=st.integers(1, 4),
    padding=st.integers(1, 3),
)
def test_padding_changes_nothing(
    kind: str,
    output: str,
    is_reversed: bool,  # noqa: FBT001 - drawn
    length: int,
    padding: int,
) -> None:
    options = {"output_type": output, "reversed": is_reversed}
    module = built(layer(kind, **options), (length, 3))
    x = sequences(2, length, 3)
    rubbish = 100.0 * sequences(2, padding, 3, seed=2)

    alone = module(x)
    padded = module(torch.cat([x, rubbish], 1), lengths=torch.tensor([length, length]))

    if output == "SAMELENGTH":
        assert bool((padded[:, length:] == 0).all())
        padded = padded[:, :length]
    torch.testing.assert_close(padded, alone)


def test_sources_lie_side_by_side_in_every_step() -> None:
    module = built(layer(output_type="SAMELENGTH"), (5, 3), (5, 2))
    x, y = sequences(2, 5, 3), sequences(2, 5, 2)

    torch.testing.assert_close(module(x, y), module(torch.cat([x, y], 2)))


def test_one_map_counts_as_a_sequence_of_its_rows() -> None:
    module = built(layer(), (1, 5, 3))
    x = sequences(2, 5, 3)

    torch.testing.assert_close(module(x[:, None]), module(x))


def test_arbitrary_length_reads_the_encoding_over_and_over() -> None:
    module = built(layer(output_type="ARBITRARYLENGTH", max_output_length=3), (6,))
    encoding = sequences(2, 1, 6)
    same = built(layer(output_type="SAMELENGTH"), (3, 6))

    torch.testing.assert_close(module(encoding[:, 0]), same(encoding.expand(-1, 3, -1)))


@pytest.mark.parametrize(
    ("options", "source", "shape"),
    [
        ({}, (5, 3), (4,)),
        ({"output_type": "SAMELENGTH"}, (1, 5, 3), (5, 4)),
        ({"output_type": "ARBITRARYLENGTH", "max_output_length": 7}, (3,), (7, 4)),
    ],
)
def test_the_output_type_decides_the_shape(
    options: dict[str, object], source: Shape, shape: Shape
) -> None:
    assert RecurrentLayer.model_validate({"n": 4, **options}).infer([source], DEFAULTS) == shape
    assert RecurrentLayer.model_validate({"n": 4, **options}).infer_open() in (None, shape)


@pytest.mark.parametrize(
    ("kind", "weights", "biases"),
    [("RNN", 4 * (3 + 4), 4), ("GRU", 3 * 4 * (3 + 4), 12), ("LSTM", 4 * 4 * (3 + 4), 16)],
)
def test_parameters_are_counted_by_gates(kind: str, weights: int, biases: int) -> None:
    # 2.5: g n (in + n) weights, one set of g n biases (D13)
    specs = layer(kind).tensors([(5, 3)], DEFAULTS)

    assert sum(spec.size for spec in specs if spec.part == "weights") == weights
    assert sum(spec.size for spec in specs if spec.part == "biases") == biases
    assert layer(kind).multiply_adds([(5, 3)], DEFAULTS) == 5 * weights


@pytest.mark.parametrize("kind", KINDS)
def test_compact_weights_are_the_same_weights(kind: str) -> None:
    module = built(layer(kind), (5, 3))
    assert isinstance(module, Recurrent)
    x, weight = sequences(2, 5, 3), module.weight_input
    before = module(x)

    module.compact()

    assert torch.equal(module(x), before)
    assert module.weight_input is weight
    assert not module.no_bias.requires_grad


def test_dropout_hides_values_of_the_output() -> None:
    module = built(layer(dropout=0.9, output_type="SAMELENGTH"), (50, 3))

    assert float((module(sequences(4, 50, 3)) == 0).float().mean()) == pytest.approx(0.9, abs=0.05)


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (
            [(5, 3), (4, 3)],
            "got (5, 3), (4, 3), expected sequences of equally many steps",
        ),
        (
            [(3,)],
            (
                "got (3,), expected (steps, values) or one map of that size; "
                "put a reshape layer before it"
            ),
        ),
    ],
)
def test_sources_that_are_no_sequences_are_refused(sources: list[Shape], message: str) -> None:
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        layer().infer(sources, DEFAULTS)


def test_arbitrary_length_wants_an_encoding() -> None:
    open_ = layer(output_type="ARBITRARYLENGTH", max_output_length=3)
    message = (
        "got (5, 3), expected one axis: outputType 'ARBITRARYLENGTH' reads an encoding; put a "
        "recurrent layer with outputType 'ENCODING' before it"
    )

    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        open_.infer([(5, 3)], DEFAULTS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"output_type": "ARBITRARYLENGTH"},
            (
                "options 'outputType' and 'maxOutputLength' got 'ARBITRARYLENGTH' and None, "
                "expected a length with 'ARBITRARYLENGTH' and none without"
            ),
        ),
        (
            {"max_output_length": 3},
            (
                "options 'outputType' and 'maxOutputLength' got 'ENCODING' and 3, expected "
                "a length with 'ARBITRARYLENGTH' and none without"
            ),
        ),
        (
            {"output_type": "ARBITRARYLENGTH", "max_output_length": 3, "reversed": True},
            (
                "option 'reversed' got True with outputType 'ARBITRARYLENGTH', expected False: an "
                "encoding has no direction"
            ),
        ),
        (
            {"include_bias": False},
            "option 'includeBias' got False, expected True: recurrent layers have a bias",
        ),
    ],
)
def test_options_that_contradict_one_another_are_refused(
    options: dict[str, object], message: str
) -> None:
    with pytest.raises(LayerError, match=f"^{re.escape(message)}$"):
        RecurrentLayer.model_validate({"n": 4, **options})


def test_a_projection_gives_every_token_its_row_of_the_weights() -> None:
    module = built(Projection(embedding_size=2, alphabet_size=3), (4, 1))
    weight = torch.tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    module.get_parameter("weight").data.copy_(weight)

    # 7 and -1 are in no alphabet of three
    result = module(torch.tensor([[[2.0], [0.0], [7.0], [-1.0]]]))

    assert result.tolist() == [[[4.0, 5.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0]]]


def test_a_projection_leaves_padding_zero() -> None:
    module = built(Projection(embedding_size=2, alphabet_size=3), (3,))

    result = module(torch.tensor([[1.0, 2.0, 0.0]]), lengths=torch.tensor([2]))

    assert result[0, 2].tolist() == [0.0, 0.0]
    assert result[0, :2].ne(0).all()


def test_a_projection_counts_one_vector_a_token() -> None:
    specs = Projection(embedding_size=5, alphabet_size=7).tensors([(4, 1)], DEFAULTS)

    assert [(spec.part, spec.shape) for spec in specs] == [("weights", (7, 5))]


def test_a_projection_takes_one_id_a_step() -> None:
    message = r"^got steps of 2 values, expected one id a step$"
    with pytest.raises(ShapeError, match=message):
        Projection(embedding_size=2, alphabet_size=3).infer([(4, 2)], DEFAULTS)

import re
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
import torch

from engine import weights
from engine.compile.lower import CompiledModel, compile_graph
from engine.devices import seeded
from engine.errors import WeightsError
from engine.layers.base import BuildOptions
from engine.weights import Chunk, SegmentSpec, layout, load_rows, load_weights, read_weights
from tests.engine.classics import small

DEFAULTS = BuildOptions()
ROWS = 125  # small: 18 + 4 + 96 + 3 + 4


def model(seed: int | None = 1, *, channels: int = 1) -> CompiledModel:
    """Return the small network, its tensors zero without a seed."""
    graph = small(channels=channels)
    if seed is not None:
        return compile_graph(graph, DEFAULTS, generator=seeded(seed))
    empty = compile_graph(graph, DEFAULTS)
    for spec in empty.specs:
        empty.tensor(spec).data.zero_()
    return empty


def table(source: CompiledModel) -> np.ndarray:
    """Return the whole weight column."""
    return np.concatenate([chunk.values for chunk in read_weights(source)])


Rows = tuple[np.ndarray, np.ndarray, np.ndarray]


def as_rows(source: CompiledModel) -> Rows:
    """Return the three columns of the weight table."""
    layer_ids, weight_ids = [], []
    for spec in source.specs:
        layer_ids.append(np.full(spec.size, spec.layer_id))
        weight_ids.append(np.arange(spec.size) + spec.first_weight_id)
    return np.concatenate(layer_ids), np.concatenate(weight_ids), table(source)


def refused(message: str) -> "pytest.RaisesExc[WeightsError]":
    return pytest.raises(WeightsError, match=f"^{re.escape(message)}$")


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut tensors into pieces of seven values."""
    monkeypatch.setattr(weights, "CHUNK_VALUES", 7)


def test_numbers_come_in_the_order_of_the_table() -> None:
    source = model()
    conv, norm, out = (source.module.get_submodule(f"layer_{each}") for each in (1, 2, 3))
    norm.get_buffer("statistics").copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))

    values = table(source)

    # weights before biases, gamma and beta in pairs, mean and deviation in pairs at the very end
    np.testing.assert_array_equal(values[:18], conv.get_parameter("weight").detach().flatten())
    assert values[18:22].tolist() == [1.0, 0.0, 1.0, 0.0]
    np.testing.assert_array_equal(values[22:118], out.get_parameter("weight").detach().flatten())
    assert values[118:].tolist() == [0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0]
    assert len(values) == ROWS


def test_chunks_are_views_of_the_model() -> None:
    source = model()
    chunk = next(iter(read_weights(source)))

    source.parameters()[0].data.fill_(7.0)

    assert set(chunk.values.tolist()) == {7.0}


@pytest.mark.usefixtures("small_chunks")
def test_chunks_have_a_largest_size() -> None:
    chunks = list(read_weights(model()))

    assert [len(chunk.values) for chunk in chunks[:4]] == [7, 7, 4, 4]
    assert [chunk.offset for chunk in chunks[:4]] == [0, 7, 14, 0]


def test_the_layout_of_a_graph_is_that_of_its_model() -> None:
    assert layout(small(), DEFAULTS) == model().specs


@pytest.mark.usefixtures("small_chunks")
def test_loaded_numbers_are_those_that_were_read() -> None:
    source, target = model(), model(seed=None)

    loaded = load_weights(target, read_weights(source))

    assert loaded == {1, 2, 3}
    np.testing.assert_array_equal(table(target), table(source))


@pytest.mark.usefixtures("small_chunks")
def test_chunks_may_come_in_any_order() -> None:
    source, target = model(), model(seed=None)

    load_weights(target, reversed(list(read_weights(source))))

    np.testing.assert_array_equal(table(target), table(source))


@pytest.mark.usefixtures("small_chunks")
def test_the_memory_order_of_filters_does_not_change_the_table() -> None:
    source, target = model(channels=3), model(seed=None, channels=3)
    expected = table(source)
    for each in (source, target):
        each.to(torch.device("cpu"), channels_last=True)

    load_weights(target, read_weights(source))

    np.testing.assert_array_equal(table(source), expected)
    np.testing.assert_array_equal(table(target), expected)


def test_read_only_numbers_are_loaded() -> None:
    source, target = model(), model(seed=None)

    def frozen() -> Iterator[Chunk]:
        for chunk in read_weights(source):
            values = np.frombuffer(chunk.values.tobytes(), np.float32)
            yield Chunk(chunk.spec, chunk.offset, values)

    load_weights(target, frozen())

    np.testing.assert_array_equal(table(target), table(source))


def test_layers_of_which_nothing_is_given_keep_their_values() -> None:
    # 1.3: a new output on old layers
    source, target = model(1), model(2)
    before = table(target)

    loaded = load_weights(
        target, (c for c in read_weights(source) if c.spec.layer_id != 3), partial=True
    )

    assert loaded == {1, 2}
    np.testing.assert_array_equal(table(target)[:22], table(source)[:22])
    np.testing.assert_array_equal(table(target)[22:118], before[22:118])


def chunks_without(source: CompiledModel, position: int) -> list[Chunk]:
    chunks = list(read_weights(source))
    del chunks[position]
    return chunks


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.usefixtures("small_chunks")
def test_an_incomplete_tensor_is_refused(partial: bool) -> None:  # noqa: FBT001 - parametrised
    with refused(
        "tensor 'weight' of layer 'conv' (convo) got 11 of 18 values, the first missing is 7"
    ):
        load_weights(model(), chunks_without(model(), 1), partial=partial)


def test_a_missing_tensor_is_refused() -> None:
    with refused(
        "tensor 'weight' of layer 'conv' (convo) got 0 of 18 values, the first missing is 0"
    ):
        load_weights(model(), chunks_without(model(), 0))


def test_a_missing_tensor_of_a_given_layer_is_refused() -> None:
    with refused("tensor 'bias' of layer 'out' (output) got 0 of 3 values, the first missing is 0"):
        load_weights(model(), chunks_without(model(), 3), partial=True)


@pytest.mark.usefixtures("small_chunks")
def test_numbers_given_twice_are_refused() -> None:
    chunks = list(read_weights(model()))
    with refused(
        "tensor 'weight' of layer 'conv' (convo) got value 7 twice, expected every value once"
    ):
        load_weights(model(), [*chunks, chunks[1]])


def spec_of(**changes: object) -> SegmentSpec:
    given = {"layer_id": 1, "part": "weights", "name": "weight", "shape": (2, 1, 3, 3)}
    return SegmentSpec(**{**given, **changes}, first_row=0, first_weight_id=0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spec", "offset", "message"),
    [
        (
            spec_of(shape=(2, 1, 1, 9)),
            0,
            (
                "tensor 'weight' of layer 'conv' (convo) got weights of shape (2, 1, 1, 9), "
                "expected weights of shape (2, 1, 3, 3)"
            ),
        ),
        (
            spec_of(part="biases"),
            0,
            (
                "tensor 'weight' of layer 'conv' (convo) got biases of shape (2, 1, 3, 3), "
                "expected weights of shape (2, 1, 3, 3)"
            ),
        ),
        (
            spec_of(name="kernel"),
            0,
            "weights got tensor 'kernel' of layer 'conv' (convo), which the model does not have",
        ),
        (
            spec_of(layer_id=9),
            0,
            "weights got tensor 'weight' of layer id 9, which the model does not have",
        ),
        (
            spec_of(),
            10,
            "tensor 'weight' of layer 'conv' (convo) got values 10 to 28, expected 18 in all",
        ),
        (
            spec_of(),
            -1,
            "tensor 'weight' of layer 'conv' (convo) got values -1 to 17, expected 18 in all",
        ),
    ],
)
def test_numbers_of_another_model_are_refused(spec: SegmentSpec, offset: int, message: str) -> None:
    with refused(message):
        load_weights(model(), [Chunk(spec, offset, np.zeros(18, np.float32))])


@pytest.mark.parametrize("size", [1, 10, 1000])
def test_rows_are_loaded_in_batches_of_any_size(size: int) -> None:
    source, target = model(), model(seed=None)
    columns = as_rows(source)
    bounds = [*range(0, ROWS, size), ROWS]

    loaded = load_rows(
        target,
        (
            (columns[0][start:end], columns[1][start:end], columns[2][start:end])
            for start, end in pairwise(bounds)
        ),
    )

    assert loaded == {1, 2, 3}
    np.testing.assert_array_equal(table(target), table(source))


def shuffled(rows: Rows) -> Rows:
    order = np.random.default_rng(1).permutation(len(rows[0]))
    return rows[0][order], rows[1][order], rows[2][order]


def test_rows_may_come_in_any_order() -> None:
    source, target = model(), model(seed=None)
    rows = shuffled(as_rows(source))

    load_rows(target, [rows])

    np.testing.assert_array_equal(table(target), table(source))


def test_rows_fill_filters_in_another_memory_order() -> None:
    source, target = model(channels=3), model(seed=None, channels=3)
    target.to(torch.device("cpu"), channels_last=True)

    load_rows(target, [shuffled(as_rows(source))])

    np.testing.assert_array_equal(table(target), table(source))


def test_the_order_of_one_layer_at_a_time_is_loaded() -> None:
    # as DLPy's reader has it: statistics right after gamma and beta
    source, target = model(), model(seed=None)
    rows = as_rows(source)
    order = np.lexsort((rows[1], rows[0]))

    load_rows(target, [(rows[0][order], rows[1][order], rows[2][order])])

    np.testing.assert_array_equal(table(target), table(source))


def test_rows_of_a_layer_left_out_keep_its_values() -> None:
    source, target = model(1), model(2)
    rows, before = as_rows(source), table(target)
    kept = rows[0] < 3

    loaded = load_rows(target, [(rows[0][kept], rows[1][kept], rows[2][kept])], partial=True)

    assert loaded == {1, 2}
    np.testing.assert_array_equal(table(target)[22:118], before[22:118])


@pytest.mark.parametrize("mix", [False, True])
def test_a_missing_row_is_refused(mix: bool) -> None:  # noqa: FBT001 - parametrised
    layer_ids, weight_ids, values = as_rows(model())
    kept = np.arange(ROWS) != 5
    rows = (layer_ids[kept], weight_ids[kept], values[kept])
    with refused(
        "tensor 'weight' of layer 'conv' (convo) got 17 of 18 values, the first missing is 5"
    ):
        load_rows(model(), [shuffled(rows) if mix else rows])


@pytest.mark.parametrize("mix", [False, True])
def test_a_row_that_comes_twice_is_refused(mix: bool) -> None:  # noqa: FBT001 - parametrised
    layer_ids, weight_ids, values = as_rows(model())
    again = np.append(np.arange(ROWS), 5)
    rows = (layer_ids[again], weight_ids[again], values[again])
    with refused(
        "tensor 'weight' of layer 'conv' (convo) got value 5 twice, expected every value once"
    ):
        load_rows(model(), [shuffled(rows) if mix else rows])


def test_a_row_that_comes_twice_in_one_batch_is_refused() -> None:
    rows = (np.array([1, 1, 1]), np.array([4, 2, 4]), np.zeros(3, np.float32))
    with refused(
        "tensor 'weight' of layer 'conv' (convo) got value 4 twice, expected every value once"
    ):
        load_rows(model(), [rows])


@pytest.mark.parametrize(
    ("layer_id", "weight_id", "message"),
    [
        (1, 18, "layer 'conv' (convo) got weight id 18, expected 0 to 17"),
        (1, -1, "layer 'conv' (convo) got weight id -1, expected 0 to 17"),
        (2, 8, "layer 'norm' (batchnorm) got weight id 8, expected 0 to 7"),
        (0, 0, "layer 'data' (input) got weights, expected none"),
        (7, 0, "layer id 7 got weights, expected none"),
    ],
)
def test_a_row_that_belongs_nowhere_is_refused(layer_id: int, weight_id: int, message: str) -> None:
    rows = (np.array([layer_id]), np.array([weight_id]), np.zeros(1, np.float32))
    with refused(message):
        load_rows(model(), [rows])

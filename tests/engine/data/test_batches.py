from collections.abc import Iterator

import numpy as np
import pytest
import torch

from engine.data.batches import Batch, BatchSource, ResidentSource, StreamingSource
from engine.data.columns import Columns
from engine.data.encode import Encoder
from engine.errors import DataError
from tests.engine.networks import learned, network, objects

ROWS = 10
TABLE = {"x": np.arange(ROWS, dtype=np.float64), "y": np.arange(ROWS, dtype=np.float64) * 10}


def in_parts(*lengths: int) -> Iterator[Columns]:
    first = 0
    for length in lengths:
        yield {name: column[first : first + length] for name, column in TABLE.items()}
        first += length


def resident(*lengths: int) -> ResidentSource:
    encoder = Encoder(learned(network(), TABLE))
    return ResidentSource.read(encoder, in_parts(*lengths or (ROWS,)))


def streaming(*lengths: int, shuffle_rows: int = 100) -> StreamingSource:
    encoder = Encoder(learned(network(), TABLE))
    return StreamingSource(encoder, lambda: in_parts(*lengths), ROWS, shuffle_rows=shuffle_rows)


def values(source: BatchSource, batch_rows: int, seed: int | None = None) -> list[list[float]]:
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    return [b.inputs["data"][:, 0].tolist() for b in source.epoch(batch_rows, generator)]


@pytest.mark.parametrize("lengths", [(10,), (3, 7), (1, 1, 8), (4, 0, 6), (2,) * 5])
def test_the_last_batch_is_what_is_left_however_the_table_is_cut(lengths: tuple[int, ...]) -> None:
    expected = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert values(resident(*lengths), 4) == expected
    assert values(streaming(*lengths), 4) == expected


def test_a_batch_may_be_larger_than_the_table() -> None:
    assert values(resident(), 50) == values(streaming(5, 5), 50) == [list(range(ROWS))]


def test_targets_stay_with_their_rows() -> None:
    generator = torch.Generator().manual_seed(3)
    for batch in resident().epoch(3, generator):
        torch.testing.assert_close(batch.inputs["data"] * 10, batch.targets["out"])


def test_a_drawn_order_is_a_permutation_and_comes_again_with_its_seed() -> None:
    once, again, other = (values(resident(), 4, seed) for seed in (5, 5, 6))

    assert once == again != other
    assert sorted(row for batch in once for row in batch) == list(range(ROWS))


def test_two_epochs_of_one_generator_are_in_different_orders() -> None:
    source, generator = resident(), torch.Generator().manual_seed(5)
    first, second = (
        [batch.inputs["data"].tolist() for batch in source.epoch(4, generator)] for _ in range(2)
    )
    assert first != second


def test_streaming_draws_the_same_order_as_a_resident_table_that_fits_its_buffer() -> None:
    assert values(streaming(3, 3, 4), 4, seed=5) == values(resident(), 4, seed=5)


def test_streaming_mixes_within_its_buffer_only() -> None:
    batches = values(streaming(10, shuffle_rows=4), 2, seed=1)

    assert [len(batch) for batch in batches] == [2] * 5
    assert sorted(batches[0] + batches[1]) == [0, 1, 2, 3]
    assert sorted(batches[4]) == [8, 9]


def test_rows_that_cannot_be_used_are_left_out() -> None:
    columns = {"x": np.arange(4.0), "y": objects("a", None, "b", None)}
    encoder = Encoder(learned(network(), columns))
    source = ResidentSource.read(encoder, [columns])
    assert source.rows == 2
    assert values(source, 10) == [[0.0, 2.0]]


def test_a_table_without_a_usable_row_is_refused() -> None:
    encoder = Encoder(learned(network(), TABLE))
    with pytest.raises(
        DataError, match=r"^no row of the table can be used, expected at least one$"
    ):
        ResidentSource.read(encoder, [])


def test_memory_held_is_counted() -> None:
    # ten rows of one float32 input and one float32 target
    assert resident().size_bytes == 80


def test_sources_and_batches_move_to_a_device() -> None:
    meta = torch.device("meta")
    batch = next(resident().epoch(4)).to(meta)
    assert isinstance(batch, Batch)
    assert batch.inputs["data"].device == meta
    encoder = Encoder(learned(network(), TABLE))
    far = ResidentSource.read(encoder, in_parts(3, 7), meta)
    assert far.table.targets["out"].device == meta
    shuffled = next(far.epoch(4, torch.Generator().manual_seed(1)))
    assert (shuffled.inputs["data"].device, shuffled.rows) == (meta, 4)


@pytest.mark.parametrize("lanes", [1, 3])
def test_parts_that_are_encoded_side_by_side_stay_in_their_order(lanes: int) -> None:
    encoder = Encoder(learned(network(), TABLE))
    parts = (2, 0, 5, 1, 2)
    held = ResidentSource.read(encoder, in_parts(*parts), lanes=lanes)
    streamed = StreamingSource(encoder, lambda: in_parts(*parts), ROWS, lanes=lanes)

    assert values(held, 4) == values(streamed, 4) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]

import re

import numpy as np
import pytest
import torch

from engine.errors import LayerError, ShapeError
from engine.layers.merge import Concatenation, Residual, Scale
from tests.engine.layers.user_text import NO_NAME
from tests.engine.rows import DEFAULTS


def test_sources_are_added_before_the_activation() -> None:
    # F104: max(0, 1 - 3) and max(0, -2 + 5)
    module = Residual(act="RECTIFIER").build([(2,), (2,)], DEFAULTS)

    result = module(torch.tensor([[1.0, -2.0]]), torch.tensor([[-3.0, 5.0]]))

    assert result.tolist() == [[0.0, 3.0]]


def test_a_source_named_twice_counts_twice() -> None:
    # D11
    values = torch.tensor([[1.0, 2.0]])

    assert Residual().build([(2,)] * 2, DEFAULTS)(values, values).tolist() == [[2.0, 4.0]]
    assert Concatenation().build([(2,)] * 2, DEFAULTS)(values, values).tolist() == [
        [1.0, 2.0, 1.0, 2.0]
    ]


def test_any_number_of_sources_is_added() -> None:
    values = [torch.tensor([[float(number)]]) for number in (1, 2, 4, 8)]

    assert Residual().build([(1,)] * 4, DEFAULTS)(*values).item() == 15.0


def test_one_source_is_left_as_it_is() -> None:
    source = torch.tensor([[-1.0]])

    assert Residual(act="RECTIFIER").build([(1,)], DEFAULTS)(source).item() == 0.0
    assert Residual().build([(1,)], DEFAULTS)(source).item() == -1.0
    assert source.item() == -1.0


def test_maps_are_joined_along_the_depth_in_the_order_of_the_sources() -> None:
    layer = Concatenation()
    first, second = torch.zeros(1, 1, 2, 2), torch.ones(1, 2, 2, 2)

    result = layer.build([(1, 2, 2), (2, 2, 2)], DEFAULTS)(first, second)

    assert layer.infer([(1, 2, 2), (2, 2, 2)], DEFAULTS) == (3, 2, 2)
    assert result[0, :, 0, 0].tolist() == [0.0, 1.0, 1.0]


def test_joined_values_are_activated() -> None:
    module = Concatenation(act="RECTIFIER").build([(1,), (1,)], DEFAULTS)

    assert module(torch.tensor([[-1.0]]), torch.tensor([[2.0]])).tolist() == [[0.0, 2.0]]


def test_unequal_shapes_cannot_be_added() -> None:
    message = "got (3, 4, 4), (3, 2, 2), expected equal shapes"
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        Residual().infer([(3, 4, 4), (3, 2, 2)], DEFAULTS)


@pytest.mark.parametrize("other", [(3, 4, 5), (3,)])
def test_maps_of_other_sizes_cannot_be_joined(other: tuple[int, ...]) -> None:
    message = f"got (3, 4, 4), {other}, expected shapes that differ in the first axis only"
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        Concatenation().infer([(3, 4, 4), other], DEFAULTS)


def test_larger_maps_are_thinned_out_and_missing_ones_are_zeros() -> None:
    shapes = [(2, 2, 2), (1, 3, 4)]
    ones = torch.ones(1, 2, 2, 2)
    counted = torch.arange(12.0).reshape(1, 1, 3, 4)

    found = Residual().build(shapes, DEFAULTS)(ones, counted)

    assert Residual().infer(shapes, DEFAULTS) == (2, 2, 2)
    # rows 0 and 2 and columns 0 and 2 of 0 1 2 3 / 4 5 6 7 / 8 9 10 11, and one map of zeros
    assert found.tolist() == [[[[1.0, 3.0], [9.0, 11.0]], [[1.0, 1.0], [1.0, 1.0]]]]


@pytest.mark.parametrize("other", [(3, 2, 2), (1, 1, 4), (2, 2, 4), (4,)])
def test_maps_that_no_step_fits_are_refused(other: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"expected equal shapes$"):
        Residual().infer([(2, 2, 3), other], DEFAULTS)


@pytest.mark.parametrize("layer", [Residual, Concatenation])
def test_a_user_function_comes_with_its_text(layer: type[Residual]) -> None:
    with pytest.raises(LayerError, match=f"^{re.escape(NO_NAME)}$"):
        layer(fcmp_act="mine")


@pytest.mark.parametrize("factors", [(3,), (3, 1, 1), (1, 1, 3)])
def test_every_map_is_multiplied_by_its_factor(factors: tuple[int, ...]) -> None:
    draw = np.random.default_rng(1)
    maps, by = draw.normal(size=(2, 3, 4, 5)), draw.normal(size=(2, *factors))
    layer = Scale(act="RECTIFIER")

    result = layer.build([(3, 4, 5), factors], DEFAULTS)(torch.tensor(maps), torch.tensor(by))

    expected = np.maximum(maps * by.reshape(2, 3, 1, 1), 0.0)
    np.testing.assert_allclose(result.numpy(), expected)
    assert layer.infer([(3, 4, 5), factors], DEFAULTS) == (3, 4, 5)


def test_values_of_a_vector_have_a_factor_each() -> None:
    module = Scale().build([(2,), (2,)], DEFAULTS)

    assert module(torch.tensor([[2.0, 3.0]]), torch.tensor([[10.0, -1.0]])).tolist() == [[20, -3]]


def test_maps_without_their_factor_are_refused() -> None:
    message = "got (3, 4, 4) and 2 factors, expected 3, one per map"
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        Scale().infer([(3, 4, 4), (2, 1, 1)], DEFAULTS)


def test_scaling_takes_two_sources() -> None:
    assert (Scale.arity.least, Scale.arity.most) == (2, 2)


def test_the_values_of_sequences_lie_side_by_side_in_every_step() -> None:
    layer = Concatenation()
    x, y = torch.randn(2, 5, 3), torch.randn(2, 5, 2)

    module = layer.build([(5, 3), (5, 2)], DEFAULTS)
    assert layer.infer([(5, 3), (5, 2)], DEFAULTS) == (5, 5)
    assert torch.equal(module(x, y), torch.cat([x, y], 2))


def test_sequences_side_by_side_have_equally_many_steps() -> None:
    message = r"^got \(5, 3\), \(4, 3\), expected sequences of equally many steps$"
    with pytest.raises(ShapeError, match=message):
        Concatenation().infer([(5, 3), (4, 3)], DEFAULTS)

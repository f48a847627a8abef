import re

import numpy as np
import pytest
import torch

from engine.errors import GraphError, LayerError
from engine.layers.base import BuildOptions
from engine.layers.input import Input
from tests.engine.rows import DEFAULTS

MEANS = (103.939, 116.779, 123.68)


def pixels(shape: tuple[int, ...]) -> torch.Tensor:
    values = np.random.default_rng(1).integers(0, 256, shape)
    return torch.tensor(values, dtype=torch.uint8)


def test_pixels_are_scaled_shifted_and_divided_in_that_order() -> None:
    deviations = (0.5, 2.0, 4.0)
    layer = Input(n_channels=3, width=5, height=4, scale=0.5, offsets=MEANS, norm_stds=deviations)
    raw = pixels((2, 3, 4, 5))

    result = layer.build([], DEFAULTS)(raw)

    shaped = [np.array(each)[:, None, None] for each in (MEANS, deviations)]
    expected = (0.5 * raw.double().numpy() - shaped[0]) / shaped[1]
    assert result.dtype == torch.float32
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-5, atol=1e-5)


def test_inceptions_scale_and_offset_map_pixels_to_one() -> None:
    # 2.4: scale 1 / 127.5 with offsets 1 is x / 127.5 - 1
    layer = Input(n_channels=1, width=3, height=1, scale=1 / 127.5, offsets=(1.0,))
    raw = torch.tensor([[[[0, 51, 255]]]], dtype=torch.uint8)

    result = layer.build([], DEFAULTS)(raw).flatten().tolist()

    assert result == pytest.approx([-1.0, -0.6, 1.0], abs=1e-6)


def test_unscaled_floats_are_passed_on_without_a_copy() -> None:
    values = torch.rand(2, 4)

    assert Input(features=4).build([], DEFAULTS)(values) is values


def test_unscaled_pixels_become_floats() -> None:
    result = Input(n_channels=1, width=2, height=2).build([], DEFAULTS)(pixels((1, 1, 2, 2)))

    assert result.dtype == torch.float32
    assert torch.equal(result, pixels((1, 1, 2, 2)).float())


def test_the_memory_order_of_images_is_kept() -> None:
    raw = pixels((2, 3, 4, 5)).contiguous(memory_format=torch.channels_last)
    layer = Input(n_channels=3, width=5, height=4, scale=0.5, offsets=MEANS)

    result = layer.build([], DEFAULTS)(raw)

    assert result.is_contiguous(memory_format=torch.channels_last)


def test_a_row_of_numbers_becomes_an_image_where_one_is_declared() -> None:
    module = Input(n_channels=1, width=3, height=2).build([], DEFAULTS)

    assert module(torch.arange(12.0).view(2, 6)).shape == (2, 1, 2, 3)


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"n_channels": 3, "width": 6, "height": 4}, (3, 4, 6)),
        ({"n_channels": 3, "width": 6}, (3, 6, 6)),
        ({"n_channels": 3, "height": 4}, (3, 4, 4)),
        ({"features": 7}, (7,)),
        ({}, None),
    ],
)
def test_the_shape_is_what_is_declared(
    options: dict[str, int], shape: tuple[int, ...] | None
) -> None:
    assert Input.model_validate(options).infer([], DEFAULTS) == shape


def test_data_tells_the_number_of_columns() -> None:
    assert Input(scale=2.0).bind_shape((5,)) == Input(scale=2.0, features=5)


@pytest.mark.parametrize("shape", [(3, 2, 2), (12,)])
def test_an_image_layer_takes_images_and_rows_of_as_many_values(shape: tuple[int, ...]) -> None:
    layer = Input(n_channels=3, width=2)

    assert layer.bind_shape(shape) is layer


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (Input(features=4), (5,), "got rows of shape (5,), expected (4,)"),
        (
            Input(n_channels=3, width=2),
            (3, 4, 4),
            "got rows of shape (3, 4, 4), expected (3, 2, 2)",
        ),
        (
            Input(),
            (3, 4, 4),
            (
                "got rows of shape (3, 4, 4), expected one axis, or two for "
                "sequences; declare nChannels, width and height for images"
            ),
        ),
    ],
)
def test_data_of_another_shape_is_refused(
    layer: Input, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(GraphError, match=f"^{re.escape(message)}$"):
        layer.bind_shape(shape)


def test_the_number_of_offsets_is_checked_again_when_the_columns_are_known() -> None:
    with pytest.raises(LayerError, match=r"^option 'offsets' got 2 values, expected 1 or 5$"):
        Input(offsets=(1.0, 2.0)).bind_shape((5,))


def test_a_layer_that_has_seen_no_data_cannot_be_built() -> None:
    with pytest.raises(GraphError, match=r"^got no data yet, expected the number of columns$"):
        Input().build([], DEFAULTS)


@pytest.mark.parametrize(
    ("layer", "rate"),
    [
        (Input(features=2000), 0.0),
        (Input(features=2000, dropout=0.25), 0.25),
    ],
)
def test_inputs_are_dropped_with_the_layers_rate(layer: Input, rate: float) -> None:
    result = layer.build([], DEFAULTS)(torch.ones(5, 2000))

    assert (result == 0).float().mean().item() == pytest.approx(rate, abs=0.03)


def test_the_rate_of_the_run_applies_where_the_layer_sets_none() -> None:
    # D8
    options, ones = BuildOptions(dropout_input=0.5), torch.ones(5, 2000)
    run = Input(features=2000).build([], options)(ones)
    own = Input(features=2000, dropout=0.0).build([], options)(ones)

    assert (run == 0).float().mean().item() == pytest.approx(0.5, abs=0.03)
    assert own is ones


@pytest.mark.parametrize(
    ("option", "wire", "value"),
    [
        ("random_flip", "randomFlip", "HV"),
        ("random_crop", "randomCrop", "UNIQUE"),
        ("random_mutation", "randomMutation", "RANDOM"),
    ],
)
def test_only_images_are_changed_at_random(option: str, wire: str, value: str) -> None:
    message = (
        f"option {wire!r} got {value!r}, expected 'NONE' for rows of numbers; "
        "declare nChannels, width and height for images"
    )
    with pytest.raises(LayerError, match=f"^{re.escape(message)}$"):
        Input.model_validate({option: value})


def test_images_are_changed_before_they_are_scaled() -> None:
    # 3 of 4 columns, then (x - 10) / 2; the middle begins at column 0
    layer = Input(
        n_channels=1, width=3, height=1, offsets=(10.0,), norm_stds=(2.0,), random_crop="UNIQUE"
    )
    raw = torch.tensor([[[[20, 30, 40, 50]]]], dtype=torch.uint8)

    module = layer.build([], DEFAULTS)

    assert module.eval()(raw).flatten().tolist() == [5.0, 10.0, 15.0]
    assert {tuple(module.train()(raw).flatten().tolist()) for _ in range(50)} == {
        (5.0, 10.0, 15.0),
        (10.0, 15.0, 20.0),
    }


@pytest.mark.parametrize(
    ("crop", "shape"),
    [
        ("UNIQUE", (3, 6, 7)),
        ("UNIQUE", (3, 4, 5)),
        ("UNIQUE", (60,)),
        ("RANDOMRESIZED", (3, 2, 9)),
        ("RESIZETHENCROP", (3, 1, 1)),
    ],
)
def test_images_that_are_cut_may_have_another_size(crop: str, shape: tuple[int, ...]) -> None:
    layer = Input.model_validate({"n_channels": 3, "height": 4, "width": 5, "random_crop": crop})

    assert layer.bind_shape(shape) is layer
    assert layer.infer([], DEFAULTS) == (3, 4, 5)
    assert layer.build([], DEFAULTS)(pixels((2, *shape))).shape == (2, 3, 4, 5)


@pytest.mark.parametrize(
    ("crop", "shape", "also"),
    [
        ("UNIQUE", (3, 6, 4), " or larger"),
        ("UNIQUE", (1, 6, 6), " or larger"),
        ("RANDOMRESIZED", (1, 6, 6), " or another size"),
        ("RESIZETHENCROP", (61,), " or another size"),
    ],
)
def test_images_that_cannot_be_cut_are_refused(
    crop: str, shape: tuple[int, ...], also: str
) -> None:
    layer = Input.model_validate({"n_channels": 3, "height": 4, "width": 5, "random_crop": crop})
    message = f"got rows of shape {shape}, expected (3, 4, 5){also}"
    with pytest.raises(GraphError, match=f"^{re.escape(message)}$"):
        layer.bind_shape(shape)


def test_an_image_cannot_also_be_a_row() -> None:
    message = (
        "option 'features' got a value together with 'nChannels', 'width' or 'height', "
        "expected rows of numbers or images, not both"
    )
    with pytest.raises(LayerError, match=f"^{message}$"):
        Input(features=4, width=2)


@pytest.mark.parametrize(
    ("options", "got"),
    [({"width": 2}, "(None, 2, None)"), ({"n_channels": 3}, "(3, None, None)")],
)
def test_half_an_image_is_refused(options: dict[str, int], got: str) -> None:
    message = (
        f"options 'nChannels', 'width' and 'height' got {got}, "
        "expected nChannels and at least one of width and height"
    )
    with pytest.raises(LayerError, match=f"^{re.escape(message)}$"):
        Input.model_validate(options)


def test_offsets_are_one_or_one_per_channel() -> None:
    with pytest.raises(LayerError, match=r"^option 'normStds' got 2 values, expected 1 or 3$"):
        Input(n_channels=3, width=2, norm_stds=(1.0, 2.0))


def test_a_layer_is_bound_to_steps_of_values() -> None:
    bound = Input().bind_shape((5, 3))

    assert (bound.steps, bound.features, bound.shape) == (5, 3, (5, 3))
    assert Input(steps=5, features=3).bind_shape((15,)).shape == (5, 3)


def test_steps_have_values() -> None:
    message = (
        r"^options 'steps' and 'features' got 5 and None, expected the number of values of a step "
        r"too$"
    )
    with pytest.raises(LayerError, match=message):
        Input(steps=5)

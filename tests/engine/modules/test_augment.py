import numpy as np
import pytest
import torch
from torch.nn import functional

from engine.modules.augment import Augment, Augmentation

ROWS = 2000


def augment(
    augmentation: Augmentation, size: tuple[int, int] = (2, 3), *, seed: int = 1
) -> Augment:
    module = Augment(size, augmentation)
    module.generator = torch.Generator().manual_seed(seed)
    return module


def ramps(height: int, width: int, rows: int = ROWS) -> torch.Tensor:
    """Return images whose first channel is the row of a pixel, the second its column."""
    down = torch.arange(height).view(1, 1, -1, 1).expand(rows, 1, height, width)
    across = torch.arange(width).view(1, 1, 1, -1).expand(rows, 1, height, width)
    return torch.cat([down, across], 1).to(torch.uint8)


@pytest.mark.parametrize(("flip", "axes"), [("H", [3]), ("V", [2]), ("HV", [2, 3])])
def test_half_of_the_images_are_flipped(flip: str, axes: list[int]) -> None:
    images = ramps(2, 3)
    result = augment(Augmentation(flip=flip))(images)  # type: ignore[arg-type]

    # five deviations of a binomial count
    slack = 5 * (ROWS / 4) ** 0.5
    turned = {3: result[:, 1, 0, 0] == 2, 2: result[:, 0, 0, 0] == 1}
    for axis in (2, 3):
        expected = ROWS / 2 if axis in axes else 0
        assert abs(int(turned[axis].sum()) - expected) <= (slack if axis in axes else 0)
    for row in range(20):
        flipped = [axis - 1 for axis in axes if turned[axis][row]]
        assert torch.equal(result[row], images[row].flip(flipped) if flipped else images[row])
    assert result.dtype == torch.uint8


def test_flips_of_both_axes_are_drawn_apart() -> None:
    result = augment(Augmentation(flip="HV"))(ramps(2, 2))

    corners = result[:, 0, 0, 0] * 2 + result[:, 1, 0, 0]
    counts = torch.bincount(corners.long())
    assert (counts - ROWS / 4).abs().max().item() < 5 * (ROWS * 3 / 16) ** 0.5


def test_larger_images_are_cut_at_a_random_place() -> None:
    # 2x3 windows of 4x5 images begin at rows 0 to 2 and columns 0 to 2, each equally often
    result = augment(Augmentation(crop="UNIQUE"))(ramps(4, 5)).long()

    top, left = result[:, 0, 0, 0], result[:, 1, 0, 0]
    expected = ramps(2, 3).long() + torch.stack([top, left], 1)[:, :, None, None]
    assert torch.equal(result, expected)
    counts = torch.bincount(top * 3 + left, minlength=9)
    assert len(counts) == 9
    assert (counts - ROWS / 9).abs().max().item() < 5 * (ROWS * 8 / 81) ** 0.5


def test_scoring_cuts_in_the_middle() -> None:
    # 2x3 of 5x5: rows 1 and 2, columns 1 to 3
    result = augment(Augmentation(crop="UNIQUE", flip="HV", mutation="RANDOM")).eval()(
        ramps(5, 5, rows=2)
    )

    assert result[1].tolist() == [[[1, 1, 1], [2, 2, 2]], [[1, 2, 3], [1, 2, 3]]]


def test_images_of_the_right_size_are_not_cut() -> None:
    images = ramps(2, 3, rows=5)

    assert torch.equal(augment(Augmentation(crop="UNIQUE"))(images), images)


def test_a_random_part_is_resized() -> None:
    # a part w wide of an image W wide is a ramp whose slope is w / Q pixels, inside the image
    module = augment(Augmentation(crop="RANDOMRESIZED"), (8, 10))
    result = module(ramps(40, 60))

    down, across = result[:, 0], result[:, 1]
    slopes = [down[:, 4, 0] - down[:, 3, 0], across[:, 0, 5] - across[:, 0, 4]]
    height, width = slopes[0] * 8, slopes[1] * 10
    for ramp, slope, axis in ((down, slopes[0], 1), (across, slopes[1], 2)):
        inner = ramp.diff(dim=axis).narrow(axis, 1, ramp.shape[axis] - 3)
        torch.testing.assert_close(
            inner, slope[:, None, None].expand_as(inner), atol=1e-4, rtol=1e-3
        )
    share, ratio = height * width / (40 * 60), width / height
    whole = (height < 39.9) & (width < 59.9)  # where a side is cut off, area and ratio change
    assert share.min().item() > 0.079
    assert share.max().item() < 1.001
    assert 0.55 < share[whole].mean().item() * 2 < 1.1
    assert ratio[whole].min().item() > 0.749
    assert ratio[whole].max().item() < 1.334
    assert down.min().item() >= 0
    assert across.max().item() <= 59


def test_scoring_resizes_the_whole_image_where_parts_are_trained() -> None:
    images = ramps(12, 12, rows=1)
    result = augment(Augmentation(crop="RANDOMRESIZED"), (3, 3)).eval()(images)

    expected = functional.interpolate(
        images.float(), (3, 3), mode="bilinear", antialias=True, align_corners=False
    )
    torch.testing.assert_close(result, expected)


@pytest.mark.parametrize(("height", "width"), [(7, 14), (16, 16), (8, 5)])
def test_resizing_then_cutting_keeps_proportions(height: int, width: int) -> None:
    # 7x7 windows of images at least 8 pixels high and wide: a step of one column is W / W' columns
    module = augment(Augmentation(crop="RESIZETHENCROP"), (7, 7))
    scale = max(8 / height, 8 / width)
    images = ramps(height, width)

    result = module(images)

    assert result.shape == (ROWS, 2, 7, 7)
    middle = module.eval()(images[:1])
    enlarged = functional.interpolate(
        images[:1].float(),
        (round(height * scale), round(width * scale)),
        mode="bilinear",
        antialias=True,
    )
    top, left = ((side - 7) // 2 for side in enlarged.shape[2:])
    torch.testing.assert_close(middle, enlarged[:, :, top : top + 7, left : left + 7])


def test_resizing_then_cutting_begins_at_a_random_place() -> None:
    # images of 8x8 for windows of 7x7 keep their size; four windows fit
    result = augment(Augmentation(crop="RESIZETHENCROP"), (7, 7))(ramps(8, 8)).long()

    places = result[:, 0, 0, 0] * 2 + result[:, 1, 0, 0]
    assert sorted(places.unique().tolist()) == [0, 1, 2, 3]


def test_colours_change_by_three_factors() -> None:
    # by hand with the factors that were drawn: grey + s (x - grey), mean + c (y - mean), times b
    images = torch.randint(60, 180, (50, 3, 4, 5), generator=torch.Generator().manual_seed(9))
    module = augment(Augmentation(mutation="RANDOM"), (4, 5))

    result = module(images.to(torch.uint8)).double().numpy()

    again = torch.Generator().manual_seed(1)
    draws = [torch.rand(50, 1, 1, 1, generator=again).double().numpy() for _ in range(3)]
    saturation, contrast, brightness = (0.8 + 0.4 * draw for draw in draws)
    x = images.double().numpy()
    grey = x.mean(1, keepdims=True)
    y = grey + saturation * (x - grey)
    mean = y.mean((1, 2, 3), keepdims=True)
    expected = np.clip((mean + contrast * (y - mean)) * brightness, 0, 255)
    np.testing.assert_allclose(result, expected, atol=1e-3)
    assert abs(result.mean() - x.mean()) > 0.01


def test_bytes_stay_in_their_range_and_numbers_need_not() -> None:
    white = torch.full((200, 1, 2, 2), 255, dtype=torch.uint8)
    module = augment(Augmentation(mutation="RANDOM"), (2, 2))

    assert module(white).max().item() == 255.0
    assert module(white.float()).max().item() > 290.0


def test_the_same_generator_gives_the_same_changes() -> None:
    everything = Augmentation(flip="HV", crop="RANDOMRESIZED", mutation="RANDOM")
    images = ramps(6, 6, rows=8)

    first, again, other = (augment(everything, seed=seed)(images) for seed in (1, 1, 2))

    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("crop", ["UNIQUE", "RANDOMRESIZED", "RESIZETHENCROP"])
def test_the_memory_order_of_images_does_not_change_numbers(crop: str) -> None:
    images = ramps(6, 7, rows=8)
    other = images.contiguous(memory_format=torch.channels_last)
    augmentation = Augmentation(flip="HV", crop=crop, mutation="RANDOM")  # type: ignore[arg-type]

    torch.testing.assert_close(augment(augmentation)(images), augment(augmentation)(other))

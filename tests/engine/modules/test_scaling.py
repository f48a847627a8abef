import pytest
import torch

from engine.modules.scaling import Scale, Scaling


def test_the_map_is_factor_then_offset_then_divisor() -> None:
    # (2 * 5 - 4) / 3
    module = Scaling((1,), Scale(2.0, (4.0,), (3.0,)), None)

    assert module(torch.tensor([[5.0]])).item() == pytest.approx(2.0)


def test_a_map_that_changes_nothing_keeps_no_numbers() -> None:
    module = Scaling((3,), Scale(1.0, (0.0,), (1.0, 1.0, 1.0)), None)

    assert list(module.buffers()) == []


def test_constants_are_no_part_of_the_state() -> None:
    module = Scaling((3,), Scale(2.0, (1.0,), ()), None)

    assert module.state_dict() == {}


def test_whole_numbers_of_any_width_become_floats() -> None:
    module = Scaling((2,), Scale(0.5), None)

    result = module(torch.tensor([[255, 3]], dtype=torch.uint8))

    assert (result.dtype, result.tolist()) == (torch.float32, [[127.5, 1.5]])

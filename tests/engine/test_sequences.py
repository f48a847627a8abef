import torch

from engine.sequences import cleared, full_lengths, is_true_step, lengths_of


def test_true_steps_come_before_padding() -> None:
    assert is_true_step(torch.tensor([2, 0]), 3).tolist() == [
        [True, True, False],
        [False, False, False],
    ]


def test_sequences_without_padding_have_all_their_steps() -> None:
    assert full_lengths(torch.zeros(2, 5, 3), 5).tolist() == [5, 5]


def test_padding_is_cleared_whatever_it_was() -> None:
    rows = torch.tensor([[[1.0], [float("nan")]]])

    assert cleared(rows, torch.tensor([1])).tolist() == [[[1.0], [0.0]]]


def test_lengths_travel_under_a_name_no_layer_can_have() -> None:
    assert not lengths_of("data").isprintable()

from math import log

import pytest
import torch

from engine.losses import ABSENT, UNSEEN, Target
from engine.tasks.segmentation import PixelEntropy, PixelValues

CLASSES = PixelEntropy(Target("pixels", 2))
RAW = torch.tensor([[[[0.0, 2.0]], [[0.0, 1.0]]]])


def test_the_loss_is_summed_over_pixels_and_the_error_is_a_share() -> None:
    # D16; pixels: even odds, and p = e² / (e² + e) of class 0 where class 1 is true
    truth = torch.tensor([[[0, 1]]], dtype=torch.int16)
    second = log(1 + torch.e)

    assert CLASSES.loss(RAW, truth).item() == pytest.approx(log(2) + second)
    assert CLASSES.fit_error(RAW, truth).item() == 0.5
    assert CLASSES.predict(RAW).sum(dim=1).tolist() == [[[1.0, 1.0]]]


def test_pixels_without_a_class_have_no_loss_and_unseen_ones_are_wrong() -> None:
    truth = torch.tensor([[[UNSEEN, ABSENT]], [[ABSENT, ABSENT]]], dtype=torch.int16)
    raw = RAW.expand(2, -1, -1, -1)

    assert CLASSES.loss(raw, truth).tolist() == [0.0, 0.0]
    assert CLASSES.fit_error(raw, truth).tolist() == [1.0, 0.0]
    assert CLASSES.known(truth).has_error.tolist() == [True, False]


def test_values_lose_half_their_squares_summed_and_err_by_the_mean() -> None:
    task = PixelValues(Target("interval", 2), lambda raw: raw)
    truth = torch.tensor([[[[1.0, 4.0]]], [[[float("nan"), 0.0]]]])
    raw = torch.tensor([[[[0.0, 2.0]]], [[[0.0, 0.0]]]])
    known = task.known(truth)

    assert known.has_loss.tolist() == [True, False]
    assert task.loss(raw, known.target).tolist() == [(1 + 4) / 2, 0.0]
    assert task.fit_error(raw, known.target).tolist() == [(1 + 4) / 2, 0.0]

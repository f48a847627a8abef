from collections import defaultdict
from itertools import groupby, product
from math import prod

import numpy as np
import pytest
import torch

from engine.devices import seeded
from engine.errors import GraphError
from engine.layers.base import Target
from engine.layers.output import Output
from engine.losses import ABSENT
from engine.modules.dense import CERTAIN
from engine.tasks.beam import CtcBeam, likeliest
from engine.tasks.steps import Ctc

LABELS = Target("nominal", 1, 1)


def searched(steps: list[list[float]]) -> dict[tuple[int, ...], float]:
    """Return the chance of all labels, as the sum over every path."""
    blank = len(steps[0]) - 1
    totals: dict[tuple[int, ...], float] = defaultdict(float)
    for path in product(range(blank + 1), repeat=len(steps)):
        labels = tuple(label for label, _ in groupby(path) if label != blank)
        totals[labels] += prod(step[k] for step, k in zip(steps, path, strict=True))
    return totals


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("length", "levels"), [(3, 2), (4, 2), (3, 3)])
def test_a_wide_beam_finds_the_likeliest_labels(seed: int, length: int, levels: int) -> None:
    steps = np.random.default_rng(seed).dirichlet(np.ones(levels + 1), length).tolist()
    totals = searched(steps)

    assert likeliest(steps, 100) == max(totals, key=lambda labels: totals[labels])


def test_the_sum_of_all_places_beats_the_likeliest_path() -> None:
    # blank blank 0.6 * 0.6 = 0.36; the label in either place or both: 1 - 0.36 = 0.64
    raw = torch.log(torch.tensor([[[0.4, 0.6], [0.4, 0.6]]]))

    assert Ctc(LABELS).decode(raw).tolist() == [[ABSENT, ABSENT]]
    assert CtcBeam(LABELS).decode(raw).tolist() == [[0, ABSENT]]
    assert CtcBeam(LABELS).fit_error(raw, torch.tensor([[0]])).item() == 0.0
    assert CtcBeam(LABELS).fit_error(raw, torch.tensor([[ABSENT]])).item() == 1.0


def test_a_beam_of_one_drops_what_would_have_been_likeliest() -> None:
    assert likeliest([[0.4, 0.6], [0.4, 0.6]], 1) == ()


def test_the_same_label_twice_needs_a_blank_between() -> None:
    # the only likely path is 0 blank 0
    assert likeliest([[0.9, 0.1], [0.1, 0.9], [0.9, 0.1]], 16) == (0, 0)
    assert likeliest([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1]], 16) == (0,)


def test_long_sequences_keep_their_chances() -> None:
    # 0.5 ** 5000 would be zero in double precision
    assert likeliest([[0.25, 0.25, 0.5], [0.5, 0.2, 0.3]] * 2500, 4)


def test_padding_adds_no_label() -> None:
    raw = torch.log(torch.tensor([[[0.9, 0.1], [0.1, 0.9]]]))
    raw[0, 1] = torch.tensor([0.0, CERTAIN])

    assert CtcBeam(LABELS).decode(raw).tolist() == [[0, ABSENT]]


def test_the_loss_is_that_of_ctc() -> None:
    raw = torch.randn(4, 5, 3, generator=seeded(1))
    target = torch.tensor([[0, 1], [1, 1], [0, ABSENT], [1, 0]])
    pair = Target("nominal", 2, 2)

    torch.testing.assert_close(CtcBeam(pair).loss(raw, target), Ctc(pair).loss(raw, target))


def test_ctc_alt_has_a_blank_and_wants_labels() -> None:
    bound = Output(error="CTC_ALT").bind(Target("nominal", 4, 3))

    assert (bound.n, bound.act) == (5, "SOFTMAX")
    assert isinstance(bound.task(), CtcBeam)
    with pytest.raises(
        GraphError,
        match=r"^option 'error' got 'CTC_ALT' with one target for a row, expected a "
        r"targetSequence$",
    ):
        Output(error="CTC_ALT").bind(Target("nominal", 4))

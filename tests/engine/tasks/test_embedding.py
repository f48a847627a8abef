import pytest
import torch

from engine.losses import Target
from engine.modules.embedding import Distances
from engine.tasks.embedding import Contrastive, Margins

PAIR = Contrastive(Target("interval", 1), 2.0)
MANY = Margins(Target("none", 0), 1.0)
NO_TARGET = torch.empty(1, 0)


def test_distances_are_from_the_anchor_and_between_the_last_two() -> None:
    points = [torch.tensor([[x, 0.0]]) for x in (0.0, 3.0, -1.0, 4.0)]

    assert Distances()(*points[:2]).tolist() == [[3.0]]
    assert Distances()(*points[:3]).tolist() == [[3.0, 1.0]]
    assert Distances()(*points).tolist() == [[3.0, 1.0, 5.0]]


def test_the_gradient_of_equal_embeddings_is_finite() -> None:
    point = torch.ones(1, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(Distances()(point, torch.ones(1, 2)).sum(), point)
    assert gradient.isfinite().all()


def test_similar_pairs_lose_by_their_distance_and_others_within_the_margin() -> None:
    distances = torch.tensor([[0.6], [0.6], [2.5]])
    similar = torch.tensor([[1.0], [0.0], [0.0]])

    assert PAIR.loss(distances, similar).tolist() == pytest.approx([0.18, 1.4**2 / 2, 0.0])
    assert PAIR.fit_error(distances, similar).tolist() == pytest.approx([0.6, 1.4, 0.0])
    assert PAIR.known(torch.tensor([[float("nan")]])).has_loss.tolist() == [False]


def test_a_triplet_loses_until_the_margin_and_scores_below_zero() -> None:
    raw = torch.tensor([[1.0, 1.2], [1.0, 2.0]])

    # 1 - 1.44 + 1, and 1 - 4 + 1
    assert MANY.loss(raw, NO_TARGET).tolist() == pytest.approx([0.56, 0.0])
    assert MANY.scored_loss(raw, NO_TARGET).tolist() == pytest.approx([0.56, -2.0])
    assert MANY.fit_error(raw, NO_TARGET).tolist() == pytest.approx([0.56, 0.0])


def test_a_quartet_also_keeps_the_last_two_apart() -> None:
    raw = torch.tensor([[1.0, 2.0, 1.1]])

    # 1 - 4 + 1 is cut off; 1 - 1.21 + 0.5
    assert MANY.loss(raw, NO_TARGET).item() == pytest.approx(0.29)
    assert MANY.scored_loss(raw, NO_TARGET).item() == pytest.approx(-2 + 0.29)
    assert MANY.predict(raw) is raw

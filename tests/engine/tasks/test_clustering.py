from math import log

import pytest
import torch

from engine.losses import Target
from engine.modules.clustering import StudentKernel
from engine.tasks.clustering import Cluster, sharpened

TASK = Cluster(Target("none", 0), 2)
NO_TARGET = torch.empty(2, 0)


def test_belonging_falls_with_the_squared_distance() -> None:
    kernel = StudentKernel(2, 1, 1.0)
    kernel.weight.data.copy_(torch.tensor([[0.0], [3.0]]))

    # squared distances 1 and 4: 1 / 2 and 1 / 5
    shares = kernel(torch.tensor([[1.0]]))

    assert shares.tolist()[0] == pytest.approx([5 / 7, 2 / 7])


def test_more_degrees_of_freedom_make_a_lighter_tail() -> None:
    kernel = StudentKernel(2, 1, 3.0)
    kernel.weight.data.copy_(torch.tensor([[0.0], [3.0]]))
    near, far = (1 + 1 / 3) ** -2, (1 + 4 / 3) ** -2

    assert kernel(torch.tensor([[1.0]])).tolist()[0] == pytest.approx(
        [near / (near + far), far / (near + far)]
    )


def test_the_target_sharpens_and_evens_out_the_clusters() -> None:
    q = torch.tensor([[0.6, 0.4], [0.8, 0.2]])
    # f = (1.4, 0.6); first row: 0.36 / 1.4 against 0.16 / 0.6
    first, second = 0.36 / 1.4, 0.16 / 0.6
    assert sharpened(q)[0].tolist() == pytest.approx(
        [first / (first + second), second / (first + second)]
    )


def test_the_loss_is_the_divergence_and_the_target_a_constant() -> None:
    q = torch.tensor([[0.6, 0.4], [0.8, 0.2]], requires_grad=True)
    p = sharpened(q.detach()).tolist()
    expected = [
        sum(a * log(a / b) for a, b in zip(wanted, found, strict=True))
        for wanted, found in zip(p, q.tolist(), strict=True)
    ]

    loss = TASK.loss(q, NO_TARGET)
    (gradient,) = torch.autograd.grad(loss.sum(), q)

    assert loss.tolist() == pytest.approx(expected)
    slopes = -sharpened(q.detach()) / q.detach()
    torch.testing.assert_close(gradient, slopes)


def test_the_fit_error_is_what_the_nearest_cluster_lacks() -> None:
    q = torch.tensor([[0.6, 0.4], [0.2, 0.8]])
    assert TASK.fit_error(q, NO_TARGET).tolist() == pytest.approx([0.4, 0.2])
    assert TASK.known(NO_TARGET).has_loss.tolist() == [True, True]

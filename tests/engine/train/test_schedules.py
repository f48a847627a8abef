from typing import get_args

import numpy as np
import pytest
import torch

from engine.errors import LayerError, TrainingError
from engine.train.algorithms import Algorithm, Policy, Vanilla
from engine.train.schedules import SCHEDULES, Moment, epoch_rates, learning_rate


def solver(**options: object) -> Algorithm:
    return Vanilla.model_validate(options)


def test_fixed_never_changes() -> None:
    assert epoch_rates(solver(learning_rate=0.5), 3) == [0.5, 0.5, 0.5]


def test_step_falls_every_step_size_epochs() -> None:
    # verified values: 1e-4, 1e-4, 1e-5, ...; the 48th epoch 1e-27, the 49th and 50th 1e-28
    rates = epoch_rates(
        solver(learning_rate=1e-4, learning_rate_policy="STEP", gamma=0.1, step_size=2), 50
    )
    assert rates[:3] == pytest.approx([1e-4, 1e-4, 1e-5], rel=1e-9)
    assert rates[47:] == pytest.approx([1e-27, 1e-28, 1e-28], rel=1e-9)


def test_multistep_falls_at_the_listed_epochs() -> None:
    rates = epoch_rates(
        solver(learning_rate=1.0, learning_rate_policy="MULTISTEP", gamma=0.5, steps=(2, 3, 5)), 7
    )
    assert rates == [1.0, 1.0, 0.5, 0.25, 0.25, 0.125, 0.125]


def test_poly_falls_to_nothing_over_the_run() -> None:
    # verified values: 0.02, 0.0196, 0.0192, ..., 0.0004
    rates = epoch_rates(solver(learning_rate=0.02, learning_rate_policy="POLY", power=1), 50)
    assert rates[:3] == pytest.approx([0.02, 0.0196, 0.0192], rel=1e-9)
    assert rates[-1] == pytest.approx(0.0004, rel=1e-9)


def test_inv_counts_weight_updates() -> None:
    inv = solver(learning_rate=1.0, learning_rate_policy="INV", gamma=0.5, power=2)
    # (1 + 0.5 t)^-2 at t = 0, 1, 2, whatever the epoch
    rates = [learning_rate(inv, Moment(epoch=9, max_epochs=10, update=t)) for t in (0, 1, 2)]
    assert rates == pytest.approx([1.0, 1 / 2.25, 0.25])


def test_epoch_rates_of_inv_are_those_of_the_first_update() -> None:
    inv = solver(learning_rate=1.0, learning_rate_policy="INV", gamma=1.0, power=1)
    assert epoch_rates(inv, 3, updates_per_epoch=4) == pytest.approx([1.0, 1 / 5, 1 / 9])


@pytest.mark.parametrize("updates", [93, 94])
def test_cyclic_rates_are_those_of_the_published_function(updates: int) -> None:
    # verified values of the reference for both counts of mini-batches
    cyclic = solver(
        learning_rate=1e-4, learning_rate_policy="CYCLICLR", max_learning_rate=0.01, factor=2
    )
    rates = epoch_rates(cyclic, 4, updates)
    assert [f"{rate:.6f}" for rate in rates] == ["0.000153", "0.005103", "0.009947", "0.004997"]


def test_a_plateau_falls_when_patience_and_cool_down_are_over() -> None:
    # cool-down 2 covers epochs 0 and 1; epochs 2, 3 and 4 are not better: 3 > patience 2, a fall;
    # cool-down again in 5 and 6; 7 is a new best; 8, 9 and 10 are not: another fall
    losses = [1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 0.5, 0.5, 0.6, 0.5]
    policy = {"learning_rate_policy": "REDUCELRONPLATEAU", "gamma": 0.1}
    plateau = solver(learning_rate=1.0, patience=2, cool_down=2, **policy)
    rates = [learning_rate(plateau, Moment(e, 20, e, 1, losses[:e])) for e in range(12)]
    assert rates == pytest.approx([1.0] * 5 + [0.1] * 6 + [0.01])


def test_a_plateau_falls_where_that_of_torch_does() -> None:
    losses = np.random.default_rng(4).random(60).round(2).tolist()
    policy = {"learning_rate_policy": "REDUCELRONPLATEAU", "gamma": 0.5}
    plateau = solver(learning_rate=1.0, patience=3, cool_down=4, **policy)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    other = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=3, cooldown=4, threshold=0.0, eps=0.0
    )
    other.cooldown_counter = 4  # the dialect cools down at the start, too
    for epoch, loss in enumerate(losses):
        found = learning_rate(plateau, Moment(epoch, 60, epoch, 1, losses[:epoch]))
        assert found == pytest.approx(optimizer.param_groups[0]["lr"])
        other.step(loss)


def test_cosine_falls_as_that_of_torch() -> None:
    cosine = solver(learning_rate=0.2, learning_rate_policy="COSINE", min_learning_rate=0.01)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.2)
    other = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=12, eta_min=0.01)
    for update in range(12):
        found = learning_rate(cosine, Moment(update // 4, 3, update, 4))
        assert found == pytest.approx(other.get_last_lr()[0])
        optimizer.step()
        other.step()


def test_a_warm_up_rises_evenly_to_the_rate_of_the_policy() -> None:
    warm = solver(learning_rate=1.0, learning_rate_policy="STEP", step_size=2, warm_up=2)
    rates = [learning_rate(warm, Moment(t // 2, 3, t, 2)) for t in range(6)]
    # four updates of warm-up, then the fall of the third epoch
    assert rates == pytest.approx([0.25, 0.5, 0.75, 1.0, 0.1, 0.1])


def test_every_policy_is_built() -> None:
    assert set(SCHEDULES) == set(get_args(Policy))


CYCLIC = """
function cyclic(rate, initRate, gamma, stepSize, iterNum, batch, loss[*]);
    /* {updates} mini-batches an epoch, factor 2, at most 0.01 */
    half = {updates} * 2;
    count = {updates} * iterNum + batch;
    cycle = floor(1 + count / (2 * half));
    x = abs(count / half - 2 * cycle + 1);
    return(initRate + (0.01 - initRate) * max(0, 1 - x));
endsub;
"""
PLATEAU = """
function plateau(rate, initRate, gamma, stepSize, iterNum, batch, loss[*]);
    best = 1e30; waited = 0; cooling = 2; lr = initRate;
    do i = 1 to dim(loss);
        if loss[i] < best then do;
            best = loss[i]; waited = 0;
        end;
        else waited = waited + 1;
        if cooling > 0 then do;
            cooling = cooling - 1; waited = 0;
        end;
        if waited > 2 then do;
            waited = 0; cooling = 2; lr = lr * gamma;
        end;
    end;
    return(lr);
endsub;
"""


def written(text: str, **options: object) -> Algorithm:
    return solver(learning_rate_policy="FCMP", fcmp_learning_rate=text, **options)


@pytest.mark.parametrize("updates", [93, 94])
def test_the_published_cyclic_function_gives_the_verified_rates(updates: int) -> None:
    rates = epoch_rates(written(CYCLIC.format(updates=updates), learning_rate=1e-4), 4, updates)
    assert [f"{rate:.6f}" for rate in rates] == ["0.000153", "0.005103", "0.009947", "0.004997"]


def test_a_plateau_written_out_falls_where_the_policy_does() -> None:
    losses = np.random.default_rng(4).random(40).round(2).tolist()
    policy = {"learning_rate_policy": "REDUCELRONPLATEAU", "patience": 2, "cool_down": 2}
    built, own = solver(gamma=0.5, **policy), written(PLATEAU, gamma=0.5)
    for epoch in range(41):
        moment = Moment(epoch, 60, epoch, 1, losses[:epoch])
        assert learning_rate(own, moment) == pytest.approx(learning_rate(built, moment))


def test_a_rate_may_follow_from_the_rate_and_the_loss_before() -> None:
    own = written("ifn(loss > 1, rate * gamma, rate)", gamma=0.5, learning_rate=0.4)
    first = learning_rate(own, Moment(0, 9, 0))
    second = learning_rate(own, Moment(1, 9, 1, 1, (2.0,), first))
    third = learning_rate(own, Moment(2, 9, 2, 1, (2.0, 1.0), second))
    assert (first, second, third) == (0.4, 0.2, 0.2)


def test_batches_count_from_one_in_every_epoch() -> None:
    own = written("batch / 10 + iterNum")
    rates = [learning_rate(own, Moment(t // 3, 2, t, 3)) for t in range(5)]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 1.1, 1.2])


def test_a_rate_below_zero_stops_the_run() -> None:
    message = (
        "option 'fcmpLearningRate' gave the rate -1 at epoch 2, batch 1, expected none below zero"
    )
    with pytest.raises(TrainingError, match=f"^{message}$"):
        learning_rate(written("-iterNum"), Moment(1, 2, 1))


def test_a_rate_that_is_not_finite_stops_the_run() -> None:
    message = (
        "option 'fcmpLearningRate': function at line 1, column 2 got a value of inf, expected a "
        "finite one, at epoch 1, batch 1"
    )
    with pytest.raises(TrainingError, match=f"^{message}$"):
        learning_rate(written("1/iterNum"), Moment(0, 2, 0))


def test_the_name_of_a_function_that_nobody_found_stops_the_run() -> None:
    named = solver(fcmp_learning_rate="cyclic_lr")
    with pytest.raises(
        LayerError, match=r"^option 'fcmpLearningRate' got the bare name 'cyclic_lr'"
    ):
        learning_rate(named, Moment(0, 2, 0))


def test_fewer_parameters_are_taken_by_name() -> None:
    # 93 batches: half a cycle is 186, the first step 1e-4 + 0.0099 / 186
    text = """
        function cyclic_lr(rate, iterNum, batch, initRate);
            count = 93 * iterNum + batch;
            cycle = floor(count / (2 * 186) + 1);
            x = abs(count / 186 - 2 * cycle + 1);
            rate = initRate + (0.01 - initRate) * max(0, 1-x);
            return(rate);
        endsub;
    """
    rates = epoch_rates(written(text, learning_rate=1e-4), 4, 93)
    assert [f"{rate:.6f}" for rate in rates] == ["0.000153", "0.005103", "0.009947", "0.004997"]

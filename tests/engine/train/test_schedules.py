import pytest

from engine.train.config import Algorithm, Vanilla
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


def test_every_policy_but_fcmp_is_built() -> None:
    assert set(SCHEDULES) == {"FIXED", "STEP", "MULTISTEP", "POLY", "INV"}

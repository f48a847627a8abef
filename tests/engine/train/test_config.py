import re

import pytest
from pydantic import ValidationError

from engine.errors import NotSupportedError, TrainingError
from engine.layers.base import BuildOptions
from engine.train.algorithms import Adam, Momentum, Vanilla
from engine.train.config import Optimizer, resolved_seed


def test_an_empty_dictionary_is_one_epoch_of_plain_descent() -> None:
    optimizer = Optimizer()

    assert optimizer.algorithm == Vanilla(learning_rate=0.001)
    assert (optimizer.max_epochs, optimizer.mini_batch_size) == (1, 1)


def test_a_solver_without_a_method_is_plain_descent() -> None:
    optimizer = Optimizer.model_validate({"algorithm": {"learning_rate": 0.5}})
    assert optimizer.algorithm == Vanilla(learning_rate=0.5)


def test_solvers_have_the_defaults_of_the_dialect() -> None:
    assert Momentum().momentum == 0.9
    assert (Adam().beta1, Adam().beta2) == (0.9, 0.999)
    assert (Adam().gamma, Adam().step_size, Adam().power) == (0.1, 10, 0.75)


MODES = "all workers exchange their gradients in every mini-batch"
UNBUILT: list[tuple[dict[str, object], str]] = [
    (
        {"algorithm": {"method": "ADAM", "use_locking": False}},
        (
            "algorithm.useLocking = False is not supported yet: every update waits for the one "
            "before it"
        ),
    ),
    ({"mode": {"type": "DOWNPOUR"}}, f"mode.type = 'DOWNPOUR' is not supported yet: {MODES}"),
    ({"mode": {"type": "ELASTIC"}}, f"mode.type = 'ELASTIC' is not supported yet: {MODES}"),
    ({"mode": {"sync_freq": 2}}, f"mode.syncFreq = 2 is not supported yet: {MODES}"),
    (
        {"flush_weights": True},
        "flushWeights = True is not supported yet: weights are stored when they are done",
    ),
    (
        {"mini_batch_buf_size": 8},
        (
            "miniBatchBufSize = 8 is not supported yet: a mini-batch is computed as a whole; take "
            "a smaller one"
        ),
    ),
]


@pytest.mark.parametrize(("options", "shown"), UNBUILT)
def test_what_is_known_and_not_built_is_refused(options: dict[str, object], shown: str) -> None:
    with pytest.raises(NotSupportedError, match=f"^{re.escape(f'optimizer option {shown}')}$"):
        Optimizer.model_validate(options)


@pytest.mark.parametrize(
    "options",
    [
        {"mini_batch_size": 0},
        {"max_epochs": 0},
        {"reg_l2": -1.0},
        {"dropout": 1.0},
        {"log_level": 4},
        {"algorithm": {"learning_rate": 0.0}},
        {"algorithm": {"method": "MOMENTUM", "momentum": 1.0}},
        {"algorithm": {"method": "VANILLA", "momentum": 0.5}},
        {"maxEpochs": 3},
    ],
)
def test_options_out_of_range_and_unknown_ones_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Optimizer.model_validate(options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"learning_rate_policy": "FCMP"},
            (
                "learningRatePolicy FCMP got no fcmpLearningRate, expected the text of a function "
                "with FCMP and none without"
            ),
        ),
        (
            {"fcmp_learning_rate": "rate"},
            (
                "learningRatePolicy FIXED got fcmpLearningRate, expected the text of a function "
                "with FCMP and none without"
            ),
        ),
        (
            {"learning_rate_policy": "FCMP", "fcmp_learning_rate": "rate", "warm_up": 2},
            (
                "warmUp got 2 with learningRatePolicy FCMP, expected 0: the function says the rate "
                "of every epoch"
            ),
        ),
        (
            {"learning_rate_policy": "FCMP", "fcmp_learning_rate": "rate * gama"},
            (
                "option 'fcmpLearningRate': function at line 1, column 8 got the name 'gama', "
                "expected one that is known; the nearest is 'gamma'"
            ),
        ),
        (
            {
                "learning_rate_policy": "FCMP",
                "fcmp_learning_rate": "function f(a, b, c, d, e, f, g); a = 1; endsub;",
            },
            (
                "option 'fcmpLearningRate': function 'f' got a way through without a return, "
                "expected return(value); at the end"
            ),
        ),
    ],
)
def test_a_rate_function_is_checked_when_it_is_said(
    options: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        Optimizer.model_validate({"algorithm": options})


def test_clipping_bounds_must_be_in_order() -> None:
    with pytest.raises(
        ValidationError, match=r"clipGradMin got 2\.0, expected at most clipGradMax = 1\.0"
    ):
        Vanilla(clip_grad_min=2.0, clip_grad_max=1.0)


def test_a_cycle_needs_its_top() -> None:
    with pytest.raises(
        ValidationError, match="learningRatePolicy CYCLICLR got no maxLearningRate, expected one"
    ):
        Vanilla(learning_rate_policy="CYCLICLR")


def test_lbfg_without_a_mini_batch_size_takes_the_whole_table() -> None:
    lbfg = {"algorithm": {"method": "LBFG"}}
    assert Optimizer.model_validate(lbfg).is_full_batch
    assert not Optimizer.model_validate({**lbfg, "mini_batch_size": 8}).is_full_batch
    assert not Optimizer().is_full_batch


def test_the_mini_batch_is_per_thread() -> None:
    assert Optimizer(mini_batch_size=32).batch_rows(threads=4) == 128


def test_a_total_mini_batch_is_taken_as_it_is() -> None:
    assert Optimizer(mini_batch_size=7, total_mini_batch_size=12).batch_rows(threads=4) == 12


def test_a_total_mini_batch_is_raised_to_a_multiple_of_the_threads_when_asked() -> None:
    assert Optimizer(total_mini_batch_size=10, round=True).batch_rows(threads=4) == 12


def test_a_total_mini_batch_that_does_not_divide_is_refused() -> None:
    with pytest.raises(
        TrainingError,
        match=r"^optimizer option totalMiniBatchSize got 10, expected a multiple of the 4 "
        r"threads, such as 12, or round = true$",
    ):
        Optimizer(total_mini_batch_size=10).batch_rows(threads=4)


def test_options_that_change_the_network_are_handed_on() -> None:
    optimizer = Optimizer(dropout=0.5, dropout_input=0.1, dropout_type="INVERTED")
    assert optimizer.build_options(force_equal_padding=True) == BuildOptions(
        force_equal_padding=True, dropout_type="INVERTED", dropout=0.5, dropout_input=0.1
    )


def test_a_positive_seed_is_kept_and_a_fraction_dropped() -> None:
    assert resolved_seed(802.0) == 802
    assert resolved_seed(0.5) == 1


def test_seeds_of_zero_and_below_come_from_the_clock() -> None:
    assert resolved_seed(0) > 1_700_000_000
    assert resolved_seed(-1) > 1_700_000_000

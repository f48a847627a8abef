from engine.train.config import Optimizer
from engine.train.history import Stopping


def reasons(optimizer: Optimizer, losses: list[float]) -> list[str | None]:
    stopping = Stopping(optimizer)
    return [stopping.reason(loss) for loss in losses]


def test_nothing_stops_a_run_unless_asked() -> None:
    assert reasons(Optimizer(), [1.0, 2.0, 2.0, 2.0]) == [None] * 4


def test_epochs_without_improvement_in_a_row_end_the_run() -> None:
    # 0.5 is better than 1.0; then 0.5 again and 0.6 are no improvement: two in a row
    found = reasons(Optimizer(stagnation=2), [1.0, 0.5, 0.5, 0.6])
    assert found == [None, None, None, "stagnation: 2 epochs in a row without improvement"]


def test_an_improvement_begins_the_count_anew() -> None:
    assert reasons(Optimizer(stagnation=2), [1.0, 1.0, 0.9, 0.9, 0.8]) == [None] * 5


def test_an_improvement_within_the_threshold_is_none() -> None:
    # 1.0 - 0.95 = 0.05 is not above 0.95 * 0.1
    found = reasons(Optimizer(stagnation=1, threshold=0.1), [1.0, 0.95])
    assert found[1] == "stagnation: 1 epochs in a row without improvement"


def test_a_small_relative_change_ends_the_run() -> None:
    # |1 - 0.8| / 1 = 0.2, then |0.8 - 0.79| / 0.8 = 0.0125
    found = reasons(Optimizer(f_conv=0.1), [1.0, 0.8, 0.79])
    assert found == [
        None,
        None,
        "fConv: the relative change of the loss fell below the limit",
    ]

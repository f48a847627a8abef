from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import Tensor

import engine.score.forms as forms
import engine.score.frozen_form as frozen_form
from engine.compile.freezing import Freezing
from engine.compile.frozen import FrozenModel, file_name
from engine.compile.lower import CompiledModel
from engine.layers.convolution import Convolution
from engine.score.agreement import Values
from engine.score.frozen_form import FrozenForm, Record, Shop, Trial
from tests.engine.compile.test_passes import MANY, convolving
from tests.engine.score.parts import IMAGES, PARTS, ROWS, computed, encode, forward, spoilt


@pytest.fixture
def eager_shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Freezing that costs nothing: any table is long enough."""
    for name in ("PRICE_S", "LOAD_S"):
        monkeypatch.setattr(frozen_form, name, 0.0)
    for name in ("TIMED_PARTS", "TRIAL_PARTS"):
        monkeypatch.setattr(frozen_form, name, 2)
    monkeypatch.setattr(frozen_form, "UNDER_WAY", {})
    return Shop(folder=tmp_path, weights="w", rows=len(IMAGES))


@dataclass
class Making:
    """A stand-in for a process that freezes: it is over when it was asked so many times."""

    path: Path
    asked: int = 0
    is_over_at: int = 1
    reason: str = ""

    def is_over(self) -> bool:
        self.asked += 1
        if self.asked == self.is_over_at and not self.reason:
            self.path.write_bytes(b"")
        return self.asked >= self.is_over_at

    def end(self) -> None:
        if self.reason:
            raise RuntimeError(self.reason)


def freezing(
    monkeypatch: pytest.MonkeyPatch,
    *,
    error: float = 0.0,
    gain: float = 1e9,
    is_over_at: int = 1,
    reason: str = "",
) -> list[str]:
    """Put stand-ins in the compiler's place; return what was asked of them.

    Args:
        monkeypatch: of the test.
        error: what the frozen outputs are off by.
        gain: share of the other form's time below which the frozen one is kept.
        is_over_at: see ``Making``.
        reason: why the network cannot be frozen.
    """
    calls: list[str] = []

    def freeze(
        model: CompiledModel, example: Mapping[str, Tensor], rows: int, path: Path
    ) -> Making:
        assert model.module.training is False
        assert len(example["data"]) <= rows
        calls.append("freeze")
        return Making(path, is_over_at=is_over_at, reason=reason)

    def thawed(model: CompiledModel, rows: int, path: Path, lanes: int) -> FrozenModel:
        assert path.exists()
        assert lanes == 2
        calls.append("load")

        def program(values: Tensor) -> list[Tensor]:
            assert len(values) == rows
            return [model({"data": values})["out"] + error]

        return FrozenModel(program, rows, model)

    monkeypatch.setattr(frozen_form, "freeze", freeze)
    monkeypatch.setattr(frozen_form, "thawed", thawed)
    monkeypatch.setattr(frozen_form, "GAIN", gain)
    return calls


def after(shop: Shop, record: Record) -> Shop:
    """Return the shop of a scoring that comes after another one."""
    return replace(shop, record=record)


def test_a_frozen_form_that_pays_is_made_tried_kept_and_loaded_again(
    model: CompiledModel, expected: Tensor, eager_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = freezing(monkeypatch)
    first = forward(model, eager_shop)

    torch.testing.assert_close(computed(first), expected, atol=1e-5, rtol=1e-5)

    assert isinstance(first.form, FrozenModel)
    assert (calls, first.record.form) == (["freeze", "load"], "frozen")
    assert first.record.folded_us > 0
    assert first.record.frozen_us > 0
    assert first.record.difference < 1e-5

    again = forward(model, after(eager_shop, first.record))
    torch.testing.assert_close(computed(again), expected, atol=1e-5, rtol=1e-5)
    assert calls == ["freeze", "load", "load"]
    assert isinstance(again.form, FrozenModel)


def test_a_scoring_finds_what_an_earlier_one_had_frozen(
    model: CompiledModel, expected: Tensor, eager_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table ends before the compiler does."""
    calls = freezing(monkeypatch, is_over_at=30)
    first = forward(model, eager_shop)
    torch.testing.assert_close(computed(first), expected, atol=1e-5, rtol=1e-5)
    assert (first.form is first.eager, calls, first.record.form) == (True, ["freeze"], "")

    second = forward(model, after(eager_shop, first.record))
    torch.testing.assert_close(computed(second), expected, atol=1e-5, rtol=1e-5)

    assert calls == ["freeze", "load"]
    assert second.record.form == "frozen"


def test_one_network_is_frozen_at_a_time(
    model: CompiledModel, eager_shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = freezing(monkeypatch)
    other = Making(tmp_path / "other.so", is_over_at=1000)
    frozen_form.UNDER_WAY[other.path] = cast(Freezing, other)

    computed(forward(model, eager_shop))
    assert calls == []

    other.is_over_at = 1
    computed(forward(model, eager_shop))
    assert calls == ["freeze", "load"]


def test_what_another_worker_has_frozen_is_waited_for(
    model: CompiledModel, eager_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = freezing(monkeypatch)

    def refuse(*given: object) -> Making:
        del given
        raise FileExistsError

    monkeypatch.setattr(frozen_form, "freeze", refuse)
    own = forward(model, eager_shop)
    computed(own)
    assert (calls, own.record.form) == ([], "")

    own.frozen.path.write_bytes(b"")  # it is ready
    computed(forward(model, eager_shop))
    assert calls == ["load"]


def test_a_frozen_form_that_was_removed_is_made_again(
    model: CompiledModel, eager_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = freezing(monkeypatch)
    known = Record(form="frozen", folded_us=2.0, frozen_us=1.0)
    own = forward(model, after(eager_shop, known))
    computed(own)
    assert calls == ["freeze", "load"]
    assert isinstance(own.form, FrozenModel)  # without another trial
    assert own.frozen.least_rows == ROWS // 2


def test_a_frozen_form_that_is_slower_is_not_tried_twice(
    model: CompiledModel, expected: Tensor, eager_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = freezing(monkeypatch, gain=0.0)
    first = forward(model, eager_shop)

    torch.testing.assert_close(computed(first), expected, atol=1e-5, rtol=1e-5)

    assert first.form is first.eager
    assert first.record.form == "folded"
    computed(forward(model, after(eager_shop, first.record)))
    assert calls == ["freeze", "load"]


def test_a_frozen_form_that_gives_other_numbers_is_not_used(
    model: CompiledModel,
    expected: Tensor,
    eager_shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    freezing(monkeypatch, error=0.01)
    own = forward(model, eager_shop)

    torch.testing.assert_close(computed(own), expected, atol=1e-5, rtol=1e-5)

    assert own.record.form == "folded"
    largest = max(1.0, float(expected.abs().max()))
    assert 0.0099 / largest < own.record.difference <= 0.0101
    assert caplog.messages[0].startswith("the frozen form is not used, it differs by ")


def test_a_compiler_that_fails_is_told_and_done_without(
    model: CompiledModel,
    expected: Tensor,
    eager_shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls = freezing(monkeypatch, reason="no C++ compiler\nat a place")
    own = forward(model, eager_shop)

    torch.testing.assert_close(computed(own), expected, atol=1e-5, rtol=1e-5)

    assert caplog.messages == ["the network cannot be frozen: no C++ compiler"]
    assert own.record.form == "folded"
    computed(forward(model, after(eager_shop, own.record)))
    assert calls == ["freeze"]


@pytest.mark.parametrize(("name", "value"), [("PRICE_S", 3600.0), ("MOST_WEIGHTS", 10)])
def test_neither_short_tables_nor_heavy_networks_are_frozen(
    model: CompiledModel,
    eager_shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: float,
) -> None:
    calls = freezing(monkeypatch)
    monkeypatch.setattr(frozen_form, name, value)
    computed(forward(model, eager_shop))
    assert calls == []


def test_networks_of_half_precision_are_not_frozen(
    model: CompiledModel, eager_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = freezing(monkeypatch)
    computed(forward(model, replace(eager_shop, precision="FP16")))
    assert calls == []


@pytest.mark.parametrize(("spent_s", "expected"), [(11.0, []), (12.0, ["freeze"])])
def test_what_earlier_scorings_spent_counts(
    model: CompiledModel,
    eager_shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    spent_s: float,
    expected: list[str],
) -> None:
    """A network is frozen when the price was spent, or will have been at the table's end."""
    calls = freezing(monkeypatch)
    monkeypatch.setattr(frozen_form, "PRICE_S", 15.0)
    shop = replace(eager_shop, record=Record(spent_s=spent_s), rows=1008)
    own = FrozenForm(model, shop, ROWS)
    own.took(8, 8 * 3.0 / 1000)  # 3 s for the other 1,000 rows
    values = encode(PARTS[0])
    own.look(model, values, model(values))
    assert calls == expected


def test_a_short_rest_is_not_worth_loading(
    model: CompiledModel, eager_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = freezing(monkeypatch)
    monkeypatch.setattr(frozen_form, "LOAD_S", 1.0)
    known = Record(form="frozen", folded_us=20_000.0, frozen_us=10_000.0)
    for rows, expected in ((99, []), (101, ["load"])):  # in two lanes
        own = FrozenForm(model, replace(eager_shop, record=known, rows=rows), ROWS)
        own.path.write_bytes(b"")
        own.lanes = 2
        values = encode(PARTS[0])
        own.look(model, values, model(values))
        assert calls == expected


def test_two_forms_take_turns_and_their_times_are_taken() -> None:
    asked: list[str] = []

    def form(name: str) -> Callable[[Values], Values]:
        def compute(values: Values) -> Values:
            asked.append(name)
            return values

        return compute

    trial = Trial(form("eager"), form("frozen"))
    for _ in range(2 * frozen_form.TRIAL_PARTS - 1):
        assert trial({"data": IMAGES})["data"] is IMAGES
        assert trial.parts < frozen_form.TRIAL_PARTS
    trial({"data": IMAGES})

    assert trial.parts == frozen_form.TRIAL_PARTS
    for lanes in (1, 2, 4):  # in step, each has both forms as often
        assert all(asked[lane::lanes].count("eager") == 32 // lanes for lane in range(lanes))
    assert [len(us) for us in trial.us] == [frozen_form.TRIAL_PARTS] * 2
    assert min(map(min, trial.us)) > 0


@pytest.mark.parametrize(("by_loops", "expected"), [(True, []), (False, ["freeze"])])
def test_networks_with_loops_are_not_frozen(
    by_loops: bool,  # noqa: FBT001 - parametrised
    expected: list[str],
    eager_shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The compiler has none, and what is left of their time would hardly gain."""
    calls = freezing(monkeypatch)
    monkeypatch.setattr(frozen_form, "has_loops", lambda _: by_loops)
    model = convolving(("conv", Convolution(n_filters=16, width=3)))
    values = {"data": MANY}
    own = FrozenForm(model, eager_shop, len(MANY))

    for _ in range(2):
        own.look(model, values, model(values))

    assert calls == expected


def test_the_file_is_named_after_the_weights_and_the_form(
    model: CompiledModel, eager_shop: Shop
) -> None:
    """What was frozen with a fast path is not taken where that is left out."""
    for folds in (True, False):
        own = forward(model, replace(eager_shop, folds=folds))
        assert own.frozen.path.name == file_name(model, "w", ROWS, folds=folds)


def test_a_form_that_is_not_used_is_not_frozen_either(
    model: CompiledModel, expected: Tensor, eager_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = freezing(monkeypatch)
    monkeypatch.setattr(forms, "fold_batch_norm", spoilt)
    own = forward(model, eager_shop)

    torch.testing.assert_close(computed(own), expected, atol=1e-5, rtol=1e-5)

    assert calls == ["freeze", "load"]
    assert (own.record.form, own.record.difference < 1e-5) == ("frozen", True)


def test_a_table_that_ends_in_the_trial_leaves_it_to_the_next(
    model: CompiledModel, expected: Tensor, eager_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = freezing(monkeypatch)
    for name in ("TRIAL_PARTS", "LEAST_TRIAL_PARTS"):
        monkeypatch.setattr(frozen_form, name, 100)
    first = forward(model, eager_shop)

    torch.testing.assert_close(computed(first), expected, atol=1e-5, rtol=1e-5)
    assert (calls, first.record.form) == (["freeze", "load"], "")

    monkeypatch.setattr(frozen_form, "TRIAL_PARTS", 2)
    second = forward(model, after(eager_shop, first.record))
    computed(second)
    assert (calls, second.record.form) == (["freeze", "load", "load"], "frozen")


@pytest.mark.parametrize(("gain", "expected"), [(1e9, "frozen"), (0.0, "folded")])
def test_a_trial_that_saw_enough_is_judged_when_the_table_ends(
    model: CompiledModel,
    eager_shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    gain: float,
    expected: str,
) -> None:
    """25 parts are too few for 20 of each form, and enough for 5."""
    freezing(monkeypatch, gain=gain)
    monkeypatch.setattr(frozen_form, "TRIAL_PARTS", 20)
    monkeypatch.setattr(frozen_form, "LEAST_TRIAL_PARTS", 5)
    own = forward(model, eager_shop)

    computed(own)

    assert own.record.form == expected

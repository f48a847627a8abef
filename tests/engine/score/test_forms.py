from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import Tensor

import engine.score.forms as forms
from engine.compile.freezing import Freezing
from engine.compile.frozen import FrozenModel, file_name
from engine.compile.lower import CompiledModel
from engine.compile.passes import quicken
from engine.modules.winograd import WinogradConvolution2d
from engine.precision import Precision
from engine.score.forms import Forward, Record, Shop, Trial, Values, difference, price
from tests.engine.compile.test_passes import MANY, PLAIN, WIDE, convolving, norms

IMAGES = torch.rand(100, 2, 6, 6, generator=torch.Generator().manual_seed(2))
ROWS = 4
"""Rows of a part; the images are 25 of them."""

Part = slice
PARTS = [slice(first, first + ROWS) for first in range(0, len(IMAGES), ROWS)]


def encode(part: Part) -> dict[str, Tensor]:
    return {"data": IMAGES[part]}


def forward(model: CompiledModel, shop: Shop) -> Forward[Part]:
    return Forward(model, shop, ROWS, encode)


def computed(forward: Forward[Part], lanes: int = 2) -> Tensor:
    """Return the raw outputs of all rows, and hold the parts to their order."""
    found = list(forward.stream(PARTS, lanes=lanes))
    assert [part for part, _ in found] == PARTS
    return torch.cat([outputs["out"] for _, outputs in found])


@pytest.fixture
def eager_shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Freezing that costs nothing: any table is long enough."""
    for name in ("BASE_PRICE_S", "LOAD_S"):
        monkeypatch.setattr(forms, name, 0.0)
    for name in ("TIMED_PARTS", "TRIAL_PARTS"):
        monkeypatch.setattr(forms, name, 2)
    monkeypatch.setattr(forms, "UNDER_WAY", {})
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

    monkeypatch.setattr(forms, "freeze", freeze)
    monkeypatch.setattr(forms, "thawed", thawed)
    monkeypatch.setattr(forms, "GAIN", gain)
    return calls


def spoilt(model: CompiledModel, **ways: bool) -> CompiledModel:
    """Return another model, as a fold that goes wrong would."""
    del ways
    other = deepcopy(model)
    for name, parameter in other.module.named_parameters():
        parameter.data.add_(1.0 if name.endswith("bias") else 0.0)
    return other


@pytest.mark.parametrize("lanes", [0, 1, 2])
def test_the_folded_form_gives_the_same_numbers(
    model: CompiledModel, expected: Tensor, lanes: int
) -> None:
    own = forward(model, Shop())
    threads = torch.get_num_threads()

    torch.testing.assert_close(computed(own, lanes), expected, atol=1e-5, rtol=1e-5)

    assert isinstance(own.form, CompiledModel)
    assert (norms(model), norms(own.form)) == (2, 0)
    assert torch.get_num_threads() == threads


def test_a_network_scores_as_it_was_compiled_unless_told_otherwise(
    model: CompiledModel, expected: Tensor
) -> None:
    own = forward(model, Shop(folds=False))
    torch.testing.assert_close(computed(own), expected)
    assert own.form is model


@pytest.mark.parametrize("folds", [False, True])
def test_half_precision_is_made_of_the_form_there_is_and_not_frozen(
    model: CompiledModel,
    expected: Tensor,
    eager_shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    folds: bool,  # noqa: FBT001 - parametrised
) -> None:
    calls = freezing(monkeypatch)
    own = forward(model, replace(eager_shop, folds=folds, precision="FP16"))

    found = computed(own)

    # bfloat16 rounds to 2e-3; where it is not folded, a map's small deviation enlarges that
    near = 5e-2 * max(1.0, float(expected.abs().max()))
    torch.testing.assert_close(found, expected, atol=near, rtol=0.0)
    assert isinstance(own.form, CompiledModel)
    assert (own.form.precision, norms(own.form)) == ("FP16", 0 if folds else 2)
    assert (model.precision, calls) == ("FP32", [])


def test_a_form_that_gives_other_numbers_is_not_used(
    model: CompiledModel,
    expected: Tensor,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(forms, "fold_batch_norm", spoilt)
    own = forward(model, Shop())

    torch.testing.assert_close(computed(own), expected)

    assert own.form is model
    assert caplog.messages[0].startswith("the folded form is not used, it differs by ")


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
    forms.UNDER_WAY[other.path] = cast(Freezing, other)

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

    monkeypatch.setattr(forms, "freeze", refuse)
    own = forward(model, eager_shop)
    computed(own)
    assert (calls, own.record.form) == ([], "")

    own.path.write_bytes(b"")  # it is ready
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
    assert own.least_rows == ROWS // 2


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


@pytest.mark.parametrize(("name", "value"), [("BASE_PRICE_S", 3600.0), ("MOST_WEIGHTS", 10)])
def test_neither_short_tables_nor_heavy_networks_are_frozen(
    model: CompiledModel,
    eager_shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: float,
) -> None:
    calls = freezing(monkeypatch)
    monkeypatch.setattr(forms, name, value)
    computed(forward(model, eager_shop))
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
    monkeypatch.setattr(forms, "BASE_PRICE_S", 15.0)
    own = forward(model, replace(eager_shop, record=Record(spent_s=spent_s), rows=1008))
    own.lanes_rows, own.lanes_s = 8, 8 * 3.0 / 1000  # 3 s for the other 1,000 rows
    values = encode(PARTS[0])
    own._look_for_better(values, own.eager(values))
    assert calls == expected


def test_a_short_rest_is_not_worth_loading(
    model: CompiledModel, eager_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = freezing(monkeypatch)
    monkeypatch.setattr(forms, "LOAD_S", 1.0)
    known = Record(form="frozen", folded_us=20_000.0, frozen_us=10_000.0)
    for rows, expected in ((99, []), (101, ["load"])):  # in two lanes
        own = forward(model, replace(eager_shop, record=known, rows=rows))
        own.path.write_bytes(b"")
        own.lanes = 2
        values = encode(PARTS[0])
        own._look_for_better(values, own.eager(values))
        assert calls == expected


def test_two_forms_take_turns_and_their_times_are_taken() -> None:
    asked: list[str] = []

    def form(name: str) -> Callable[[Values], Values]:
        def compute(values: Values) -> Values:
            asked.append(name)
            return values

        return compute

    trial = Trial(form("eager"), form("frozen"))
    for _ in range(2 * forms.TRIAL_PARTS - 1):
        assert trial({"data": IMAGES})["data"] is IMAGES
        assert not trial.is_over
    trial({"data": IMAGES})

    assert trial.is_over
    assert asked[:3] == ["eager", "frozen", "eager"]
    assert [len(us) for us in trial.us] == [forms.TRIAL_PARTS] * 2
    assert min(map(min, trial.us)) > 0


def test_parts_without_rows_are_passed_on(model: CompiledModel) -> None:
    own: Forward[Part] = Forward(model, Shop(), ROWS, encode)
    found = [outputs for _, outputs in own.stream([slice(0, 0), slice(0, 2)], lanes=2)]
    assert found[0] == {}
    assert len(found[1]["out"]) == 2


def test_the_price_grows_with_the_convolutions_that_are_tiled() -> None:
    assert price(quicken(convolving(("small", PLAIN)))) == 15.0
    assert price(quicken(convolving(("one", WIDE), ("two", WIDE)))) == 15.0 + 2 * 1.0


def tiled(form: object) -> int:
    """Return how many convolutions of a form are in Winograd's."""
    assert isinstance(form, CompiledModel)
    return sum(isinstance(each, WinogradConvolution2d) for each in form.module.modules())


@pytest.mark.parametrize(
    ("rows", "precision", "in_tiles", "expected"),
    [(63, "FP32", True, 0), (64, "FP32", True, 1), (64, "FP32", False, 0), (64, "FP16", True, 0)],
)
def test_long_tables_are_scored_in_the_quick_form(
    rows: int,
    precision: Precision,
    in_tiles: bool,  # noqa: FBT001 - parametrised
    expected: int,
) -> None:
    """Half precision has products of its own, and its rounding would grow in Winograd's form."""
    model = convolving(("wide", WIDE))
    shop = Shop(rows=rows, precision=precision, in_tiles=in_tiles)
    own: Forward[Part] = Forward(model, shop, ROWS, lambda part: {"data": MANY[part]})

    found = [outputs["out"] for _, outputs in own.stream([slice(0, 2), slice(2, 3)], lanes=2)]

    with torch.no_grad():
        plain = model({"data": MANY})["out"]
    apart = 1e-5 if precision == "FP32" else 2e-2
    torch.testing.assert_close(torch.cat(found), plain, atol=apart, rtol=apart)
    assert tiled(own.form) == expected


def test_a_quick_form_that_gives_other_numbers_leaves_the_folded_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model = convolving(("wide", WIDE))
    monkeypatch.setattr(forms, "quicken", spoilt)
    own: Forward[Part] = Forward(model, Shop(rows=64), ROWS, lambda part: {"data": MANY[part]})

    found = [outputs["out"] for _, outputs in own.stream([slice(0, 3)], lanes=0)]

    with torch.no_grad():
        torch.testing.assert_close(found[0], model({"data": MANY})["out"], atol=1e-5, rtol=1e-5)
    assert caplog.messages[0].startswith("the quick form is not used, it differs by ")
    assert (own.form is own.eager, own.form is not model) == (True, True)


@pytest.mark.parametrize(
    ("found", "plain", "expected"),
    [
        ([1.0, 2.0], [1.0, 2.5], 0.5 / 2.5),
        ([0.1, 0.2], [0.1, 0.25], 0.05),
        ([float("nan"), 1.0], [float("nan"), 1.0], 0.0),
        ([float("nan"), 1.0], [2.0, 1.0], float("inf")),
        ([], [], 0.0),
    ],
)
def test_differences_are_in_units_of_the_largest_output(
    found: list[float], plain: list[float], expected: float
) -> None:
    apart = difference({"out": torch.tensor(found)}, {"out": torch.tensor(plain)})
    assert apart == pytest.approx(expected)


def test_the_file_is_named_after_the_weights_and_the_form(
    model: CompiledModel, eager_shop: Shop
) -> None:
    """What was frozen with a fast path is not taken where that is left out."""
    for folds, in_tiles in ((True, True), (True, False), (False, True)):
        own = forward(model, replace(eager_shop, folds=folds, in_tiles=in_tiles))
        assert own.path.name == file_name(model, "w", ROWS, (folds, in_tiles))


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
    monkeypatch.setattr(forms, "TRIAL_PARTS", 100)
    first = forward(model, eager_shop)

    torch.testing.assert_close(computed(first), expected, atol=1e-5, rtol=1e-5)
    assert (calls, first.record.form) == (["freeze", "load"], "")

    monkeypatch.setattr(forms, "TRIAL_PARTS", 2)
    second = forward(model, after(eager_shop, first.record))
    computed(second)
    assert (calls, second.record.form) == (["freeze", "load", "load"], "frozen")

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import engine.score.forms as forms
from engine.compile.frozen import FrozenModel, file_name
from engine.compile.lower import CompiledModel
from engine.compile.passes import quicken
from engine.modules.winograd import WinogradConvolution2d
from engine.precision import Precision
from engine.score.forms import Forward, Record, Shop, difference, price, until
from tests.engine.compile.test_passes import MANY, PLAIN, WIDE, convolving, norms

IMAGES = torch.rand(40, 2, 6, 6, generator=torch.Generator().manual_seed(2))
ROWS = 4
"""Rows of a part; the images are ten of them."""

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
    return Shop(folder=tmp_path, weights="w", rows=len(IMAGES))


def freezing(
    monkeypatch: pytest.MonkeyPatch, *, error: float = 0.0, gain: float = 1e9
) -> list[str]:
    """Put stand-ins in the compiler's place; return what was asked of them.

    Args:
        monkeypatch: of the test.
        error: what the frozen outputs are off by.
        gain: share of the time in lanes below which the frozen form is kept.
    """
    calls: list[str] = []

    def frozen(model: CompiledModel, rows: int) -> FrozenModel:
        def program(values: Tensor) -> list[Tensor]:
            assert len(values) == rows
            return [model({"data": values})["out"] + error]

        return FrozenModel(program, rows, model)

    def freeze(
        model: CompiledModel, example: Mapping[str, Tensor], rows: int, path: Path
    ) -> FrozenModel:
        assert len(example["data"]) <= rows
        calls.append("freeze")
        path.write_bytes(b"")
        return frozen(model, rows)

    def thawed(model: CompiledModel, rows: int, path: Path) -> FrozenModel:
        assert path.exists()
        calls.append("load")
        return frozen(model, rows)

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


def test_a_frozen_form_that_pays_is_made_kept_and_loaded_again(
    model: CompiledModel, expected: Tensor, eager_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = freezing(monkeypatch)
    first = forward(model, eager_shop)

    torch.testing.assert_close(computed(first), expected, atol=1e-5, rtol=1e-5)

    assert isinstance(first.form, FrozenModel)
    assert (calls, first.record.form) == (["freeze"], "frozen")
    assert first.record.frozen_us > 0
    assert first.record.difference < 1e-5

    shop = Shop(folder=eager_shop.folder, weights="w", record=first.record, rows=len(IMAGES))
    again = forward(model, shop)
    torch.testing.assert_close(computed(again), expected, atol=1e-5, rtol=1e-5)
    assert calls == ["freeze", "load"]
    assert isinstance(again.form, FrozenModel)


def test_a_frozen_form_that_was_removed_is_made_again(
    model: CompiledModel, eager_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = freezing(monkeypatch)
    shop = Shop(
        folder=eager_shop.folder, weights="w", record=Record(form="frozen"), rows=len(IMAGES)
    )
    computed(forward(model, shop))
    assert calls == ["freeze"]


def test_a_frozen_form_that_is_slower_is_not_tried_twice(
    model: CompiledModel, expected: Tensor, eager_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = freezing(monkeypatch, gain=0.0)
    first = forward(model, eager_shop)

    torch.testing.assert_close(computed(first), expected, atol=1e-5, rtol=1e-5)

    assert not isinstance(first.form, FrozenModel)
    assert first.record.form == "folded"
    shop = Shop(folder=eager_shop.folder, weights="w", record=first.record, rows=len(IMAGES))
    computed(forward(model, shop))
    assert calls == ["freeze"]


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
    largest = float(expected[8:16].abs().max())  # the parts it may have been compared on
    assert 0.01 / max(largest, 3.0) < own.record.difference <= 0.0101
    assert caplog.messages[0].startswith("the frozen form is not used, it differs by ")


def test_a_compiler_that_fails_is_told_and_done_without(
    model: CompiledModel,
    expected: Tensor,
    eager_shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*given: object) -> FrozenModel:
        del given
        raise RuntimeError("no C++ compiler\nat a place")

    monkeypatch.setattr(forms, "freeze", fail)
    own = forward(model, eager_shop)

    torch.testing.assert_close(computed(own), expected, atol=1e-5, rtol=1e-5)

    assert caplog.messages == ["the network cannot be frozen: no C++ compiler"]
    assert own.record.form == "folded"  # and so not tried again


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


def test_what_earlier_scorings_spent_counts(
    model: CompiledModel, eager_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work ahead of half a price is enough once three prices were spent."""
    monkeypatch.setattr(forms, "BASE_PRICE_S", 6.0)
    for spent_s, is_due in ((14.0, False), (15.0, True)):
        record = Record(spent_s=spent_s)
        shop = Shop(folder=eager_shop.folder, weights="w", record=record, rows=1008)
        own = forward(model, shop)
        own.lanes_rows, own.lanes_s = 8, 8 * 3.0 / 1000  # 3 s for 1,000 rows
        assert own._is_due() is is_due


def test_parts_without_rows_are_passed_on(model: CompiledModel) -> None:
    own: Forward[Part] = Forward(model, Shop(), ROWS, encode)
    found = [outputs for _, outputs in own.stream([slice(0, 0), slice(0, 2)], lanes=2)]
    assert found[0] == {}
    assert len(found[1]["out"]) == 2


def test_the_price_grows_with_the_convolutions_that_are_tiled() -> None:
    assert price(quicken(convolving(("small", PLAIN)))) == 6.0
    assert price(quicken(convolving(("one", WIDE), ("two", WIDE)))) == 6.0 + 2 * 3.0


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


def test_items_are_left_where_they_are_once_it_is_over() -> None:
    items: Iterator[int] = iter(range(5))
    looks = iter((False, False, True))
    assert list(until(lambda: next(looks), items)) == [0, 1]
    assert list(items) == [2, 3, 4]
    assert list(until(lambda: False, iter([7]))) == [7]


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

    assert calls == ["freeze"]
    assert (own.record.form, own.record.difference < 1e-5) == ("frozen", True)


def test_a_trial_without_rows_finds_nothing_out(
    model: CompiledModel, eager_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trial would begin behind the last part, as where a condition leaves most rows out."""
    calls = freezing(monkeypatch)
    own = forward(model, eager_shop)
    parts = PARTS[:6]  # one is folded, four go through the lane, the last finds the forms equal
    assert [part for part, _ in own.stream(parts, lanes=1)] == parts
    assert (calls, own.record.form) == (["freeze"], "")

import pytest
import torch
from torch import Tensor

import engine.score.forms as forms
from engine.compile.lower import CompiledModel
from engine.compile.passes import fold_batch_norm
from engine.modules.scored_convolution import ScoredConvolution2d
from engine.modules.winograd import loops
from engine.precision import Precision
from engine.score.forms import Forward
from engine.score.frozen_form import Shop
from tests.engine.compile.test_passes import MANY, WIDE, convolving, norms
from tests.engine.score.parts import PARTS, ROWS, Part, computed, encode, forward, spoilt


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
def test_half_precision_is_made_of_the_form_there_is(
    model: CompiledModel,
    expected: Tensor,
    folds: bool,  # noqa: FBT001 - parametrised
) -> None:
    own = forward(model, Shop(folds=folds, precision="FP16"))

    found = computed(own)

    # bfloat16 rounds to 2e-3; where it is not folded, a map's small deviation enlarges that
    near = 5e-2 * max(1.0, float(expected.abs().max()))
    torch.testing.assert_close(found, expected, atol=near, rtol=0.0)
    assert (own.eager.precision, norms(own.eager)) == ("FP16", 0 if folds else 2)
    assert model.precision == "FP32"


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


def test_no_row_is_computed_twice_but_for_those_that_are_compared(
    model: CompiledModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, list[int]] = {"plain": [], "folded": []}
    folded = fold_batch_norm(model)
    for name, form in (("plain", model), ("folded", folded)):
        rows = seen[name]
        form.module.register_forward_pre_hook(
            lambda _, given, rows=rows: rows.append(len(given[0]))
        )
    monkeypatch.setattr(forms, "fold_batch_norm", lambda _: folded)
    monkeypatch.setattr(forms, "CHECK_ROWS", 3)

    computed(forward(model, Shop()))

    assert seen["plain"] == [3]
    assert seen["folded"] == [ROWS] * len(PARTS)


def test_parts_without_rows_are_passed_on(model: CompiledModel) -> None:
    own: Forward[Part] = Forward(model, Shop(), ROWS, encode)
    found = [outputs for _, outputs in own.stream([slice(0, 0), slice(0, 2)], lanes=2)]
    assert found[0] == {}
    assert len(found[1]["out"]) == 2


def by_loops(form: object) -> int:
    """Return how many convolutions of a form are in Winograd's."""
    assert isinstance(form, CompiledModel)
    return sum(isinstance(each, ScoredConvolution2d) for each in form.module.modules())


@pytest.mark.parametrize(
    ("rows", "precision", "by_c", "expected"),
    [(63, "FP32", True, 0), (64, "FP32", True, 1), (64, "FP32", False, 0), (64, "FP16", True, 0)],
)
def test_long_tables_are_scored_in_the_quick_form(
    rows: int,
    precision: Precision,
    by_c: bool,  # noqa: FBT001 - parametrised
    expected: int,
) -> None:
    """Half precision has products of its own, and its rounding would grow in Winograd's form."""
    model = convolving(("wide", WIDE))
    shop = Shop(rows=rows, precision=precision, loops=by_c)
    own: Forward[Part] = Forward(model, shop, ROWS, lambda part: {"data": MANY[part]})

    found = [outputs["out"] for _, outputs in own.stream([slice(0, 2), slice(2, 3)], lanes=2)]

    with torch.no_grad():
        plain = model({"data": MANY})["out"]
    apart = 1e-5 if precision == "FP32" else 2e-2
    torch.testing.assert_close(torch.cat(found), plain, atol=apart, rtol=apart)
    assert by_loops(own.form) == (expected if loops(3) else 0)


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

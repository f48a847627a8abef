"""Scoring on a device at the end of a link; the tests' own link leads to the processor."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from engine.compile.lower import CompiledModel
from engine.score.frozen_form import Shop
from engine.score.streamed import BEHIND, StreamedForward
from engine.transfer import Sent, Values
from tests.engine.compile.test_passes import norms
from tests.engine.score.parts import PARTS, ROWS, Part, computed, encode


class Near:
    """A link that tells in what order it is used."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def send(self, values: Values) -> Sent:
        return Sent(values)

    def receive(self, sent: Sent) -> Values:
        self.told.append("received")
        return sent.values

    def fetch(self, values: Values) -> Callable[[], Values]:
        def wait() -> Values:
            self.told.append("waited")
            return values

        return wait


def forward(model: CompiledModel, shop: Shop, link: Near) -> StreamedForward[Part]:
    return StreamedForward(model, shop, ROWS, encode, link)


@pytest.mark.parametrize("lanes", [0, 1, 3])
def test_all_parts_come_back_in_their_order_with_the_numbers_of_the_network(
    model: CompiledModel, expected: Tensor, lanes: int
) -> None:
    own = forward(model, Shop(), Near())

    torch.testing.assert_close(computed(own, lanes), expected, atol=1e-5, rtol=1e-5)

    assert isinstance(own.form, CompiledModel)
    assert (norms(model), norms(own.form)) == (2, 0)


def test_results_are_waited_for_when_the_next_parts_are_launched(model: CompiledModel) -> None:
    link = Near()

    computed(forward(model, Shop(), link), lanes=0)

    ahead = BEHIND + 1
    rest = len(PARTS) - ahead
    assert link.told == [
        *["received"] * ahead,
        *["waited", "received"] * rest,
        *["waited"] * ahead,
    ]


def test_parts_without_rows_have_no_results_and_make_no_form(model: CompiledModel) -> None:
    own = forward(model, Shop(), Near())
    nothing = slice(0, 0)

    found = list(own.stream([nothing, *PARTS, nothing], lanes=2))

    assert [part for part, _ in found] == [nothing, *PARTS, nothing]
    assert (found[0][1], found[-1][1]) == ({}, {})
    assert isinstance(own.form, CompiledModel)
    assert norms(own.form) == 0


def test_half_precision_is_made_of_the_folded_form(model: CompiledModel, expected: Tensor) -> None:
    own = forward(model, Shop(precision="FP16"), Near())

    found = computed(own)

    near = 2e-2 * max(1.0, float(expected.abs().max()))  # as in the contract of layer types
    torch.testing.assert_close(found, expected, atol=near, rtol=0.0)
    assert not torch.equal(found, expected)
    assert isinstance(own.form, CompiledModel)
    assert (norms(own.form), own.form.precision) == (0, "FP16")

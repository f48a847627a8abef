import re

import pytest
import torch

from engine.errors import LayerError, NotSupportedError, ShapeError
from engine.layers.base import BuildOptions
from engine.layers.user import UserLayer
from engine.shapes import Shape

DEFAULTS = BuildOptions()


def layer(text: str, **options: object) -> UserLayer:
    return UserLayer.model_validate({"width": 3, "forward_func": text, **options})


def test_a_function_sees_inputs_and_weights() -> None:
    # rows 1 2 3 and 4 5 6, weights 10 and 1: w1 x + w2
    user = layer("w[1] * x + w[2]", n_weights=2)
    module = user.build([(3,)], DEFAULTS)
    with torch.no_grad():
        module.get_parameter("weight").copy_(torch.tensor([10.0, 1.0]))

    found = module(torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))

    assert found.tolist() == [[[[11.0, 21.0, 31.0]]], [[[41.0, 51.0, 61.0]]]]


def test_sources_lie_side_by_side_and_outputs_in_maps() -> None:
    user = layer("2 * x", width=2, height=1, depth=2)
    module = user.build([(1,), (1, 1, 3)], DEFAULTS)

    found = module(torch.tensor([[1.0]]), torch.tensor([[[[2.0, 3.0, 4.0]]]]))

    assert user.infer([(1,), (1, 1, 3)], DEFAULTS) == (2, 1, 2)
    assert found.tolist() == [[[[2.0, 4.0]], [[6.0, 8.0]]]]


@pytest.mark.parametrize(
    ("text", "expected"), [("x[1] * x[2]", [6.0] * 3), ("1", [1.0] * 3), ("w", [0.5] * 3)]
)
def test_one_value_is_given_to_every_output(text: str, expected: list[float]) -> None:
    user = layer(text, n_weights=1)
    sources = [(3,)]
    assert user.infer(sources, DEFAULTS) == (1, 1, 3)
    module = user.build(sources, DEFAULTS)
    torch.nn.init.constant_(module.get_parameter("weight"), 0.5)
    assert module(torch.tensor([[2.0, 3.0, 4.0]])).flatten().tolist() == expected


def test_slopes_reach_inputs_and_weights() -> None:
    user = layer("tanh(w[1] * x) + sum(w * w)", n_weights=3)
    module = user.build([(3,)], DEFAULTS).double()
    torch.nn.init.constant_(module.get_parameter("weight"), 0.3)
    x = torch.rand(2, 3, dtype=torch.float64, requires_grad=True)
    w = module.get_parameter("weight")

    assert torch.autograd.gradcheck(lambda a, _: module(a), (x, w))


def test_weights_start_within_the_bound_of_xavier() -> None:
    user = layer("w[1] * x", n_weights=3)
    module = user.build([(3,)], DEFAULTS)
    user.initialize(module, [(3,)], torch.Generator().manual_seed(1))
    # √(6 / (3 + 3)) = 1
    assert 0 < float(module.get_parameter("weight").detach().abs().max()) <= 1


@pytest.mark.parametrize(
    ("text", "source", "message"),
    [
        (
            "x",
            (4,),
            ("got a function of 4 values from 4 inputs, expected 1 or 3: width x height x depth"),
        ),
        (
            "x[5] * w[1]",
            (4,),
            ("got 4 inputs and 2 weights, expected as many as 'forwardFunc' uses: element 5 of 4"),
        ),
        (
            "x + w",
            (3,),
            "got 3 inputs and 2 weights, expected as many as 'forwardFunc' uses: ",
        ),
    ],
)
def test_a_function_that_does_not_fit_is_refused(text: str, source: Shape, message: str) -> None:
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}"):
        layer(text, n_weights=2).infer([source], DEFAULTS)


def test_a_backward_function_is_refused() -> None:
    message = (
        "option 'backwardFunc' is not supported yet; leave it out, the slopes of 'forwardFunc' are "
        "found by differentiation"
    )
    with pytest.raises(NotSupportedError, match=f"^{message}$"):
        layer("x", backward_func="x")


def test_the_text_is_checked_when_the_layer_is_declared() -> None:
    with pytest.raises(LayerError, match=r"^option 'forwardFunc': function at line 1, column 5 "):
        layer("x + z")


def test_the_text_survives_json() -> None:
    text = "function f(x[*], w[*]);\n  return(w[1] * x);\nendsub;"
    user = layer(text, n_weights=1)
    assert UserLayer.model_validate_json(user.model_dump_json()) == user

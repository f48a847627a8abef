"""Advice: each rule on a layer that breaks it and one that keeps it."""

import pytest

from engine.graph.advice import Advice, advise
from engine.graph.spec import Graph
from engine.layers.base import Layer
from engine.layers.convolution import Convolution
from engine.layers.input import Input
from engine.layers.normalization import BatchNormalization
from engine.layers.pooling import Pooling
from engine.zoo import ZOO


def net(size: int, *layers: Layer) -> Graph:
    graph, last = Graph("net").add("data", Input(n_channels=3, width=size, height=size)), "data"
    for at, layer in enumerate(layers, 1):
        graph, last = graph.add(f"l{at}", layer, [last]), f"l{at}"
    return graph


def of(rule: str, graph: Graph) -> list[Advice]:
    return [each for each in advise(graph) if each.rule == rule]


def convo(width: int, stride: int = 1, padding: int | None = 0) -> Convolution:
    return Convolution(n_filters=4, width=width, stride=stride, padding=padding)


def test_filters_that_do_not_fit_leave_pixels_unseen() -> None:
    # F13: (10 - 3 + 0) / 2 + 1 = 4.5
    found = of("exactFit", net(10, convo(3, 2)))

    assert [(each.layer, each.reason) for each in found] == [
        ("l1", f"(10 - 3 + 0) / 2 + 1 along the {side} is 4.5, so 1 pixel at the end goes unseen")
        for side in ("height", "width")
    ]


def test_what_goes_unseen_may_be_several_pixels_or_padding_only() -> None:
    # windows of 3 of 9 pixels with steps of 4 begin at 0 and 4, and end before 7; with padding of 1
    # and steps of 2 over 8 pixels they begin at -1, 1, 3 and 5, and end before 8
    (two, _), (padded, _) = (
        of("exactFit", net(size, convo(3, step, padding)))
        for size, step, padding in ((9, 4, 0), (8, 2, 1))
    )

    assert two.reason == (
        "(9 - 3 + 0) / 4 + 1 along the height is 2.5, so 2 pixels at the end go unseen"
    )
    assert padded.reason == (
        "(8 - 3 + 2) / 2 + 1 along the height is 4.5, so the padding at the end is not used and "
        "the two ends are not treated alike"
    )


# F10: 5 pixels, F = 3, P = 1: steps of 1 and 2 fit, of 3 do not; F19: 224 pixels, F = 11, S = 4
@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "fits"),
    [
        (5, 3, 1, 1, True),
        (5, 3, 2, 1, True),
        (5, 3, 3, 1, False),
        (227, 11, 4, 0, True),
        (224, 11, 4, 0, False),
    ],
)
def test_filters_fit_where_steps_divide_the_way(
    size: int, kernel: int, stride: int, padding: int, *, fits: bool
) -> None:
    graph = net(size, convo(kernel, stride, padding))

    assert (of("exactFit", graph) == []) is fits


def test_pooling_with_given_padding_has_to_fit_too_and_automatic_padding_always_does() -> None:
    assert of("exactFit", net(7, Pooling(width=2, padding=0)))
    assert not of("exactFit", net(7, Pooling(width=2)))
    assert not of("exactFit", net(10, convo(3, 2, None)))


def test_filters_of_even_length_have_no_middle() -> None:
    (across, _) = of("evenFilter", net(8, convo(4)))

    assert across.reason == (
        "a filter of 4 along the height has no middle, so its maps are moved by half a pixel; "
        "3 or 5 has one"
    )
    assert not of("evenFilter", net(8, convo(5)))
    # patches side by side, and filters as long as the image
    assert not of("evenFilter", net(8, convo(4, 4)))
    assert not of("evenFilter", net(8, convo(8)))


def test_the_source_of_a_normalisation_has_neither_bias_nor_activation() -> None:
    # rule B14
    plain = Convolution(n_filters=4, act="IDENTITY", include_bias=False)
    reasons = [each.reason for each in of("normSource", net(8, convo(3), BatchNormalization()))]

    assert reasons == [
        (
            "its source 'l1' activates (AUTO) before values are normalised; set act IDENTITY there "
            "and the activation here"
        ),
        ("its source 'l1' adds a bias, which normalisation takes out; set includeBias false there"),
    ]
    assert not of("normSource", net(8, plain, BatchNormalization()))
    assert not of("normSource", net(8, plain, Pooling(), BatchNormalization()))


def test_large_windows_throw_most_values_away() -> None:
    # F85: 4 x 4 keeps 1 of 16
    (found,) = of("largePool", net(16, Pooling(width=4)))

    assert found.reason == (
        "windows of 4 x 4 with steps that keep 1 of 16 values throw most of what was found away; "
        "2 x 2 or 3 x 3 with steps of 2 are common"
    )
    # F29: the common ones, and the mean of a whole map
    common = (Pooling(), Pooling(width=3, stride=2, padding=0), Pooling(width=0, height=0))
    assert not of("largePool", net(15, *common))


def test_what_depends_on_data_is_left_out() -> None:
    graph = Graph("net").add("data", Input())

    assert advise(graph.add("norm", BatchNormalization(), ["data"])) == []


def test_networks_of_the_literature_keep_the_rules_but_where_their_papers_do_not() -> None:
    # VGG with batch normalisation has kept its biases, in 13 layers
    assert {each.rule for each in advise(ZOO["vgg16bn"].build())} == {"normSource"}
    assert len(advise(ZOO["vgg16bn"].build())) == 13
    assert advise(ZOO["vgg16"].build()) == []

import re

import pytest

from engine.errors import GraphError, ShapeError
from engine.layers.base import Target
from engine.layers.embedding import EmbeddingLoss
from engine.tasks.embedding import Contrastive, Margins
from tests.engine.rows import DEFAULTS

PAIR, NOTHING = Target("interval", 1), Target("none", 0)


def test_a_pair_has_a_target_and_more_have_none() -> None:
    layer = EmbeddingLoss()
    kinds = [layer.target_form([(2,)] * count).kind for count in (2, 3, 4)]

    assert kinds == ["variables", "none", "none"]
    assert layer.bind(PAIR).task() == Contrastive(PAIR, 2.0)
    assert layer.bind(NOTHING).task() == Margins(NOTHING, 2.0)


def test_there_is_a_distance_less_than_sources() -> None:
    assert EmbeddingLoss().infer([(2, 3), (6,), (6,)], DEFAULTS) == (2,)


@pytest.mark.parametrize(
    ("target", "sources", "message"),
    [
        (
            None,
            [(2,), (3,)],
            "got sources of [2, 3] values, expected equal numbers: embeddings of one kind",
        ),
        (
            PAIR,
            [(2,)] * 3,
            (
                "got 3 sources and a target that is interval, expected a target with two sources, "
                "and none with three or four"
            ),
        ),
        (
            NOTHING,
            [(2,)] * 2,
            (
                "got 2 sources and a target that is none, expected a target with two sources, and "
                "none with three or four"
            ),
        ),
    ],
)
def test_sources_that_do_not_fit_are_refused(
    target: Target | None, sources: list[tuple[int, ...]], message: str
) -> None:
    layer = EmbeddingLoss() if target is None else EmbeddingLoss().bind(target)
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        layer.infer(sources, DEFAULTS)


def test_targets_other_than_similarity_are_refused() -> None:
    message = (
        "got a target of 2 that is nominal, expected one interval variable: 1 where a pair is "
        "similar, 0 where it is not"
    )
    with pytest.raises(GraphError, match=f"^{message}$"):
        EmbeddingLoss().bind(Target("nominal", 2))


def test_a_layer_without_binding_has_no_task() -> None:
    with pytest.raises(GraphError, match=r"^got no target yet, expected a bound closs layer$"):
        EmbeddingLoss().task()

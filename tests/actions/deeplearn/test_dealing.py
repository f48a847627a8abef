"""Scoring dealt to clerks; here all clerks are in this process."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from actions import run_action
from actions.context import Context
from actions.deeplearn.dealing import packed, unpacked
from actions.memory import MemoryStores
from actions.ports import Name
from actions.team import Block, Hire
from engine.errors import Cancelled, DataError
from tests.actions.house import SMALL_DNN, build, nothing_changes, put, rows_of

ROWS = 101
SCORE: dict[str, Any] = {
    "table": "flowers",
    "modelTable": "net",
    "initWeights": "w",
    "copyVars": ["id"],
    "displayClassScoreInfo": "ALL",
}


class Office:
    """Deals blocks, and remembers them."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.blocks: list[Block] = []

    def deal(self, hire: Hire, blocks: Sequence[Block], size: int) -> Iterator[bytes]:
        self.blocks = list(blocks)
        clerks = [hire(self.ctx) for _ in range(size)]
        for place, block in enumerate(blocks):
            yield clerks[place % size](block)


@pytest.fixture
def office(ctx: Context) -> Office:
    """An office in a session with a table and trained weights ``w``."""
    x, y = np.random.default_rng(7).normal(size=(2, ROWS))
    label = np.where(x + y > 0, "rose", "lily").tolist()
    put(ctx, "flowers", {"id": np.arange(ROWS), "x": x, "y": y, "label": label})
    build(lambda action, /, **raw: run_action(ctx, action, raw), SMALL_DNN)
    train: dict[str, Any] = {"table": "flowers", "modelTable": "net", "inputs": ["x", "y"]}
    run_action(
        ctx, "deepLearn.dlTrain", {**train, "target": "label", "modelWeights": "w", "seed": 5}
    )
    return Office(ctx)


def both(office: Office, **more: Any) -> tuple[Any, Any]:
    """Score alone and by two workers, into tables whose names begin with ``one`` and ``two``."""
    answers = []
    for name, extra in (("one", {}), ("two", {"nWorkers": 2})):
        ctx = replace(office.ctx, deal=office.deal)
        outs = {"casOut": f"{name}_scored", "layerOut": f"{name}_layers"}
        answers.append(run_action(ctx, "deepLearn.dlScore", {**SCORE, **outs, **extra, **more}))
    return answers[0], answers[1]


def test_dealt_blocks_give_the_rows_and_sums_of_the_whole_table(office: Office) -> None:
    one, two = both(office)

    for kind in ("scored", "layers"):
        found, expected = (rows_of(office.ctx, f"{name}_{kind}") for name in ("two", "one"))
        assert [list(row) for row in found] == [list(row) for row in expected]
        for ours, theirs in zip(found, expected, strict=True):
            assert ours == pytest.approx(theirs)
    for name in ("ScoreInfo", "ClassScoreInfo"):
        assert two.tables[name].rows == one.tables[name].rows


def test_blocks_cover_the_table_once_and_keep_all_workers_busy(office: Office) -> None:
    both(office)

    assert len(office.blocks) >= 8
    assert [
        row for each in office.blocks for row in range(ROWS)[each.first_row :][: each.rows]
    ] == [*range(ROWS)]


def test_a_condition_holds_for_dealt_rows_too(office: Office) -> None:
    where = {"name": "flowers", "where": "x > 0.2 and id < 90"}

    both(office, table=where)

    found, expected = (rows_of(office.ctx, f"{name}_scored") for name in ("two", "one"))
    assert [row["id"] for row in found] == [row["id"] for row in expected]
    assert 0 < len(found) < 90


def test_scores_that_are_not_kept_are_summed_all_the_same(office: Office) -> None:
    ctx = replace(office.ctx, deal=office.deal)

    answer = run_action(ctx, "deepLearn.dlScore", {**SCORE, "nWorkers": 3})

    assert answer.tables["ScoreInfo"].rows[0][1] == str(ROWS)
    assert "OutputCasTables" not in answer.tables


def test_a_cancelled_scoring_by_several_stores_nothing(
    office: Office, stores: MemoryStores
) -> None:
    ctx = replace(office.ctx, deal=office.deal, cancelled=lambda: True)
    raw = {**SCORE, "casOut": "scored", "nWorkers": 2}

    with (
        nothing_changes(stores),
        pytest.raises(Cancelled, match=r"^scoring was cancelled$"),
    ):
        run_action(ctx, "deepLearn.dlScore", raw)


def test_a_row_that_cannot_be_encoded_is_named_by_its_place_in_the_table(office: Office) -> None:
    values = np.arange(ROWS).astype(str).tolist()
    values[77] = "seven"
    put(office.ctx, "texts", {"x": values, "y": np.zeros(ROWS)})
    messages = []
    for workers in (1, 2):
        ctx = replace(office.ctx, deal=office.deal)
        raw = {**SCORE, "table": "texts", "copyVars": [], "nWorkers": workers}
        with pytest.raises(DataError) as failed:
            run_action(ctx, "deepLearn.dlScore", raw)
        messages.append(failed.value.message)

    assert messages[0] == messages[1]


def test_what_a_clerk_hands_in_is_read_again() -> None:
    state, parts = unpacked(packed({"rows_read": 0.1}, [b"", b""]))

    assert state == {"rows_read": 0.1}
    assert parts == [[], []]


def test_a_table_without_rows_is_scored_by_nobody(office: Office) -> None:
    put(office.ctx, "nobody", {"id": np.zeros(0, int), "x": np.zeros(0), "y": np.zeros(0)})

    one, two = both(office, table="nobody")

    assert two.tables["ScoreInfo"].rows == one.tables["ScoreInfo"].rows
    assert rows_of(office.ctx, "two_scored") == []
    assert office.ctx.tables.find(Name("two_scored")).columns == 6

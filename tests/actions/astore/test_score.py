from dataclasses import replace

import pytest
import torch

from actions import run_action
from actions.context import Context
from actions.errors import InvalidFile, InvalidParameters
from actions.memory import MemoryStores
from engine.errors import Cancelled, DeviceError, NotSupportedError
from tests.actions.conftest import Run
from tests.actions.house import nothing_changes, rows_of

pytestmark = pytest.mark.usefixtures("exported")


def test_a_store_scores_as_its_model_does_bit_for_bit(run: Run, ctx: Context) -> None:
    model = run(
        "deepLearn.dlScore",
        table="pictures",
        modelTable="net",
        initWeights="w",
        casOut="first",
        copyVars=["id"],
    )
    store = run(
        "astore.score", table="pictures", rstore="net_store", casOut="second", copyVars="id"
    )

    assert rows_of(ctx, "first") == rows_of(ctx, "second")
    assert model.tables["ScoreInfo"] == store.tables["ScoreInfo"]


def test_a_store_scores_when_model_and_weights_are_gone(run: Run, ctx: Context) -> None:
    run("astore.score", table="pictures", rstore="net_store", casOut="first")
    run("table.dropTable", name="net")
    run("table.dropTable", name="w")

    run("astore.score", table="pictures", rstore="net_store", casOut="second")

    assert rows_of(ctx, "first") == rows_of(ctx, "second")


def test_layers_chosen_in_the_export_are_columns_of_the_scores(run: Run, ctx: Context) -> None:
    run(
        "deepLearn.dlExportModel",
        modelTable="net",
        initWeights="w",
        casOut="deep",
        layers=["POOL1"],
        layerImageType="wide",
    )
    raw = {"table": "pictures", "modelTable": "net", "initWeights": "w"}
    run("deepLearn.dlScore", **raw, casOut="scores", layerOut="inside", layers=["pool1"])

    run("astore.score", table="pictures", rstore="deep", casOut="both")

    expected = [
        {**left, **right}
        for left, right in zip(rows_of(ctx, "scores"), rows_of(ctx, "inside"), strict=True)
    ]
    assert rows_of(ctx, "both") == expected
    assert "_LayerAct_3_0_0_0_" in expected[0]


def test_another_table_is_no_store(run: Run) -> None:
    with pytest.raises(InvalidFile) as caught:
        run("astore.score", table="pictures", rstore="pictures", casOut="x")

    assert caught.value.message == (
        "the table 'pictures' is no store, expected a column '_state_' of bytes, as "
        "dlExportModel and astore.upload make it"
    )


def test_cancelling_leaves_nothing_behind(ctx: Context, stores: MemoryStores) -> None:
    stopped = replace(ctx, cancelled=lambda: True)
    with nothing_changes(stores), pytest.raises(Cancelled, match=r"^scoring was cancelled$"):
        run_action(
            stopped, "astore.score", {"table": "pictures", "rstore": "net_store", "casOut": "x"}
        )


def options(**given: object) -> list[dict[str, object]]:
    return [{"name": name, "value": value} for name, value in given.items()]


def test_options_of_a_store_name_the_graphics_processor(
    run: Run, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = {"table": "pictures", "rstore": "net_store"}
    run("astore.score", **raw, casOut="first")

    run("astore.score", **raw, casOut="second", options=options(useGPU="0", nDevices=1))

    assert rows_of(ctx, "first") == rows_of(ctx, "second")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(DeviceError, match=r"^device got 'cuda:63', expected one of "):
        run("astore.score", **raw, casOut="x", options=options(usegpu="1", DEVICE0="63"))
    with pytest.raises(NotSupportedError, match=r"^parameter 'gpu' got more than one device"):
        run("astore.score", **raw, casOut="x", options=options(usegpu=True, ndevices=2))


def test_an_option_that_is_no_number_is_refused(run: Run) -> None:
    with pytest.raises(InvalidParameters) as caught:
        run(
            "astore.score",
            table="pictures",
            rstore="net_store",
            casOut="x",
            options=options(usegpu="yes"),
        )

    assert caught.value.message == (
        "parameter 'options' got 'yes' for USEGPU, expected a number from 0"
    )

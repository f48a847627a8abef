from dataclasses import replace
from pathlib import Path

import pytest

from actions import run_action
from actions.context import Context
from actions.memory import MemoryStores
from engine.errors import DataError
from tests.actions.conftest import Run
from tests.actions.house import SMALL_DNN, build, nothing_changes, put


@pytest.fixture
def file(run: Run, ctx: Context) -> Path:
    """The model file of a small network, in the folder of CASUSER."""
    put(ctx, "points", {"x": [1.0, 2.0, 4.0], "y": [1.0, 0.0, 3.0]})
    build(run, SMALL_DNN)
    raw = {"table": "points", "modelTable": "net", "inputs": "x", "target": "y"}
    run("deepLearn.dlTrain", **raw, modelWeights="w", optimizer={"maxEpochs": 1})
    run("deepLearn.dlExportModel", modelTable="net", initWeights="w", file="net.safetensors")
    return ctx.caslibs.find("CASUSER").path / "net.safetensors"


def test_a_model_file_that_is_loaded_is_a_store(run: Run, file: Path) -> None:
    run("table.loadTable", path=file.name, casOut="store")

    assert run("astore.download", rstore="store").values["blob"] == file.read_bytes()


def test_a_model_file_that_is_sent_is_a_store(run: Run, ctx: Context, file: Path) -> None:
    sent = replace(ctx, upload=file)

    run_action(sent, "table.upload", {"casOut": "store", "importOptions": {"fileType": "model"}})

    assert run("astore.download", rstore="store").values["blob"] == file.read_bytes()


def test_another_file_of_that_name_makes_no_table(
    run: Run, stores: MemoryStores, file: Path
) -> None:
    file.write_bytes(file.read_bytes()[:-1])

    with nothing_changes(stores), pytest.raises(DataError) as caught:
        run("table.loadTable", path=file.name, casOut="store")

    # one input, four neurons, one output: 1 * 4 + 4 + 4 + 1 numbers
    assert caught.value.message == (
        "the file 'net.safetensors' has 51 bytes of arrays, expected 52"
    )

from hashlib import sha256

import numpy as np
import pytest

from actions.context import Context
from tests.actions.conftest import Run
from tests.actions.house import SMALL_DNN, build, put, rows_of


@pytest.mark.usefixtures("exported")
def test_a_store_of_pictures_is_described(run: Run, ctx: Context) -> None:
    blob = run("astore.download", rstore="net_store").values["blob"]
    assert isinstance(blob, bytes)

    answer = run("astore.describe", rstore="net_store")

    assert answer.tables["Key"].rows == ((sha256(blob).hexdigest(),),)
    facts = {row[0]: row[1] for row in answer.tables["Description"].rows}
    assert facts["Model Name"] == "net"
    assert facts["Format"] == "castorch.model 1"
    assert facts["Number of Layers"] == "5"
    assert facts["Number of Weights"] == "46"
    assert facts["Size in Bytes"] == str(len(blob))
    assert answer.tables["InputVariables"].rows == (
        ("_image_", 0, "Input", "Varbinary", "Image", ""),
    )
    assert answer.tables["OutputVariables"].rows == (
        ("P__label_cat", 8, "Num", "Predicted: _label_=cat"),
        ("P__label_dog", 8, "Num", "Predicted: _label_=dog"),
        ("I__label_", 0, "Varchar", "Into: _label_"),
        ("_DL_PredP_", 8, "Num", ""),
        ("_DL_PredLevel_", 8, "Num", ""),
    )
    run("astore.score", table="pictures", rstore="net_store", casOut="scored")
    outputs = [row[0] for row in answer.tables["OutputVariables"].rows]
    assert outputs == list(rows_of(ctx, "scored")[0])


def test_numbers_and_levels_are_told_apart(run: Run, ctx: Context) -> None:
    draw = np.random.default_rng(3)
    x, colour = draw.normal(size=12), ["red", "blue"] * 6
    put(ctx, "flowers", {"x": x, "colour": colour, "y": x * 2})
    build(run, SMALL_DNN)
    raw = {"table": "flowers", "modelTable": "net", "inputs": ["x", "colour"], "target": "y"}
    run("deepLearn.dlTrain", **raw, modelWeights="w", optimizer={"maxEpochs": 1})
    run("deepLearn.dlExportModel", modelTable="net", initWeights="w", casOut="s", layers=["fc1"])

    answer = run("astore.describe", rstore="s")

    assert answer.tables["InputVariables"].rows == (
        ("x", 8, "Input", "Num", "Interval", ""),
        ("colour", 0, "Input", "Varchar", "Nominal", ""),
    )
    assert answer.tables["OutputVariables"].rows == (
        ("P_y", 8, "Num", "Predicted: y"),
        ("_LayerAct_1_0_0_0_", 8, "Num", "Output for Layer fc1"),
        ("_LayerAct_1_0_0_1_", 8, "Num", "Output for Layer fc1"),
        ("_LayerAct_1_0_0_2_", 8, "Num", "Output for Layer fc1"),
        ("_LayerAct_1_0_0_3_", 8, "Num", "Output for Layer fc1"),
    )

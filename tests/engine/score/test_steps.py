"""Sequences, texts and several tasks, trained a little and scored."""

from math import log
from typing import Any

import numpy as np
import pytest
import torch

from engine.compile.lower import CompiledModel, compile_graph
from engine.data.batches import ResidentSource
from engine.data.columns import Columns
from engine.data.encode import Encoder
from engine.data.learn import learn_schema
from engine.data.schema import DataSpec, Schema, SchemaRequest, SequenceRequest, bound_graph
from engine.devices import seeded
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions
from engine.layers.input import Input
from engine.layers.output import Output
from engine.layers.recurrent import RecurrentLayer
from engine.score.outputs import layer_columns
from engine.score.scorer import Scorer
from engine.train.config import Optimizer
from engine.train.loop import Trainer
from engine.train.step import validate
from tests.engine.networks import objects

NAN = float("nan")


def states(graph: Graph) -> Graph:
    """Return the graph with a linear layer whose states are its inputs."""
    layer = RecurrentLayer(n=1, act="IDENTITY", output_type="SAMELENGTH")
    return graph.add("states", layer, ["data"])


def per_step(output: Output | None = None) -> Graph:
    return states(Graph("net").add("data", Input())).add("out", output or Output(), ["states"])


def prepared(graph: Graph, columns: Columns, **request: Any) -> tuple[CompiledModel, Schema]:
    """Return a model with fixed weights; states pass their inputs on."""
    schema = learn_schema(SchemaRequest.model_validate(request), graph, [columns], BuildOptions())
    model = compile_graph(bound_graph(schema, graph), schema.options, generator=seeded(1))
    model.loss_scales = schema.loss_scales
    with torch.no_grad():
        for spec in model.specs:
            value = {"weight_input": 1.0, "weight_state": 0.0, "bias": 0.0}.get(spec.name)
            if value is not None:
                model.tensor(spec).fill_(value)
    return model, schema


LABELS: Columns = {
    "x1": np.array([2.0, -1.0]),
    "x2": np.array([-3.0, 7.0]),
    "n": np.array([2, 1]),
    "t1": objects("pos", "neg"),
    "t2": objects("pos", None),
}
ASKED = {
    "inputs": ("x1", "x2"),
    "target_sequence": ("t1", "t2"),
    "sequence": SequenceRequest(input_length="n", target_length="n"),
}


def signs() -> tuple[CompiledModel, Schema]:
    """Return a model that says p(pos) = 1 / (1 + exp(-x)) at every step."""
    model, schema = prepared(per_step(), LABELS, **ASKED)
    model.tensor(model.specs[3]).data.copy_(torch.tensor([[-0.5, 0.5]]))
    return model, schema


def chance(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def test_every_step_has_its_columns() -> None:
    # 1.6: _DL_P<t>_<i>_, _DL_PredName<t>_, _DL_PredP<t>_, _DL_PredLevel<t>_
    plain = Scorer(*signs(), encode_name=False)
    named = Scorer(*signs(), encode_name=True)

    assert [column.name for column in plain.columns] == [
        *("_DL_P0_0_", "_DL_P0_1_", "_DL_PredName0_", "_DL_PredP0_", "_DL_PredLevel0_"),
        *("_DL_P1_0_", "_DL_P1_1_", "_DL_PredName1_", "_DL_PredP1_", "_DL_PredLevel1_"),
    ]
    assert [column.name for column in named.columns][:3] == ["P_t1neg", "P_t1pos", "I_t1"]


def test_steps_are_scored_one_by_one_and_padding_is_missing() -> None:
    scorer = Scorer(*signs(), encode_name=False)
    columns = next(iter(scorer.score([LABELS]))).columns

    np.testing.assert_allclose(columns["_DL_P0_1_"], [chance(2), chance(-1)], rtol=1e-6)
    np.testing.assert_allclose(columns["_DL_P1_1_"], [chance(-3), NAN], rtol=1e-6)
    assert columns["_DL_PredName1_"].tolist() == ["neg", None]
    assert np.isnan(columns["_DL_PredLevel1_"]).tolist() == [False, True]
    summary = scorer.summary()
    # of three steps pos, pos, neg the second is wrong
    assert summary.misclassification == pytest.approx(100 / 3)
    first = (-log(chance(2)) - log(chance(-3))) / 2
    assert summary.loss == pytest.approx((first - log(chance(1))) / 2, rel=1e-5)
    assert [(c.name, c.frequency, c.correct) for c in summary.classes] == [
        ("neg", 1, 1),
        ("pos", 2, 1),
    ]


def test_validation_measures_what_scoring_does() -> None:
    model, schema = signs()
    source = ResidentSource.read(Encoder(schema, "validate"), [LABELS])
    loss, error = validate(model, source, 2)
    scorer = Scorer(model, schema)
    list(scorer.score([LABELS]))

    assert loss == pytest.approx(scorer.summary().loss, rel=1e-5)
    assert error == pytest.approx((1 / 2 + 0) / 2)


def test_a_table_without_the_target_is_scored_too() -> None:
    table = {name: LABELS[name] for name in ("x1", "x2", "n")}
    scorer = Scorer(*signs())
    columns = next(iter(scorer.score([table]))).columns

    assert columns["I_t1"].tolist() == ["pos", "neg"]
    assert scorer.summary().misclassification is None


NUMBERS: Columns = {
    **{name: LABELS[name] for name in ("x1", "x2", "n")},
    "t1": np.array([1.0, 3.0]),
    "t2": np.array([5.0, NAN]),
}


def test_numbers_are_scored_at_every_step_in_their_own_units() -> None:
    model, schema = prepared(per_step(Output(target_std="STD")), NUMBERS, **ASKED)
    model.tensor(model.specs[3]).data.fill_(1.0)
    scorer = Scorer(model, schema, encode_name=False)
    columns = next(iter(scorer.score([NUMBERS]))).columns

    # targets 1, 3, 5: mean 3, variance 8/3; predictions are 3 + x * sqrt(8/3)
    deviation = (8 / 3) ** 0.5
    expected = [3 + 2 * deviation, 3 - deviation], [3 - 3 * deviation, NAN]
    np.testing.assert_allclose(columns["_DL_Pred0_"], expected[0], rtol=1e-6)
    np.testing.assert_allclose(columns["_DL_Pred1_"], expected[1], rtol=1e-6)
    errors = [(2 + 2 * deviation) ** 2, deviation**2, (2 + 3 * deviation) ** 2]
    assert scorer.summary().mse == pytest.approx(np.mean(errors), rel=1e-5)


def test_labels_are_decoded() -> None:
    model, schema = prepared(per_step(Output(error="CTC")), LABELS, **ASKED)
    # neg for negative states, pos for positive ones, the blank never
    model.tensor(model.specs[3]).data.copy_(torch.tensor([[-1.0, 1.0, 0.0]]))
    scorer = Scorer(model, schema, encode_name=False)
    columns = next(iter(scorer.score([LABELS]))).columns

    assert columns["_DL_Pred_"].tolist() == ["pos neg", "neg"]
    assert scorer.summary().misclassification == 50.0


def two_tasks() -> tuple[CompiledModel, Schema, Columns]:
    graph = Graph("net").add("data", Input())
    graph = graph.add("kind", Output(), ["data"]).add("price", Output(), ["data"])
    columns = {
        "x": np.array([1.0, -1.0, 2.0]),
        "y": objects("p", "n", "p"),
        "z": np.array([1.0, 2.0, 3.0]),
    }
    specs = (
        DataSpec(layer="data", data=("x",)),
        DataSpec(layer="kind", data=("y",)),
        DataSpec(layer="price", data=("z",), loss_scale=0.25),
    )
    return *prepared(graph, columns, specs=specs), columns


def test_every_task_layer_has_its_columns_and_facts() -> None:
    model, schema, columns = two_tasks()
    scorer = Scorer(model, schema, encode_name=False)
    list(scorer.score([columns]))
    names = [column.name for column in scorer.columns]

    # 1.6: _DL_PredLevel<layerid>_ and _DL_PredP<layerid>_
    assert {"_DL_PredLevel1_", "_DL_PredP1_", "_DL_Pred2_"} <= set(names)
    facts = scorer.summary().facts
    assert list(facts) == [
        "Misclassification Error (%) (kind, 1)",
        "Mean Squared Error (price, 2)",
        "Loss Error",
    ]


def test_losses_of_tasks_are_scaled_and_added_up() -> None:
    model, schema, columns = two_tasks()
    source = ResidentSource.read(Encoder(schema), [columns])
    model.train()
    raw = model(source.table.inputs)
    parts = {
        name: task.loss(raw[name], source.table.targets[name]).mean().item()
        for name, task in model.tasks.items()
    }
    expected = parts["kind"] + 0.25 * parts["price"]

    assert validate(model, source, 2)[0] == pytest.approx(expected, rel=1e-5)
    scorer = Scorer(model, schema)
    list(scorer.score([columns]))
    assert scorer.summary().loss == pytest.approx(expected, rel=1e-5)
    trainer = Trainer(model, Optimizer(max_epochs=1), source, batch_rows=3)
    assert trainer.run().history[0].loss == pytest.approx(expected, rel=1e-5)


def test_the_layer_columns_of_a_sequence_are_its_steps() -> None:
    assert [column.name for column in layer_columns(4, (2, 3))] == [
        *("_LayerAct_4_0_0_0_", "_LayerAct_4_0_0_1_", "_LayerAct_4_0_0_2_"),
        *("_LayerAct_4_1_0_0_", "_LayerAct_4_1_0_1_", "_LayerAct_4_1_0_2_"),
    ]


def test_training_lowers_the_loss_of_labels_without_places() -> None:
    draw = np.random.default_rng(3)
    levels = draw.integers(0, 2, size=(60, 4))
    columns: dict[str, Any] = {f"x{t}": 2.0 * levels[:, t] - 1 for t in range(4)}
    names = np.array(["a", "b"], dtype=object)
    for step in range(2):  # what is to be found: the first and the third step, if they differ
        columns[f"t{step}"] = names[levels[:, 2 * step]]
    graph = Graph("net").add("data", Input())
    layer = RecurrentLayer(n=8, rnn_type="GRU", output_type="SAMELENGTH")
    graph = graph.add("states", layer, ["data"]).add("out", Output(error="CTC"), ["states"])
    request = SchemaRequest(
        inputs=tuple(f"x{t}" for t in range(4)),
        target_sequence=("t0", "t1"),
        sequence=SequenceRequest(),
    )
    schema = learn_schema(request, graph, [columns], BuildOptions())
    model = compile_graph(bound_graph(schema, graph), schema.options, generator=seeded(1))
    source = ResidentSource.read(Encoder(schema), [columns])
    optimizer = Optimizer.model_validate(
        {"max_epochs": 30, "algorithm": {"method": "ADAM", "learning_rate": 0.03}}
    )
    history = Trainer(model, optimizer, source, batch_rows=20).run().history

    assert history[-1].loss < 0.5 * history[0].loss

"""What holds for every registered layer type, and for each way to declare it listed here."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.compile.lower import CompiledModel, compile_graph
from engine.devices import seeded
from engine.graph.infer import account, bind
from engine.graph.layout import layout
from engine.graph.spec import Graph
from engine.layers.base import LAYERS, BuildOptions, Layer, Target, TaskLayer
from engine.layers.input import Input
from engine.layers.merge import Concatenation
from engine.layers.output import Output
from engine.shapes import Shape
from engine.weights import load_weights, read_weights

IMAGE: Shape = (2, 6, 5)
VECTOR: Shape = (7,)
STEPS: Shape = (1, 5, 6)
SEQUENCE: Shape = (5, 6)
TARGET = Target("nominal", 3)
ROWS = 4
NOTHING = Target("none", 0)
BOXES = Target("objects", 2, image=(16, 16))
PAIRS = [[1.0, 1.0], [2.0, 0.0], [3.0, 1.0], [4.0, 1.0]]
OBJECTS = [[[0.0, 0.5, 0.5, 0.3, 0.4], [1.0, 0.9, 0.1, 0.2, 0.2]]] * ROWS


@dataclass(frozen=True)
class Case:
    """A way to declare a layer.

    Attributes:
        options: on the model of the layer, without the type.
        sources: shapes of the layers before it.
        is_lookup: whether it takes ids, which have no gradient.
        places: of the last sources, which say where to look and have no gradient.
        target: what a task layer predicts.
        truth: of ROWS rows, encoded.
    """

    type: str
    options: dict[str, object]
    sources: tuple[Shape, ...] = (IMAGE,)
    is_lookup: bool = False
    places: int = 0
    target: Target = TARGET
    truth: object = (0, 1, 2, 1)

    def __str__(self) -> str:
        options = ",".join(f"{name}={value}" for name, value in self.options.items())
        return f"{self.type}({options}) on {self.sources}"

    @property
    def layer(self) -> Layer:
        layer = LAYERS[self.type].model_validate(self.options)
        return layer.bind(self.target) if isinstance(layer, TaskLayer) else layer


CASES = [
    Case("input", {"n_channels": 2, "width": 5, "height": 6}, ()),
    Case(
        "input",
        {"n_channels": 2, "width": 5, "random_flip": "HV", "random_crop": "RANDOMRESIZED"},
        (),
    ),
    Case("input", {"n_channels": 3, "width": 5, "random_mutation": "RANDOM"}, ()),
    Case("input", {"steps": 3, "features": 4, "offsets": (1.0,)}, ()),
    Case("input", {"features": 7, "scale": 0.5, "offsets": (1.0,), "norm_stds": (2.0,)}, ()),
    Case("convo", {"n_filters": 3}),
    Case("convo", {"n_filters": 3, "width": 4, "stride": 2, "act": "TANH"}),
    Case("convo", {"n_filters": 3, "padding": 0, "include_bias": False, "act": "ELU"}),
    Case("pool", {}),
    Case("pool", {"width": 3, "stride": 1, "pool": "MEAN"}),
    Case("pool", {"width": 3, "padding": 2, "pool": "MIN"}),
    Case("pool", {"width": 3, "stride": 2, "pool": "MEDIAN"}),
    Case("pool", {"width": 0, "height": 0, "pool": "MEAN"}),
    Case("pool", {"width": 3, "padding": 2, "pool": "FIXED"}),
    Case("pool", {"width": 3, "stride": 2, "pool": "RANDOM"}),
    Case("pool", {"width": 3, "stride": 1, "pool": "L2NORM"}),
    Case("convo", {"n_filters": 3, "dilation": 2, "padding_left": 3, "padding_bottom": 1}),
    Case("groupconvo", {"n_filters": 4, "n_groups": 2}),
    Case("groupconvo", {"n_filters": 2, "n_groups": 2, "width": 2, "include_bias": False}),
    Case("localconvo", {"n_filters": 3}),
    Case("localconvo", {"n_filters": 2, "width": 4, "stride": 2, "include_bias": False}),
    Case("transconvo", {"n_filters": 3}),
    Case("transconvo", {"n_filters": 3, "stride": 2, "padding": 1, "output_padding_width": 1}),
    Case("reshape", {"width": 4, "height": 3, "depth": 5, "act": "RECTIFIER"}),
    Case("reshape", {"width": 5, "height": 12, "depth": 1}),
    Case("reshape", {"width": 10, "height": 6, "order": "HDW"}),
    Case("reshape", {"height": 1, "depth": 1, "act": "ELU"}, (VECTOR,)),
    Case("scale", {}, (IMAGE, (2,))),
    Case("scale", {"act": "LEAKY"}, (VECTOR, (1, 1, 7))),
    Case("split", {"n_destination_layers": 2}),
    Case("split", {"n_destination_layers": 3}, ((6,),)),
    Case("channelshuffle", {"n_groups": 2}, ((4, 3, 3),)),
    Case("layernorm", {}, (STEPS,)),
    Case("layernorm", {"act": "RECTIFIER"}, (VECTOR,)),
    Case("layernorm", {"token_size": 3}, ((6,),)),
    Case("mhattention", {"n": 6, "n_attn_heads": 2}, (STEPS,)),
    Case(
        "mhattention",
        {"n": 6, "n_attn_heads": 3, "include_bias": False, "mask": "CAUSAL"},
        (STEPS,),
    ),
    Case("recurrent", {"n": 4}, (STEPS,)),
    Case("recurrent", {"n": 4, "rnn_type": "LSTM", "output_type": "SAMELENGTH"}, (SEQUENCE,)),
    Case("recurrent", {"n": 3, "rnn_type": "GRU", "reversed": True}, (SEQUENCE, SEQUENCE)),
    Case("recurrent", {"n": 3, "act": "RECTIFIER", "dropout": 0.1}, (SEQUENCE,)),
    Case("recurrent", {"n": 3, "rnn_type": "LSTM", "act": "SOFTPLUS"}, (SEQUENCE,)),
    Case(
        "recurrent",
        {"n": 3, "rnn_type": "GRU", "output_type": "ARBITRARYLENGTH", "max_output_length": 4},
        (VECTOR, VECTOR),
    ),
    Case("projection", {"embedding_size": 3, "alphabet_size": 2}, ((5, 1),), is_lookup=True),
    Case("projection", {"embedding_size": 2, "alphabet_size": 2}, (VECTOR,), is_lookup=True),
    Case("layernorm", {}, (SEQUENCE,)),
    Case("mhattention", {"n": 6, "n_attn_heads": 2, "attn_dropout": 0.1}, (SEQUENCE,)),
    Case("fc", {"n": 4}),
    Case("fc", {"n": 4, "include_bias": False, "act": "SOFTPLUS"}, (VECTOR,)),
    Case("fc", {"n": 4, "act": "LEAKY"}, (IMAGE, VECTOR)),
    Case("fc", {"n": 4, "per_step": True}, (SEQUENCE, STEPS)),
    Case("batchnorm", {}),
    Case("batchnorm", {"act": "GELU", "epsilon": 0.1}, (VECTOR,)),
    Case("residual", {}, (IMAGE, IMAGE)),
    Case("residual", {"act": "RECTIFIER"}, (VECTOR,)),
    Case("concat", {}, (IMAGE, (1, 6, 5))),
    Case("concat", {"act": "TANH"}, (SEQUENCE, SEQUENCE)),
    Case("concat", {"act": "LOGISTIC"}, (VECTOR, VECTOR, (2,))),
    Case("output", {}),
    Case("output", {"n": 5, "include_bias": False}, (VECTOR,)),
    Case("output", {"full_connect": False}, (VECTOR,)),
    Case("output", {"n": 3}, (VECTOR, VECTOR)),
    Case("residual", {"act": "RECTIFIER"}, ((4, 3, 3), (2, 6, 5), (4, 3, 3))),
    Case("keypoints", {"target_std": "STD"}, target=Target("interval", 2), truth=PAIRS),
    Case("keypoints", {"n": 2, "act": "TANH"}, target=Target("interval", 2), truth=PAIRS),
    Case(
        "detection",
        {"grid_number": 3, "anchors": (1.0, 1.0, 2.0, 0.5)},
        ((14, 3, 3),),
        target=Target("objects", 2),
        truth=OBJECTS,
    ),
    Case(
        "detection",
        {"detection_model_type": "YOLOV1", "grid_number": 2, "predictions_per_grid": 1},
        ((28,),),
        target=Target("objects", 2),
        truth=OBJECTS,
    ),
    Case("segmentation", {}, target=Target("pixels", 2), truth=np.ones((ROWS, 6, 5), dtype=int)),
    Case(
        "segmentation",
        {"act": "LOGISTIC"},
        target=Target("interval", 60),
        truth=np.ones((ROWS, *IMAGE)),
    ),
    Case(
        "fcmp",
        {
            "width": 5,
            "height": 6,
            "depth": 2,
            "n_weights": 2,
            "forward_func": "tanh(w[1] * x + w[2])",
        },
    ),
    Case(
        "fcmp",
        {"width": 1, "n_weights": 1, "forward_func": "w[1] * x[1] * sum(x)"},
        (VECTOR, VECTOR),
    ),
    Case("fc", {"n": 3, "act": "FCMP", "fcmp_act": "ifn(x > 0, x, exp(x) - 1)"}, (VECTOR,)),
    Case("recurrent", {"n": 3, "act": "FCMP", "fcmp_act": "tanh(x)"}, (SEQUENCE,)),
    Case(
        "output",
        {"act": "AUTO", "error": "FCMPERR", "fcmp_err": "-y * log(yhat + 1e-9)"},
        (VECTOR,),
    ),
    Case("cluster", {"n_clusters": 3}, (VECTOR,), target=NOTHING, truth=np.zeros((ROWS, 0))),
    Case("survival", {}, ((1,),), target=Target("interval", 2), truth=PAIRS),
    Case(
        "regionproposal",
        {"anchor_ratio": (1.0,), "anchor_scale": (1.0,), "roi_train_sample_num": 3},
        ((6, 4, 4),),
        target=BOXES,
        truth=OBJECTS,
    ),
    Case("roipooling", {"output_height": 2, "output_width": 1}, (IMAGE, (3, 5)), places=1),
    Case(
        "fastrcnn",
        {"class_number": 2},
        ((4, 3), (4, 12), (4, 5)),
        target=BOXES,
        truth=OBJECTS,
    ),
    Case("closs", {}, (VECTOR, VECTOR), target=Target("interval", 1), truth=[[0.0], [1.0]] * 2),
    Case("closs", {}, (VECTOR,) * 3, target=NOTHING, truth=np.zeros((ROWS, 0))),
    Case("closs", {"margin": 9.0}, (VECTOR,) * 4, target=NOTHING, truth=np.zeros((ROWS, 0))),
]

every_case = pytest.mark.parametrize("case", CASES, ids=str)


def network(case: Case) -> Graph:
    """Return a bound graph in which the layer stands between inputs and an output."""
    graph, names = Graph("net"), []
    for place, shape in enumerate(case.sources):
        names.append(f"in{place}")
        axes = ("n_channels", "height", "width") if len(shape) == 3 else ("steps", "features")
        source = dict(zip(axes[-len(shape) :], shape, strict=True))
        graph = graph.add(names[-1], Input.model_validate(source))
    graph = graph.add("it", LAYERS[case.type].model_validate(case.options), names)
    if graph.node("it").layer.is_task:
        return bind(graph, {}, {"it": case.target})
    parts = graph.node("it").layer.destinations or 1
    graph = graph.add("taken", Concatenation(), ["it"] * parts)
    return bind(graph.add("end", Output(), ["taken"]), {}, {"end": TARGET})


def compiled(case: Case, seed: int = 1, options: BuildOptions | None = None) -> CompiledModel:
    chosen = options or BuildOptions()
    model = compile_graph(network(case), chosen, generator=seeded(seed), outputs=["it"])
    model.set_generator(seeded(seed))
    return model


def values(shape: Shape, *, seed: int = 1) -> Tensor:
    draw = np.random.default_rng(seed).normal(size=(ROWS, *shape))
    return torch.tensor(draw, dtype=torch.float32)


def truth_of(case: Case) -> Tensor:
    """Return the target of the network's task layer."""
    is_task = issubclass(LAYERS[case.type], TaskLayer)
    found = torch.as_tensor(np.asarray(case.truth if is_task else (0, 1, 2, 1)))
    return found.float() if found.is_floating_point() else found


def inputs(model: CompiledModel) -> dict[str, Tensor]:
    shapes = model.graph.shapes
    found: dict[str, Tensor] = {}
    for place, name in enumerate(model.inputs):
        shape = shapes[name]
        assert shape is not None
        found[name] = values(shape, seed=place + 1)
    return found


def module_of(model: CompiledModel) -> nn.Module:
    return model.module.get_submodule(f"layer_{model.graph.node('it').id}")


def test_every_registered_type_has_a_case() -> None:
    assert {case.type for case in CASES} == set(LAYERS)


@every_case
@pytest.mark.parametrize("equal", [False, True])
def test_the_inferred_shape_is_that_of_the_modules_output(
    case: Case,
    equal: bool,  # noqa: FBT001 - parametrised
) -> None:
    options = BuildOptions(force_equal_padding=equal)
    model = compiled(case, options=options)

    result = model(inputs(model))["it"]
    layer = case.layer
    if layer.is_task and layer.feeds:  # what it hands on is not what is graded
        result = module_of(model)(*inputs(model).values())[0]

    inferred = layer.infer(case.sources, options)
    assert tuple(result.shape) == (ROWS, *(inferred or ()))
    assert result.dtype == torch.float32


@every_case
def test_a_layer_survives_json(case: Case) -> None:
    layer = LAYERS[case.type].model_validate(case.options)

    assert LAYERS[case.type].model_validate_json(layer.model_dump_json()) == layer


@every_case
def test_numbers_survive_the_weight_table(case: Case) -> None:
    first, second = compiled(case, seed=1), compiled(case, seed=2)

    load_weights(second, read_weights(first))

    for model in (first, second):
        model.eval()
    for name, result in first(inputs(first)).items():
        assert torch.equal(second(inputs(second))[name], result)


@every_case
def test_tensors_of_the_module_are_those_the_layer_declares(case: Case) -> None:
    module = module_of(compiled(case))
    declared = case.layer.tensors(case.sources, BuildOptions())

    parameters = {name: tuple(each.shape) for name, each in module.named_parameters()}
    state = {name: tuple(each.shape) for name, each in module.state_dict().items()}
    assert parameters == {s.name: s.shape for s in declared if s.part != "statistics"}
    assert state == {s.name: s.shape for s in declared}


@every_case
def test_parameters_are_counted_as_the_module_has_them(case: Case) -> None:
    model = compiled(case)
    counted = next(each for each in account(model.graph) if each.name == "it")
    parameters = sum(each.numel() for each in module_of(model).parameters())
    buffers = sum(each.numel() for each in module_of(model).state_dict().values()) - parameters

    assert (counted.weights or 0) + (counted.biases or 0) == parameters
    assert counted.statistics == buffers
    assert sum(spec.size for spec in layout(model.graph, model.options)) == sum(
        each.numel() for each in model.module.state_dict().values()
    )


@every_case
def test_a_gradient_reaches_every_weight(case: Case) -> None:
    model = compiled(case)
    task = next(iter(model.tasks))

    loss = model.tasks[task].loss(model(inputs(model))[task], truth_of(case))
    parameters = model.parameters()
    gradients = torch.autograd.grad(loss.mean(), parameters) if parameters else ()

    # a gradient may be zero by chance for a value, not for a tensor
    assert all(bool(gradient.ne(0).any()) for gradient in gradients)


@every_case
def test_a_gradient_reaches_every_source(case: Case) -> None:
    model = compiled(case)
    module = module_of(model)
    sources = [values(s, seed=n).requires_grad_() for n, s in enumerate(case.sources)]
    if not sources or case.is_lookup:
        return

    result = module(*sources)
    if isinstance(result, tuple):  # what is handed on has none, what is graded has
        result = result[1]
    weights = torch.rand(result.shape, generator=seeded(1))
    gradients = torch.autograd.grad((result * weights).sum(), sources[: len(sources) - case.places])

    assert all(bool(gradient.ne(0).any()) for gradient in gradients)


@every_case
def test_a_layer_leaves_its_sources_as_they_were(case: Case) -> None:
    module = module_of(compiled(case))
    sources = [values(s, seed=n) for n, s in enumerate(case.sources)]

    for mode in (True, False):
        module.train(mode)(*sources) if sources else None
    assert all(
        torch.equal(source, values(s, seed=n))
        for n, (source, s) in enumerate(zip(sources, case.sources, strict=True))
    )


@every_case
def test_the_memory_order_of_images_does_not_change_numbers(case: Case) -> None:
    plain, other = compiled(case), compiled(case)
    other.to(torch.device("cpu"), channels_last=True)

    results = other(inputs(other))
    for name, result in plain(inputs(plain)).items():
        torch.testing.assert_close(results[name], result, atol=1e-5, rtol=1e-4)


@every_case
def test_half_precision_stays_near_float32(case: Case) -> None:
    whole, half = compiled(case), compiled(case)
    half.precision = "FP16"
    task = next(iter(whole.tasks))

    for model in (whole, half):
        raw = model(inputs(model))[task]
        loss = model.tasks[task].loss(raw, truth_of(case)).mean()
        parameters = model.parameters()
        found = torch.autograd.grad(loss, parameters) if parameters else ()
        assert {each.dtype for each in (raw, *found)} == {torch.float32}
        model.end_epoch()
        model.eval()

    # bfloat16 rounds to 8 bits, 2e-3 of a value; sums of a few products end within ten times that
    for name, result in whole(inputs(whole)).items():
        near = 2e-2 * max(1.0, float(result.detach().abs().max()))
        torch.testing.assert_close(half(inputs(half))[name], result, atol=near, rtol=0.0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@every_case
def test_a_graphics_processor_gives_the_same_numbers(case: Case) -> None:
    device = torch.device("cuda:0")
    here, there = compiled(case), compiled(case).to(device, channels_last=True)
    there.set_generator(seeded(1, device))
    moved = {name: each.to(device) for name, each in inputs(there).items()}

    drawn = there(moved)
    for model in (here, there):
        model.eval()
    scored = there(moved)

    # convolutions and matrices may be multiplied with the ten bits of TF32
    for name, result in here(inputs(here)).items():
        assert drawn[name].isfinite().all()
        torch.testing.assert_close(scored[name].cpu(), result, atol=1e-2, rtol=1e-2)


@every_case
def test_one_row_gives_what_it_gives_in_a_batch(case: Case) -> None:
    model = compiled(case)
    model(inputs(model))
    model.end_epoch()
    model.eval()
    whole = model(inputs(model))["it"]

    for row in range(ROWS):
        alone = model({name: each[row : row + 1] for name, each in inputs(model).items()})["it"]
        torch.testing.assert_close(alone[0], whole[row], atol=1e-5, rtol=1e-4)


@every_case
def test_the_declaration_names_its_type(case: Case) -> None:
    layer = LAYERS[case.type].model_validate({"type": case.type, **case.options})

    assert layer.type == case.type
    assert (layer.title, layer.prefix) != ("", "")
    assert type(layer).__doc__

"""Every parameter is supported or refused with its reason; none is ignored in silence."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from actions import ACTIONS
from actions.deeplearn.tune_params import TuneOptimizer, Tuner
from actions.errors import InvalidParameters
from actions.fields import camel, fold, refused, take_apart, wire_fields
from actions.registry import find
from actions.results import Json
from actions.spelling import from_wire
from actions.support import DEEP_LEARNING, Support, classes, support
from actions.wire_schema import json_schema
from engine.errors import EngineError, LayerError, NotSupportedError
from engine.layers.base import LAYERS, Layer
from engine.train.algorithms import Options, not_built
from engine.train.config import Mode

ROOT = Path(__file__).parents[2]

EVERY = sorted(
    {each for action in ACTIONS.values() for each in classes(action.params)},
    key=lambda each: (each.__module__, each.__name__),
)
REFUSED = [(m, each) for m in EVERY for each in support(m) if each.state == "refused"]

# Names as the deepLearn reference has them, sections 1.1 to 1.12 and 4.2.
OF_THE_DIALECT: dict[str, str] = {
    "buildModel": "modelTable model type nThreads",
    "addLayer": "modelTable model name layer srcLayers replace sharedWeights sharingWeights "
    "nThreads",
    "removeLayer": "modelTable name",
    "modelInfo": "modelTable initWeights",
    "dlTrain": "table validTable validFreq modelTable model modelWeights bestWeights initWeights "
    "inputs target nominals nominal texts targetSequence sequence sequenceOpts textParms dataSpecs "
    "weight attributes seed recordSeed missing targetMissing targetOrder forceEqualPadding "
    "repeatWeightTable gpu nThreads ignoreTrainingError optimizer",
    "dlScore": "table modelTable model initWeights casOut copyVars bufferSize miniBatchBufSize "
    "encodeName topProbs layerOut layers layerList layerImageType randomFlip randomCrop "
    "randomMutation textParms hasOutputTermIds initOutputEmbeddings displayClassScoreInfo gpu "
    "nThreads logLevel",
    "dlTune": "table validTable inputs target nominals seed modelTable modelWeights bestWeights "
    "gpu optimizer",
    "dlExportModel": "casOut initWeights modelTable layers layerImageType randomCrop randomFlip "
    "randomMutation",
    "dlImportModelWeights": "modelTable model modelWeights formatType weightFilePath caslib "
    "labelTable dataSpecs gpuModel textEmbeddingDim",
    "dlLabelTarget": "initWeights modelTable modelWeights labelTable",
    "dlJoin": "table left annotatedTable right annotation casOut id joinType",
    "dlPrune": "modelTable initWeights",
}
OPTIMIZER = (
    "algorithm miniBatchSize totalMiniBatchSize round maxEpochs seed regL1 regL2 dropout "
    "dropoutInput dropoutType stagnation threshold fConv snapshotFreq logLevel bnSrcLayerWarnings "
    "flushWeights miniBatchBufSize freezeLayersTo freezeLayers freezeBatchNormStats mode"
)
ALGORITHM = (
    "method learningRate learningRatePolicy lrPolicy gamma stepSize power steps useLocking "
    "clipGradMax clipGradMin fcmpLearningRate"
)
SOLVERS = {
    "VANILLA": "",
    "MOMENTUM": "momentum",
    "ADAM": "beta1 beta2",
    "LBFG": "m maxLineSearchIters maxIters backtrackRatio",
    "NATGRAD": "approximationType",
}


def known(model: type[BaseModel]) -> set[str]:
    return {*wire_fields(model), *map(fold, refused(model))}


def test_every_action_of_the_set_is_there() -> None:
    assert set(DEEP_LEARNING) == set(OF_THE_DIALECT)
    assert {f"deepLearn.{name}" for name in DEEP_LEARNING} <= set(ACTIONS)


def test_the_page_tells_the_state_of_every_parameter() -> None:
    page = (ROOT / "docs" / "parameters.md").read_text()
    parts = dict(part.split("\n", 1) for part in page.split("\n## ")[1:])
    for action in ACTIONS.values():
        told = dict(re.findall(r"^\| `(\w+)` \|.*\| (.+) \|$", parts[action.name], re.MULTILINE))
        for each in support(action.params):
            state = each.state + (f": {each.reason}" if each.reason else "")
            assert told.pop(each.name) == state
        assert told == {}


@pytest.mark.parametrize("name", DEEP_LEARNING)
def test_every_name_of_the_dialect_is_known(name: str) -> None:
    model = find(f"deepLearn.{name}").params

    assert set(map(fold, OF_THE_DIALECT[name].split())) <= known(model)


@pytest.mark.parametrize("action", ["dlTrain", "dlTune"])
def test_every_option_of_the_optimizer_of_the_dialect_is_known(action: str) -> None:
    models = {each.__name__.lower(): each for each in classes(find(f"deepLearn.{action}").params)}
    optimizer = models["tuneoptimizer" if action == "dlTune" else "optimizer"]

    assert set(map(fold, OPTIMIZER.split())) <= known(optimizer)
    for method, own in SOLVERS.items():
        solvers = [m for m in models.values() if _method(m) == method]
        assert len(solvers) == 1
        assert {*map(fold, ALGORITHM.split()), *map(fold, own.split())} <= known(solvers[0])


def _method(model: type[BaseModel]) -> object:
    info = model.model_fields.get("method")
    return None if info is None else info.default


@pytest.mark.parametrize(
    ("model", "each"), REFUSED, ids=[f"{m.__name__}.{each.name}" for m, each in REFUSED]
)
def test_what_is_refused_is_refused_whatever_its_value_with_its_reason(
    model: type[BaseModel], each: Support
) -> None:
    values: list[Json] = [1, 0.5, "x", [1], {"a": 1}, True]
    for value in values:
        with pytest.raises(NotSupportedError) as caught:
            from_wire(model, {each.name: value}, place="set.action")

        message = f"parameter {each.name!r} of set.action is not supported yet: {each.reason}"
        assert str(caught.value) == message


DEEP = [m for name in DEEP_LEARNING for m in classes(find(f"deepLearn.{name}").params)]


def test_nothing_is_refused_without_a_reason() -> None:
    lacking = {
        f"{model.__name__}.{each.name}"
        for model in EVERY
        for each in support(model)
        if each.state in ("refused", "in part") and not each.reason
    }

    assert lacking == set()


def samples(schema: dict[str, Any]) -> Iterator[Any]:
    """Yield values of a type that differ from a default as far as can be told from the schema."""
    for each in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from samples(each)
    yield from (value for value in schema.get("enum", ()) if value is not None)
    kinds = schema.get("type", [])
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        if kind == "boolean":
            yield from (True, False)
        if kind in ("integer", "number"):
            yield from (2, 1, 0, 3, 0.5, -1)
        if kind == "string" and "enum" not in schema:
            yield "x"
        if kind == "array":
            yield from ([value] for value in samples(schema.get("items", {})))


@cache
def source() -> dict[Path, str]:
    """Return all that runs, by path."""
    rooms = ("actions", "engine", "server")
    files = [path for room in rooms for path in sorted((ROOT / room).rglob("*.py"))]
    return {path.relative_to(ROOT): path.read_text() for path in files}


OPTIONS = sorted(
    {m for m in EVERY if issubclass(m, Options) or getattr(m, "partly", None)},
    key=lambda m: m.__name__,
)


@pytest.mark.parametrize("model", OPTIONS, ids=lambda m: m.__name__)
def test_values_of_options_are_kept_or_refused_by_what_is_said_of_them(
    model: type[BaseModel],
) -> None:
    told = {each.name for each in support(model) if each.state == "in part"}
    properties = json_schema(model)["properties"]
    base: dict[str, Any] = {
        n: next(samples(p), {}) for n, p in properties.items() if n in _required(model)
    }
    refusals = set()
    for name, schema in properties.items():
        for value in samples(schema):
            if name == "type" and issubclass(model, Layer):
                continue
            try:
                params = from_wire(model, {**base, name: value})
            except NotSupportedError:
                refusals.add(name)
            except (InvalidParameters, LayerError):
                continue
            else:
                field = wire_fields(model)[fold(name)].name
                assert field in params.model_fields_set
    assert refusals <= told


def _required(model: type[BaseModel]) -> set[str]:
    return {camel(n) for n, info in model.model_fields.items() if info.is_required()}


PARTLY: list[tuple[str, dict[str, Any], str]] = [
    ("dlTrain", {"gpu": {"devices": [0, 1]}}, "parameter 'gpu' got more than one device"),
    ("dlTrain", {"gpu": {"useExclusive": True}}, "parameter 'gpu' got useExclusive"),
    ("dlTrain", {"gpu": {"useTensorRT": True}}, "parameter 'gpu' got useTensorRT"),
]


@pytest.mark.parametrize(("action", "raw", "message"), PARTLY)
def test_values_that_are_looked_at_late_are_refused_too(
    action: str, raw: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from actions.memory import MemoryStores

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    ctx = MemoryStores(Path("/nowhere")).context()
    needed = {"table": "t", "modelTable": "m", "modelWeights": "w", **raw}
    declared = find(f"deepLearn.{action}")
    with pytest.raises(NotSupportedError, match=f"^{message}, which is not supported yet$"):
        declared.body(ctx, from_wire(declared.params, needed))


def test_options_that_must_keep_their_default_are_refused_with_their_reason() -> None:
    checked = 0
    for model in {m for m in EVERY if issubclass(m, Options)}:
        for name, reason in not_built(model).items():
            schema = json_schema(model)["properties"][camel(name)]
            default = model.model_fields[name].default
            others = [value for value in samples(schema) if value not in (default, None)]
            wrong = next(value for value in others if _is_valid(model, name, value))
            with pytest.raises(NotSupportedError) as caught:
                from_wire(model, {camel(name): wrong})
            assert str(caught.value).endswith(f" is not supported yet: {reason}")
            checked += 1
    assert checked >= 8


def _is_valid(model: type[BaseModel], name: str, value: Json) -> bool:
    try:
        from_wire(model, {camel(name): value})
    except InvalidParameters:
        return False
    except EngineError:
        return True
    return True


READ_IN_A_LOOP = {"ChangedCopies", "BuildArchitectureParams"}
"""Classes whose fields are read one like the other."""


@pytest.mark.parametrize(
    "model",
    [m for m in EVERY if not m.__name__.startswith("Tune") and m.__name__ not in READ_IN_A_LOOP],
    ids=lambda m: m.__name__,
)
def test_every_field_is_read_where_its_class_is_known(model: type[BaseModel]) -> None:
    silent = {each.name for each in support(model) if each.state == "no effect"}
    readers = readers_of(model)
    unread = [
        name
        for name, info in model.model_fields.items()
        if camel(name) not in silent
        and info.annotation is not Mode  # its fields are kept to their defaults
        and not _has_one_value(info)
        and not re.search(rf"\.{name}\b|['\"]({name}|{camel(name)})['\"]", readers)
    ]

    assert unread == []


def readers_of(model: type[BaseModel]) -> str:
    """Return what may read a class: files beside it, files that name it, and all for an option."""
    if issubclass(model, Options):
        return "\n".join(source().values())
    module = model.__module__
    home = Path(*module.split(".")).parent if not issubclass(model, Layer) else Path("engine")
    named = re.compile(rf"\b{model.__name__}\b|from {module} import")
    return "\n".join(
        text for path, text in source().items() if home in path.parents or named.search(text)
    )


def _has_one_value(info: FieldInfo) -> bool:
    """Return whether a field says nothing: any other value than its only one is refused."""
    bounds = {getattr(each, side, None) for each in info.metadata for side in ("ge", "le")} - {None}
    is_fixed = len(info.metadata) == 2 and len(bounds) == 1
    shape = take_apart(info.annotation)
    return is_fixed or (shape.kind == "literal" and len(shape.items) == 1)


def test_every_layer_type_of_the_dialect_is_there() -> None:
    names = (
        "input convo pool fc output recurrent projection batchnorm residual concat detection scale "
        "keypoints reshape fcmp transconvo groupconvo channelshuffle segmentation closs "
        "regionproposal roipooling fastrcnn cluster survival layernorm mhattention split"
    )
    assert set(names.split()) <= set(LAYERS)


def test_the_classes_of_an_action_are_found_through_lists_unions_and_layers() -> None:
    found = {each.__name__ for each in classes(find("deepLearn.addLayer").params)}
    assert {"AddLayerParams", "TableRef", "Convolution", "Output"} <= found
    tuned = {each.__name__ for each in classes(find("deepLearn.dlTune").params)}
    assert {"TuneOptimizer", "TuneAdam", "Range", "Tuner", "Mode", "Variable"} <= tuned
    assert take_apart(TuneOptimizer).kind == "model"
    assert support(Tuner)[0] == Support(
        "searchMethod", "in part", "EAGLS: its rules are not published"
    )

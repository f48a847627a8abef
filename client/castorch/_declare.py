"""A model declared as one dictionary, or one JSON or YAML file."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from castorch._errors import InvalidInput
from castorch._extras import need
from castorch._spelling import to_wire

YAML_ENDINGS = frozenset({".yaml", ".yml"})
MODEL_KEYS = frozenset({"model", "type", "layers"})
LAYER_KEYS = frozenset({"name", "layer", "srcLayers", "sharedWeights"})


def read_declaration(
    declaration: str | Path | Mapping[str, Any], *, name: str | None = None
) -> dict[str, Any]:
    """Return a declaration in the form the server takes.

    ``{"model": "net", "type": "CNN", "layers": [{"name": "data", "layer": {"type": "input"}},
    ...]}``. A layer without ``srcLayers`` takes the layer declared before it, unless it is the
    first one or an input. The options of a layer may stand beside its name, without ``layer``:
    ``{"name": "fc1", "type": "fc", "n": 10}``.

    Args:
        declaration: the dictionary, or a path to a file that holds it.
        name: of the model, instead of the one declared.

    Raises:
        InvalidInput: the declaration is not of that form; the message names the layer.
        MissingExtra: the file is YAML, and PyYAML is not installed.
    """
    raw = declaration if isinstance(declaration, Mapping) else _read_file(Path(declaration))
    spelt = to_wire(raw, "declaration")
    _refuse_unknown(spelt, MODEL_KEYS, "the declaration")
    model = name or spelt.get("model")
    layers = spelt.get("layers")
    if not isinstance(model, str) or not model.strip():
        raise InvalidInput("the declaration got no 'model', expected the model's name")
    if not isinstance(layers, list) or not layers:
        raise InvalidInput("the declaration got no 'layers', expected a list of layers")
    declared = {"model": model, "type": str(spelt.get("type", "CNN"))}
    return declared | {"layers": _read_layers(layers)}


def _read_file(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"the declaration {str(path)!r} cannot be read: {error}", path=str(path)
        ) from error
    value = _parse_yaml(path, text) if path.suffix.lower() in YAML_ENDINGS else _parse(path, text)
    if not isinstance(value, Mapping):
        raise InvalidInput(
            f"the declaration {str(path)!r} got a {type(value).__name__}, expected an object "
            "with 'model' and 'layers'",
            path=str(path),
        )
    return value


def _parse(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidInput(
            f"the declaration {str(path)!r} is not JSON: {error}", path=str(path)
        ) from error


def _parse_yaml(path: Path, text: str) -> Any:
    yaml = need("yaml", "reading a YAML file", extra="cli")
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        shown = " ".join(str(error).split())
        raise InvalidInput(
            f"the declaration {str(path)!r} is not YAML: {shown}", path=str(path)
        ) from error


def _read_layers(layers: Sequence[Any]) -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = []
    for position, raw in enumerate(layers):
        layer = _read_layer(raw, f"layers[{position}]")
        is_input = str(layer["layer"].get("type", "")).lower() == "input"
        if "srcLayers" not in layer and read and not is_input:
            layer["srcLayers"] = [read[-1]["name"]]
        read.append(layer)
    return read


def _read_layer(raw: Any, place: str) -> dict[str, Any]:
    if not isinstance(raw, Mapping) or not isinstance(raw.get("name"), str):
        raise InvalidInput(f"{place} got no 'name', expected an object with the layer's name")
    if "layer" not in raw:
        options = {key: value for key, value in raw.items() if key not in LAYER_KEYS}
        raw = {key: value for key, value in raw.items() if key in LAYER_KEYS}
        raw = raw | {"layer": options}
    _refuse_unknown(raw, LAYER_KEYS, f"{place} ({raw['name']!r})")
    layer = raw["layer"]
    if not isinstance(layer, Mapping) or not isinstance(layer.get("type"), str):
        raise InvalidInput(
            f"{place} ({raw['name']!r}) got no layer type, "
            "expected an object with 'type' and options under 'layer'",
            layer=raw["name"],
        )
    sources = raw.get("srcLayers")
    listed = [sources] if isinstance(sources, str) else sources
    return dict(raw) | ({} if listed is None else {"srcLayers": listed})


def _refuse_unknown(raw: Mapping[str, Any], known: frozenset[str], place: str) -> None:
    unknown = sorted(set(raw) - known)
    if unknown:
        raise InvalidInput(
            f"{place} got the unknown key {unknown[0]!r}, expected only {', '.join(sorted(known))}",
            unknown=unknown,
        )

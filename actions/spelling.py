"""The spelling of the wire, and the only place that knows it.

On the wire names are camelCase and neither case nor underscores count; choices are matched without
regard to case; ``null`` means left out; a bare value may stand for a list of one, and a bare string
for an object that has a shorthand. Below this module there is only snake_case.

Conversion goes bottom up: every nested object becomes an instance of its class before the class
around it is validated, so that a failure is reported under the path the caller wrote.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal, TypeVar, cast

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from actions.errors import InvalidParameters
from actions.fields import (
    Shape,
    WireField,
    camel,
    fold,
    nearest,
    refused,
    tags,
    take_apart,
    wire_fields,
)
from actions.results import Json
from actions.wire_schema import json_schema
from engine.errors import LayerError, NotSupportedError
from engine.layers.base import LAYERS, Layer

__all__ = ["Unknown", "from_wire", "json_schema", "layer_types", "to_wire"]

Unknown = Literal["refuse", "warn"]
M = TypeVar("M", bound=BaseModel)

_SHOULD = re.compile(r"^(Input|String|List|Tuple|Dictionary) should (be |have )?")
"""How pydantic's sentences begin, in front of what was expected."""

SHOWN_CHARACTERS = 80
"""Longest value repeated in a message."""


@dataclass(frozen=True)
class _Reader:
    """How one call is read: whose parameters they are and what becomes of unknown ones."""

    place: str
    unknown: Unknown
    warn: Callable[[str], None]


def _ignore(text: str) -> None:
    del text


def from_wire(
    model: type[M],
    raw: Mapping[str, Json],
    *,
    place: str = "",
    unknown: Unknown = "refuse",
    warn: Callable[[str], None] = _ignore,
) -> M:
    """Return validated parameters from a JSON object in wire spelling.

    Args:
        model: the class of the parameters.
        raw: what came over the wire.
        place: name of the action, for messages.
        unknown: whether an unknown parameter is refused, or dropped and told to ``warn``. An
            unknown layer type or value is refused either way.
        warn: receives one sentence per parameter dropped.

    Raises:
        InvalidParameters: a parameter is unknown, given twice, missing, of a wrong type or out of
            range; the message names its wire path, what was got and what was expected.
        NotSupportedError: a parameter is known and not built yet.
    """
    return _model(_Reader(place, unknown, warn), model, raw, "")


def to_wire(params: BaseModel, *, exclude_defaults: bool = True) -> dict[str, Json]:
    """Return parameters as a JSON object in wire spelling."""
    return cast(
        "dict[str, Json]",
        _camel_keys(params.model_dump(mode="json", exclude_defaults=exclude_defaults)),
    )


def _camel_keys(value: Json) -> Json:
    if isinstance(value, dict):
        return {camel(key): _camel_keys(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_camel_keys(each) for each in value]
    return value


def layer_types() -> dict[str, type[Layer]]:
    """Return every layer class by each of its wire names, aliases included."""
    return {name: layer for type_, layer in LAYERS.items() for name in (type_, *layer.aliases)}


def _refuse(
    path: str, got: object, expected: str, choices: Sequence[str] = (), **details: Json
) -> InvalidParameters:
    hint = f"; did you mean {' or '.join(map(repr, choices))}?" if choices else ""
    facts: dict[str, Any] = {
        "parameter": path,
        "got": _shown(got),
        "expected": expected,
        "nearest": list(choices),
        **details,
    }
    where = f"parameter {path!r}" if path else "the parameters"
    return InvalidParameters(f"{where} got {_shown(got)}, expected {expected}{hint}", **facts)


def _shown(value: object) -> str:
    if isinstance(value, BaseModel):
        return "an object"
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _model(reader: _Reader, model: type[M], raw: object, path: str) -> M:
    if isinstance(raw, model):
        return raw
    shorthand = getattr(model, "shorthand", None)
    if shorthand is not None and isinstance(raw, str):
        raw = {shorthand: raw}
    if not isinstance(raw, Mapping):
        expected = "an object" if shorthand is None else f"a string or an object with {shorthand!r}"
        raise _refuse(path, raw, expected)
    if model is Layer:
        chosen, rest = _pick(raw, "type", layer_types(), path, "a layer type")
        model, raw = cast("type[M]", chosen), rest
    values: dict[str, Any] = {}
    seen: dict[str, str] = {}
    for key, value in raw.items():
        _read_key(reader, model, (key, value), path, (values, seen))
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _translate(error, path, seen) from None
    except (LayerError, NotSupportedError) as error:
        if not path:
            raise
        message = f"parameter {path!r}: {error.message}"
        raise type(error)(message, **{"parameter": path, **error.details}) from None


def _read_key(
    reader: _Reader,
    model: type[BaseModel],
    item: tuple[object, object],
    path: str,
    found: tuple[dict[str, Any], dict[str, str]],
) -> None:
    key, value = item
    values, seen = found
    field = wire_fields(model).get(fold(str(key)))
    if field is None:
        _unknown(reader, model, str(key), value, path)
        return
    if field.name in seen:
        raise InvalidParameters(
            f"parameters {_join(path, seen[field.name])!r} and {_join(path, str(key))!r} are the "
            "same one, expected it once",
            parameter=_join(path, str(key)),
            duplicate=_join(path, seen[field.name]),
        )
    seen[field.name] = str(key)
    if value is not None:
        values[field.name] = _field(reader, field, value, _join(path, str(key)))


def _unknown(reader: _Reader, model: type[BaseModel], key: str, value: object, path: str) -> None:
    wire = _join(path, key)
    known = {camel(name): name for name in model.model_fields}
    reason = {fold(name): why for name, why in refused(model).items()}.get(fold(key))
    if reason is not None:
        if value in (None, False, 0, "") or value in ([], {}):
            return
        of = f" of {reader.place}" if reader.place else ""
        message = f"parameter {wire!r}{of} is not supported yet: {reason}"
        raise NotSupportedError(message, parameter=wire)
    if reader.unknown == "warn":
        reader.warn(f"parameter {wire!r} is unknown and was ignored")
        return
    near = nearest(key, known)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise InvalidParameters(
        f"parameter {wire!r} is unknown, expected one of {', '.join(known)}{hint}",
        parameter=wire,
        got=key,
        expected=list(known),
        nearest=near,
    )


def _field(reader: _Reader, field: WireField, value: object, path: str) -> object:
    info = field.info
    if field.negated:
        opposite = _value(reader, take_apart(bool), value, path)
        return not opposite if isinstance(opposite, bool | int) else opposite
    tag = _tag(info)
    if tag is not None:
        return _tagged(reader, info, tag, value, path)
    return _value(reader, field.shape, value, path)


def _tag(info: FieldInfo) -> str | None:
    return info.discriminator if isinstance(info.discriminator, str) else None


def _tagged(reader: _Reader, info: FieldInfo, tag: str, value: object, path: str) -> BaseModel:
    shape = take_apart(info.annotation)
    members = tags(shape.items or (shape.type,), tag)
    if isinstance(value, str):
        value = {tag: value}
    if not isinstance(value, Mapping):
        raise _refuse(path, value, f"an object with {tag!r}")
    default = info.get_default(call_default_factory=True)
    fallback = getattr(default, tag, None)
    chosen, rest = _pick(value, tag, members, path, "one of " + ", ".join(members), fallback)
    return _model(reader, chosen, rest, path)


def _pick(
    raw: Mapping[Any, Any],
    tag: str,
    members: Mapping[str, type[BaseModel]],
    path: str,
    expected: str,
    fallback: str | None = None,
) -> tuple[type[BaseModel], dict[str, Any]]:
    """Return the class a tag chooses, and the object without the tag."""
    keys = [key for key in raw if fold(str(key)) == fold(tag)]
    wire = _join(path, camel(tag))
    if len(keys) > 1:
        raise _refuse(wire, [raw[key] for key in keys], "one value")
    got = raw[keys[0]] if keys else fallback
    if got is None:
        raise InvalidParameters(
            f"parameter {wire!r} is required, expected {expected}",
            parameter=wire,
            expected=expected,
        )
    by_fold = {fold(name): model for name, model in members.items()}
    chosen = by_fold.get(fold(got)) if isinstance(got, str) else None
    if chosen is None:
        raise _refuse(wire, got, expected, nearest(str(got), members), known=list(members))
    return chosen, {key: value for key, value in raw.items() if key not in keys}


def _value(reader: _Reader, shape: Shape, value: object, path: str) -> object:
    if value is None:
        return None
    match shape.kind:
        case "model":
            return _model(reader, shape.type, value, path)
        case "literal":
            return _choice(shape, value, path)
        case "list":
            item = take_apart(shape.items[0], shape.marks)
            many = value if isinstance(value, list | tuple) else [value]
            return [
                _value(reader, item, each, f"{path}[{place}]" if many is value else path)
                for place, each in enumerate(many)
            ]
        case "tuple":
            return _fixed(reader, shape, value, path)
        case "mapping":
            return _mapping(reader, shape, value, path)
        case "union":
            return _any(reader, shape, value, path)
        case "leaf":
            return _leaf(shape, value, path)


def _fixed(reader: _Reader, shape: Shape, value: object, path: str) -> object:
    if not isinstance(value, list | tuple) or len(value) != len(shape.items):
        raise _refuse(path, value, f"a list of {len(shape.items)}")
    return [
        _value(reader, take_apart(item), each, f"{path}[{place}]")
        for place, (item, each) in enumerate(zip(shape.items, value, strict=True))
    ]


def _mapping(reader: _Reader, shape: Shape, value: object, path: str) -> object:
    if not isinstance(value, Mapping):
        raise _refuse(path, value, "an object")
    item = take_apart(shape.items[0])
    return {key: _value(reader, item, each, _join(path, str(key))) for key, each in value.items()}


def _any(reader: _Reader, shape: Shape, value: object, path: str) -> object:
    """Convert by the member of a union that the value looks like; pydantic decides the rest."""
    members = [take_apart(member, shape.marks) for member in shape.items]
    wanted = "model" if isinstance(value, Mapping) else "list" if isinstance(value, list) else ""
    if isinstance(value, str):
        literals = [member for member in members if member.kind == "literal"]
        if literals and not any(member.type is str for member in members):
            return _choice(literals[0], value, path)
    for member in members:
        if member.kind == wanted or (wanted == "model" and member.kind == "mapping"):
            return _value(reader, member, value, path)
    return value


def _choice(shape: Shape, value: object, path: str) -> object:
    if any(value == each and type(value) is type(each) for each in shape.items):
        return value
    choices = [str(each) for each in shape.items]
    is_code = isinstance(value, int | float) and not isinstance(value, bool)
    word = f"{value:g}" if is_code else value  # model tables have codes for some choices
    if isinstance(word, str):
        folded = {fold(str(each)): each for each in shape.items}
        for other, meant in shape.synonyms.items():
            folded.setdefault(fold(other), meant)
        if fold(word) in folded:
            return folded[fold(word)]
    near = nearest(str(value), (*choices, *shape.synonyms))
    raise _refuse(path, value, "one of " + ", ".join(choices), near, known=list(choices))


def _leaf(shape: Shape, value: object, path: str) -> object:
    if isinstance(value, bool) and shape.type in (int, float):
        raise _refuse(path, value, "a number")
    if isinstance(value, float) and not isfinite(value):
        raise _refuse(path, value, "a finite number")
    return value


def _translate(error: ValidationError, path: str, seen: Mapping[str, str]) -> InvalidParameters:
    first, *others = error.errors(include_url=False)
    message, facts = _sentence(first, path, seen)
    more = [_sentence(each, path, seen)[0] for each in others]
    return InvalidParameters(message, **facts, others=more)


def _sentence(
    failure: ErrorDetails, path: str, seen: Mapping[str, str]
) -> tuple[str, dict[str, Any]]:
    wire = path
    for step in failure["loc"]:
        if isinstance(step, int):
            wire = f"{wire}[{step}]"
        elif str(step) in seen:
            wire = _join(wire, seen[str(step)])
        elif step == failure["loc"][0]:
            wire = _join(wire, camel(str(step)))
    where = f"parameter {wire!r}" if wire else "the parameters"
    if failure["type"] == "missing":
        return f"{where} is required", {"parameter": wire, "got": None, "expected": "a value"}
    text = failure["msg"].removeprefix("Value error, ")
    expected = _SHOULD.sub("", text)
    facts = {"parameter": wire, "got": _shown(failure["input"]), "expected": expected}
    if failure["type"] == "value_error":
        got = f" got {_shown(failure['input'])}" if failure["loc"] else ""
        return f"{where}{got}: {expected}", facts
    return f"{where} got {_shown(failure['input'])}, expected {expected}", facts

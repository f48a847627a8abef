"""JSON Schema of parameter classes, in the spelling of the wire."""

from collections.abc import Mapping
from inspect import cleandoc
from typing import Annotated, Any

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from actions.fields import Shape, camel, tags, take_apart
from engine.layers.base import LAYERS, Aliases, Layer, Negated

Schema = dict[str, Any]


_KINDS = {str: "string", bool: "boolean", int: "integer"}


def json_schema(model: type[BaseModel]) -> Schema:
    """Return the JSON Schema of a parameter class.

    Names are in wire spelling, descriptions are the docstrings of the fields, other names of a
    field are listed as ``x-aliases`` (of the opposite sense as ``x-negated``), other values of a
    choice as ``x-synonyms``.
    """
    if model is Layer:
        return {"oneOf": [json_schema(layer) for layer in LAYERS.values()]}
    fields = dict(model.model_fields)
    if issubclass(model, Layer):
        del fields["type"]
    schema: Schema = {"type": "object", "title": model.__name__}
    summary = cleandoc(model.__doc__ or "").partition("\n\n")[0].replace("\n", " ")
    if summary:
        schema["description"] = summary
    schema["properties"] = {}
    if issubclass(model, Layer):
        name = model.model_fields["type"].default
        names = [name, *model.aliases]
        schema["properties"]["type"] = {"const": name} if len(names) == 1 else {"enum": names}
    schema["properties"].update({camel(name): _property(info) for name, info in fields.items()})
    required = [camel(name) for name, info in fields.items() if info.is_required()]
    if issubclass(model, Layer):
        required.insert(0, "type")
    if required:
        schema["required"] = required
    schema["additionalProperties"] = False
    return schema


def _property(info: FieldInfo) -> Schema:
    shape = take_apart(info.annotation, tuple(info.metadata))
    schema = _of(shape, info)
    if info.description:
        schema["description"] = info.description.replace("\n", " ")
    default = info.get_default(call_default_factory=True)
    if default is not PydanticUndefined and default is not None:
        schema["default"] = _spelt(to_jsonable_python(default))
    for mark in shape.marks:
        if isinstance(mark, Aliases):
            schema["x-aliases"] = list(mark.names)
        if isinstance(mark, Negated):
            schema["x-negated"] = list(mark.names)
    return schema


def _spelt(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {camel(key): _spelt(each) for key, each in value.items()}
    return value


def _of(shape: Shape, info: FieldInfo | None = None) -> Schema:
    if shape.kind == "union":
        return _union(shape, info)
    schema = _single(shape)
    if shape.optional and "type" in schema and isinstance(schema["type"], str):
        schema["type"] = [schema["type"], "null"]
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
    return schema


def _single(shape: Shape) -> Schema:
    match shape.kind:
        case "model":
            return _shorthand(shape.type)
        case "literal":
            kind = _KINDS[type(shape.items[0])]
            schema: Schema = {"type": kind, "enum": list(shape.items)}
            if shape.synonyms:
                schema["x-synonyms"] = shape.synonyms
            return schema
        case "list":
            return {"type": "array", "items": _of(take_apart(shape.items[0], shape.marks))}
        case "tuple":
            items = [_of(take_apart(item)) for item in shape.items]
            return {"type": "array", "prefixItems": items, "minItems": len(items)}
        case "mapping":
            return {
                "type": "object",
                "additionalProperties": _of(take_apart(shape.items[0])),
            }
        case _:
            return _leaf(shape)


def _leaf(shape: Shape) -> Schema:
    kind: Any = shape.type
    for mark in shape.marks:
        kind = Annotated[kind, mark]
    return dict(TypeAdapter(kind).json_schema())


def _shorthand(model: type[BaseModel]) -> Schema:
    schema = json_schema(model)
    if getattr(model, "shorthand", None) is None:
        return schema
    return {"anyOf": [{"type": "string"}, schema]}


def _union(shape: Shape, info: FieldInfo | None) -> Schema:
    tag = info.discriminator if info is not None else None
    if not isinstance(tag, str):
        return {"anyOf": [_of(take_apart(member, shape.marks)) for member in shape.items]}
    return {"oneOf": [json_schema(each) for each in dict.fromkeys(tags(shape.items, tag).values())]}

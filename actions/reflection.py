"""What actions look like to a CAS client: every parameter with its type and what it stands for.

All of it follows from the parameter classes. CAS clients turn a table object into what a parameter
takes by its flags: a table to read, a table to make, the name of a table, or a caslib.

Source: CAS REST dialect, builtins.reflect (5.3).
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, cast

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from actions.fields import Shape, camel, tags, take_apart
from actions.params import NamesTable, OutTable, TableRef
from actions.registry import Action
from actions.results import Json
from engine.layers.base import LAYERS, Aliases, Layer, Negated

Facts = dict[str, Json]

LIST = "value_list"
_LEAVES: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),
    (int, "int64"),
    (float, "double"),
    (str, "string"),
)


def reflected(action: Action, name: str | None = None) -> Facts:
    """Return an action as ``builtins.reflect`` tells it, by its own name or an alias."""
    return {
        "name": (name or action.name).partition(".")[2],
        "label": action.name.partition(".")[2],
        "desc": action.summary,
        "params": cast("list[Json]", list(parameters(action.params))),
    }


def reflected_set(actions: Iterable[Action]) -> list[Json]:
    """Return the actions of a set, and every alias of them in that set."""
    return [
        reflected(each, name)
        for each in actions
        for name in (each.name, *each.aliases)
        if name.partition(".")[0].lower() == each.set_name.lower()
    ]


@lru_cache(maxsize=1024)
def parameters(model: type[BaseModel]) -> tuple[Facts, ...]:
    """Return the parameters of a class: its fields, their other names, and what comes later.

    No two names are equal without regard to case, and all are identifiers, as clients make
    functions of them.
    """
    found: dict[str, Facts] = {}
    for name, facts in (*_fields(model), *_aliases(model), *_later(model)):
        if name.isidentifier():
            found.setdefault(name.lower(), {"name": name, **facts})
    return tuple(found.values())


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, Facts]]:
    for name, info in model.model_fields.items():
        yield camel(name), _parameter(camel(name), info)


def _aliases(model: type[BaseModel]) -> Iterator[tuple[str, Facts]]:
    for info in model.model_fields.values():
        for mark in take_apart(info.annotation, tuple(info.metadata)).marks:
            if isinstance(mark, Aliases):
                for name in mark.names:
                    yield name, {**_parameter(name, info), "isRequired": 0}
            elif isinstance(mark, Negated):
                for name in mark.names:
                    yield name, {"parmType": "boolean", "isRequired": 0}


def _later(model: type[BaseModel]) -> Iterator[tuple[str, Facts]]:
    for name in getattr(model, "later", ()):
        yield name, {"parmType": LIST, "isRequired": 0}


def _parameter(name: str, info: FieldInfo) -> Facts:
    shape = take_apart(info.annotation, tuple(info.metadata))
    facts: Facts = {"parmType": _type(shape), "isRequired": int(info.is_required())}
    if info.description:
        facts["desc"] = info.description.replace("\n", " ")
    default = info.get_default(call_default_factory=True)
    if isinstance(default, bool | int | float | str):
        facts["default"] = to_jsonable_python(default)
    if shape.kind == "literal":
        facts["allowedValues"] = _values(shape)
    return {**facts, **_flags(name, shape), **_members(shape, info)}


def _values(shape: Shape) -> list[Json]:
    return [str(each) for each in shape.items]


def _type(shape: Shape) -> str:
    if shape.kind == "literal":
        return _leaf(type(shape.items[0]))
    if shape.kind == "union":
        return _leaf(str) if any(each is str for each in shape.items) else LIST
    return _leaf(shape.type) if shape.kind == "leaf" else LIST


def _leaf(kind: Any) -> str:
    return next(
        (name for each, name in _LEAVES if isinstance(kind, type) and issubclass(kind, each)),
        "string",
    )


def _flags(name: str, shape: Shape) -> Facts:
    if shape.kind == "model" and issubclass(shape.type, TableRef):
        return {"isTableDef": 1}
    if shape.kind == "model" and issubclass(shape.type, OutTable):
        return {"isOutTableDef": 1}
    if any(isinstance(mark, NamesTable) for mark in shape.marks):
        return {"isTableName": 1}
    return {"isCasLib": 1} if name.lower() == "caslib" else {}


def _members(shape: Shape, info: FieldInfo) -> Facts:
    """Return what an object of a parameter may hold, or the variants there are of it."""
    if shape.kind == "list":
        shape = take_apart(shape.items[0], shape.marks)
        if shape.kind == "literal":
            return {"allowedValues": _values(shape)}
        return {"exemplar": _nested(shape.type)} if shape.kind == "model" else {}
    if shape.kind == "model" and shape.type is Layer:
        return _variants("type", LAYERS)
    if isinstance(info.discriminator, str):
        members = tags(shape.items or (shape.type,), info.discriminator)
        return _variants(camel(info.discriminator), members)
    return {"parmList": _nested(shape.type)} if shape.kind == "model" else {}


def _variants(tag: str, members: Mapping[str, type[BaseModel]]) -> Facts:
    """Return the variants of an object; those of layers begin with the input layer."""
    names = sorted(members, key=lambda name: name != "input")
    variants: list[Json] = [
        {"name": name, "parmType": LIST, "parmList": _nested(members[name])} for name in names
    ]
    return {"selector": tag, "alternatives": variants}


def _nested(model: type[BaseModel]) -> list[Json]:
    return cast("list[Json]", list(parameters(model)))

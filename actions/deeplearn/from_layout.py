"""The way back from a model table of five columns to the layers it stands for.

The grammar is that of ``actions.deeplearn.layout``; rows may come in any order, and be those of a
table that CAS wrote: choices go by their descriptions, or by their codes where those are missing.
Ids of layers are kept, so that weight tables of the model fit.

Source: CAS REST dialect, model table.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as changed
from graphlib import CycleError, TopologicalSorter
from typing import cast

from actions.deeplearn.layout import Row
from actions.deeplearn.layout_keys import Entry, Found, chosen, whole
from actions.deeplearn.layout_types import LAYOUTS
from actions.deeplearn.layout_words import FAMILIES, LAYER_TITLES
from actions.errors import InvalidParameters
from actions.fields import camel, nearest, take_apart
from actions.results import Json
from actions.spelling import from_wire
from engine.errors import DataError
from engine.graph.spec import Graph, fold
from engine.layers.base import LAYERS, Layer

PLACES = "srclayers."
CODES = {layer.code: layer for layer in LAYERS.values()}


@dataclass
class _Entry:
    """The rows of one layer."""

    name: str
    id: int
    kind: type[Layer] | None = None
    sources: dict[int, str] = field(default_factory=dict)
    shared: str | None = None
    options: list[tuple[str, str | None, float | None]] = field(default_factory=list)


def read_model(rows: Iterable[Row], name: str) -> Graph:
    """Return the model that the rows of a model table declare, under another name.

    Raises:
        DataError: a row has no meaning, or one that must be there is missing.
        GraphError: a source does not exist, or layers do not go together.
        InvalidParameters: an option has a value its layer does not take.
        LayerError: options of a layer do not go together.
        ShapeError: a layer does not fit its sources.
    """
    family, entries = _entries(rows)
    graph = Graph(fold(name), family)
    for entry in _sorted(entries):
        sources = [entry.sources[place] for place in sorted(entry.sources)]
        graph = graph.add(entry.name, _layer(entry), sources, shared=entry.shared)
    nodes = [changed(node, id=entries[node.name].id) for node in graph.nodes]
    return Graph(graph.name, family, tuple(sorted(nodes, key=lambda node: node.id)))


def _entries(rows: Iterable[Row]) -> tuple[str, dict[str, _Entry]]:
    """Return the family of the model, and its layers by name."""
    family, entries, ids = None, dict[str, _Entry](), dict[int, str]()
    for first, key, text, number, id_ in rows:
        if key == "modeltype":
            family = _family(text, number)
            continue
        if id_ is None:
            raise DataError(f"key {key!r} of layer {first!r} got no _DLLayerID_, expected its id")
        name = fold(first)
        entry = entries.setdefault(name, _Entry(name, int(id_)))
        if entry.id != id_ or ids.setdefault(entry.id, name) != name:
            raise DataError(
                f"layer {name!r} got id {int(id_)}, expected one id per layer and no other's",
                layer=name,
            )
        _take(entry, key, text, number)
    if family is None:
        raise DataError("the model table got no row 'modeltype', expected one")
    return family, entries


def _family(text: str | None, number: float | None) -> str:
    return chosen(FAMILIES, text, number, "the row 'modeltype'")


def _take(entry: _Entry, key: str, text: str | None, number: float | None) -> None:
    """Note what a row says of its layer."""
    place = key.removeprefix(PLACES)
    if key == "layertype":
        entry.kind = _kind(entry, text, number)
    elif key == "srclayers":
        entry.sources[0] = text or ""
    elif key.startswith(PLACES) and place.isdecimal():
        entry.sources[int(place)] = text or ""
    elif key == "sharedweights":
        entry.shared = text
    else:
        entry.options.append((key, text, number))


def _kind(entry: _Entry, text: str | None, number: float | None) -> type[Layer]:
    titles = {title.casefold(): name for name, title in LAYER_TITLES.items()}
    titles |= {layer.title.casefold(): name for name, layer in LAYERS.items()}
    if number is None:
        found = LAYERS.get(titles.get((text or "").casefold(), ""))
    else:
        found = CODES.get(int(number))
    if found is None:
        got = text if number is None else whole(number)
        raise DataError(
            f"layer {entry.name!r} got layertype {got!r}, expected a code or one of "
            f"{', '.join(LAYER_TITLES.values())}",
            layer=entry.name,
        )
    return found


def _sorted(entries: Mapping[str, _Entry]) -> Sequence[_Entry]:
    """Return the layers, each after those it takes from, else in order of id."""
    before = {
        entry.name: [
            fold(each)
            for each in (*entry.sources.values(), entry.shared or "")
            if fold(each) in entries
        ]
        for entry in sorted(entries.values(), key=lambda entry: entry.id)
    }
    try:
        return [entries[name] for name in TopologicalSorter(before).static_order()]
    except CycleError as error:
        circle = " -> ".join(map(repr, reversed(error.args[1])))
        raise DataError(f"layers {circle} feed one another in a circle") from error


def _layer(entry: _Entry) -> Layer:
    """Return a layer with its options."""
    kind = entry.kind
    if kind is None:
        raise DataError(f"layer {entry.name!r} got no row 'layertype'", layer=entry.name)
    options = _own_options(kind, entry)
    options |= {camel(name): value for name, value in _known_options(kind, entry).items()}
    try:
        return from_wire(kind, cast("dict[str, Json]", _lists(options)))
    except InvalidParameters as error:
        raise InvalidParameters(
            f"layer {entry.name!r} of the model table: {error.message}", **error.details
        ) from error


def _known_options(kind: type[Layer], entry: _Entry) -> Found:
    """Return what the rows with keys of CAS say.

    Raises:
        DataError: a row says nothing that is known.
    """
    layout = LAYOUTS[kind.model_fields["type"].default]
    found: Found = {}
    for key, text, number in entry.options:
        known = _entry_of(kind, key)
        if known is None:
            continue
        rest = key[len(kind.prefix) + 1 + len(known.key) :]
        try:
            read = known.take(text, number, rest)
        except DataError as error:
            details = {"layer": entry.name, **error.details}
            raise DataError(f"layer {entry.name!r}: {error.message}", **details) from None
        for name, value in read.items():
            if isinstance(value, dict):
                cast("dict[str, Json]", found.setdefault(name, {})).update(value)
            else:
                found[name] = value
    return layout.finish(found)


def _entry_of(kind: type[Layer], key: str) -> Entry | None:
    """Return the entry a key is of, a list's also for the keys of its items."""
    if not key.startswith(f"{kind.prefix}."):
        return None
    inner = key.removeprefix(f"{kind.prefix}.")
    for entry in LAYOUTS[kind.model_fields["type"].default].entries:
        rest = inner.removeprefix(entry.key)
        is_item = rest.startswith(".") and rest[1:].isdecimal()
        if inner.startswith(entry.key) and (rest == "" or is_item):
            return entry
    return None


def _own_options(kind: type[Layer], entry: _Entry) -> dict[str, Json]:
    """Return what the rows with keys of ours say, by the wire names of the options.

    Raises:
        DataError: a key is none of the layer's.
    """
    names = {f"{kind.prefix}.{camel(each).lower()}": each for each in kind.model_fields}
    names.pop(f"{kind.prefix}.type")
    options: dict[str, Json] = {}
    for key, text, number in entry.options:
        if _entry_of(kind, key) is not None:
            continue
        known = next((each for each in names if f"{key}.".startswith(f"{each}.")), None)
        if known is None:
            raise _unknown(entry, key, names)
        value: Json = text if number is None else whole(number)
        read = bool(value) if _is_truth(kind, names[known]) else value
        _put(options, [camel(names[known]), *key.removeprefix(known).split(".")[1:]], read)
    return options


def _is_truth(kind: type[Layer], name: str) -> bool:
    """Return whether an option takes one truth value only, which no number stands for."""
    values = take_apart(kind.model_fields[name].annotation).items
    return bool(values) and all(isinstance(each, bool) for each in values)


def _unknown(entry: _Entry, key: str, names: Iterable[str]) -> DataError:
    known = ["layertype", "srclayers", "sharedweights", *names]
    near = nearest(key, known)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    return DataError(
        f"layer {entry.name!r} got the unknown key {key!r}, expected one of "
        f"{', '.join(known)}{hint}",
        layer=entry.name,
        nearest=near,
    )


def _put(options: dict[str, Json], path: Sequence[str], value: Json) -> None:
    """Set a value in nested objects."""
    *outer, last = path
    for name in outer:
        options = cast("dict[str, Json]", options.setdefault(name, {}))
    options[last] = value


def _lists(value: Json) -> Json:
    """Return the value with every object whose names are places turned into a list."""
    if not isinstance(value, dict):
        return value
    inner = {name: _lists(each) for name, each in value.items()}
    if inner and all(name.isdecimal() for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner

"""Write the reference pages from the registries: actions, layers, errors, settings.

What stands between the two marks of a page is generated; what follows is written by hand, an
example above all. ``--check`` changes nothing and fails when a page is stale, lacks its example, or
belongs to nothing.
"""

import json
import sys
from collections.abc import Iterator
from inspect import cleandoc, getdoc
from pathlib import Path
from typing import Any

import architecture_pages
import facts_page
from pydantic import BaseModel

import actions  # noqa: F401 - registers the actions
import engine.layers  # noqa: F401 - registers the layer types
from actions.registry import ACTIONS, Action
from actions.support import DEEP_LEARNING, classes, support
from actions.wire_schema import json_schema
from engine.errors import EngineError
from engine.layers.base import LAYERS, Layer
from server.failures import status_of
from server.settings import Settings

DOCS = Path(__file__).resolve().parent.parent / "docs"
BEGIN, END = "<!-- generated: run `make docs` -->", "<!-- end -->"
EXAMPLE = "## Example"


def pages() -> Iterator[tuple[Path, str]]:
    """Yield each page's path and its generated part."""
    for action in ACTIONS.values():
        yield DOCS / "actions" / f"{action.name}.md", action_page(action)
    for name, layer in LAYERS.items():
        yield DOCS / "layers" / f"{name}.md", layer_page(layer)
    yield (
        DOCS / "actions" / "index.md",
        index_of("Actions", {action.name: action.summary for action in ACTIONS.values()}),
    )
    yield (
        DOCS / "layers" / "index.md",
        index_of("Layer types", {name: first_line(layer) for name, layer in LAYERS.items()}),
    )
    yield DOCS / "architectures" / "index.md", architecture_pages.page()
    yield DOCS / "facts.md", facts_page.page()
    yield DOCS / "types.md", types_page()
    yield DOCS / "parameters.md", parameters_page()
    yield DOCS / "errors.md", errors_page()
    yield DOCS / "settings.md", settings_page()


def action_page(action: Action) -> str:
    schema = json_schema(action.params)
    where = "A job: it runs in a worker." if action.runs == "job" else "Runs at once."
    also = f" Also called {names(action.aliases)}." if action.aliases else ""
    body = prose(getdoc(action.body) or "")
    return "\n\n".join([f"# {action.name}", body, where + also, "## Parameters", options(schema)])


def layer_page(layer: type[Layer]) -> str:
    schema = json_schema(layer)
    schema["properties"].pop("type")
    also = f"Also called {names(layer.aliases)}. " if layer.aliases else ""
    code = f"Layer type code {layer.code}, option prefix `{layer.prefix}`."
    name = layer.model_fields["type"].default
    doc = prose(getdoc(layer) or "")
    return "\n\n".join([f"# {name}", doc, also + code, "## Options", options(schema)])


def index_of(title: str, summaries: dict[str, str]) -> str:
    rows = [f"| [{name}]({name}.md) | {text} |" for name, text in sorted(summaries.items())]
    return "\n".join([f"# {title}", "", "| name | what it does |", "| --- | --- |", *rows])


def types_page() -> str:
    parts = [
        "# Parameter types",
        (
            "Objects that parameters of actions hold. A bare string stands for an object wherever "
            "the type of a parameter says so. Names are matched without regard to case."
        ),
    ]
    found: dict[str, dict[str, Any]] = {}
    for action in ACTIONS.values():
        for each in json_schema(action.params)["properties"].values():
            collect(each, found)
    for title in sorted(found):
        text = prose(found[title].get("description", ""))
        parts.append(f"## {title}\n\n{text}\n\n{options(found[title], here=True)}")
    return "\n\n".join(parts)


def collect(schema: dict[str, Any], found: dict[str, dict[str, Any]]) -> None:
    """Gather the objects inside a schema by title; layers have pages of their own."""
    if is_layer(schema):
        return
    if "properties" in schema:
        found[schema["title"]] = schema
    inner = [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("prefixItems", ())]
    inner += [schema["items"]] if "items" in schema else []
    for each in (*inner, *schema.get("properties", {}).values()):
        collect(each, found)


def is_layer(schema: dict[str, Any]) -> bool:
    tag = schema.get("properties", {}).get("type", {})
    return bool({tag.get("const"), *tag.get("enum", ())} & set(LAYERS))


def parameters_page() -> str:
    parts = [
        "# All parameters",
        (
            "What becomes of every parameter of every action and of the objects and layers inside: "
            "supported; in part, where some values are refused; refused, which is the error "
            "`not_supported` with the reason; or of no effect, where any value gives the same. A "
            "name that is in none of these tables is unknown: an error in `/v1`, a warning in "
            "`/cas`. Actions come first, those of the set `deepLearn` before the others, then "
            "objects, then layers. Meanings are on the pages of the [actions](actions/index.md), "
            "[types](types.md) and [layers](layers/index.md)."
        ),
    ]
    deep = [ACTIONS[f"deepLearn.{name}"] for name in DEEP_LEARNING]
    others = sorted((a for a in ACTIONS.values() if a not in deep), key=lambda a: a.name)
    every = [*deep, *others]
    parts += [f"## {each.name}\n\n{states(each.params)}" for each in every]
    roots = dict.fromkeys(each.params for each in every)
    inside = dict.fromkeys(m for root in roots for m in classes(root) if m not in roots)
    objects = [model for model in inside if not issubclass(model, Layer)]
    for model in sorted(objects, key=lambda each: each.__name__):
        parts.append(f"## {model.__name__}\n\n{states(model)}")
    for name, layer in LAYERS.items():
        parts.append(f"## Layer {name}\n\n{states(layer)}")
    return "\n\n".join(parts)


def states(model: type[BaseModel]) -> str:
    schema = json_schema(model)
    properties, required = schema["properties"], schema.get("required", [])
    rows = [
        f"| `{each.name}` | {state_kind(properties, each.name)} "
        f"| {default(each.name, properties.get(each.name, {}), required)} "
        f"| {each.state}{': ' if each.reason else ''}{one_line(each.reason)} |"
        for each in support(model)
    ]
    if not rows:
        return "None."
    return "\n".join(["| name | type | default | state |", "| --- | --- | --- | --- |", *rows])


def state_kind(properties: dict[str, Any], name: str) -> str:
    """Return a type in words, with links from a page beside that of types."""
    text = kind(properties[name], here=True) if name in properties else ""
    return text.replace("(#", "(types.md#")


def errors_page() -> str:
    parts = [
        "# Errors",
        (
            'Every failure has one body: `{"ok": false, "code": ..., "message": ..., '
            '"details": {...}, "status": ...}`. The code is stable; the message is one sentence: '
            "place, got, expected, and the nearest valid choice."
        ),
    ]
    for kind in sorted(kinds(EngineError), key=lambda each: each.code):
        text = first_line(kind)
        parts.append(f"## {kind.code}\n\n{text} HTTP status {status_of(kind)}, `{kind.__name__}`.")
    return "\n\n".join(parts)


def kinds(root: type[EngineError]) -> Iterator[type[EngineError]]:
    for kind in root.__subclasses__():
        if kind.__module__.partition(".")[0] in ("engine", "actions", "server"):
            yield kind
            yield from kinds(kind)


def settings_page() -> str:
    rows = [
        f"| `CASTORCH_{name.upper()}` | `{field.default}` | {one_line(field.description or '')} |"
        for name, field in Settings.model_fields.items()
    ]
    head = ["# Settings", "", "Read from the environment once, at start.", ""]
    return "\n".join([*head, "| variable | default | meaning |", "| --- | --- | --- |", *rows])


def options(schema: dict[str, Any], *, here: bool = False) -> str:
    required = schema.get("required", [])
    rows = [
        f"| `{name}` | {kind(each, here=here)} | {default(name, each, required)} "
        f"| {meaning(each)} |"
        for name, each in schema["properties"].items()
    ]
    if not rows:
        return "None."
    return "\n".join(["| name | type | default | meaning |", "| --- | --- | --- | --- |", *rows])


def kind(schema: dict[str, Any], *, here: bool = False) -> str:
    """Return a type in words; objects are links, on the page of types itself to a heading."""
    for key in ("const", "enum"):
        if key in schema:
            return spelled(schema[key])
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return either(schema[key], here=here)
    named = schema.get("type", "any")
    if named == "array" and "items" in schema:
        return f"list of {kind(schema['items'], here=here)}"
    if "properties" in schema:
        title = schema["title"]
        return f"[{title}]({'' if here else '../types.md'}#{title.lower()})"
    return " or ".join(
        each for each in ([named] if isinstance(named, str) else named) if each != "null"
    )


def either(members: list[dict[str, Any]], *, here: bool) -> str:
    if all(is_layer(each) for each in members):
        return f"[a layer]({'' if here else '../'}layers/index.md)"
    found = dict.fromkeys(kind(each, here=here) for each in members)
    return " or ".join(each for each in found if each != "null")


def spelled(values: Any) -> str:
    listed = values if isinstance(values, list) else [values]
    return ", ".join(f"`{json.dumps(v).strip(chr(34))}`" for v in listed if v is not None)


def default(name: str, schema: dict[str, Any], required: list[str]) -> str:
    if name in required:
        return "required"
    value = schema.get("default")
    if isinstance(value, dict):
        return ""
    return "" if value in (None, "", []) else spelled(value)


def meaning(schema: dict[str, Any]) -> str:
    text = one_line(schema.get("description", ""))
    if "x-aliases" in schema:
        text += f" Also {names(schema['x-aliases'])}."
    if "x-negated" in schema:
        text += f" The opposite of {names(schema['x-negated'])}."
    return text.strip()


def names(values: Any) -> str:
    return ", ".join(f"`{value}`" for value in values)


def first_line(thing: Any) -> str:
    return (getdoc(thing) or "").partition("\n")[0]


def one_line(text: str) -> str:
    return " ".join(text.replace("|", "\\|").replace("``", "`").split())


def prose(text: str) -> str:
    """Return a docstring as Markdown: its sections become paragraphs with a bold name."""
    lines = []
    for line in cleandoc(text).splitlines():
        heading = line.rstrip(":")
        if line in ("Args:", "Raises:", "Source:", "Attributes:", "Returns:"):
            lines += [f"**{heading}**", ""]
        elif line.startswith("    ") and not line.startswith("     "):
            lines.append(f"- {line.strip()}")
        else:
            lines.append(line.rstrip())
    return "\n".join(lines).replace("``", "`")


def merged(path: Path, generated: str) -> str:
    tail = path.read_text().partition(END)[2] if path.exists() else "\n"
    return f"{BEGIN}\n{generated}\n{END}{tail}"


def main(arguments: list[str]) -> int:
    check = "--check" in arguments
    complaints = facts_page.complaints()
    known = set()
    for path, generated in pages():
        known.add(path)
        text = merged(path, generated)
        place = path.relative_to(DOCS.parent)
        if path.parent != DOCS and path.name != "index.md" and EXAMPLE not in text:
            complaints.append(f"{place}: has no {EXAMPLE!r}")
        if check and (not path.exists() or path.read_text() != text):
            complaints.append(f"{place}: is stale, run `make docs`")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    for path, picture in architecture_pages.pictures(DOCS / "architectures"):
        known.add(path)
        if check and (not path.exists() or path.read_text() != picture):
            complaints.append(f"{path.relative_to(DOCS.parent)}: is stale, run `make docs`")
        if not check:
            path.write_text(picture)
    for folder in ("actions", "layers", "architectures"):
        complaints += [
            f"{path.relative_to(DOCS.parent)}: belongs to nothing"
            for path in sorted((DOCS / folder).iterdir())
            if path not in known
        ]
    print("\n".join(complaints) or f"{len(known)} pages are current")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

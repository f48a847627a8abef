"""Write the reference pages from the registries: actions, layers, errors, settings.

What stands between the two marks of a page is generated; what follows is written by hand, an
example above all. ``--check`` changes nothing and fails when a page is stale, lacks its example, or
belongs to nothing.
"""

import sys
from collections.abc import Iterator
from inspect import cleandoc, getdoc
from pathlib import Path
from typing import Any

import actions  # noqa: F401 - registers the actions
import engine.layers  # noqa: F401 - registers the layer types
from actions.registry import ACTIONS, Action
from actions.wire_schema import json_schema
from engine.errors import EngineError
from engine.layers.base import LAYERS, Layer
from server.errors import status_of
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
    yield DOCS / "actions" / "index.md", index_of(
        "Actions", {action.name: action.summary for action in ACTIONS.values()}
    )
    yield DOCS / "layers" / "index.md", index_of(
        "Layer types", {name: first_line(layer) for name, layer in LAYERS.items()}
    )
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


def errors_page() -> str:
    parts = [
        "# Errors",
        "Every failure has one body: `{\"ok\": false, \"code\": ..., \"message\": ..., "
        "\"details\": {...}, \"status\": ...}`. The code is stable; the message is one sentence: "
        "place, got, expected, and the nearest valid choice.",
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


def options(schema: dict[str, Any]) -> str:
    required = schema.get("required", [])
    rows = [
        f"| `{name}` | {kind(each)} | {default(name, each, required)} | {meaning(each)} |"
        for name, each in schema["properties"].items()
    ]
    if not rows:
        return "None."
    return "\n".join(["| name | type | default | meaning |", "| --- | --- | --- | --- |", *rows])


def kind(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"] if value is not None)
    if "const" in schema:
        return f"`{schema['const']}`"
    for key in ("anyOf", "oneOf"):
        if key in schema:
            found = dict.fromkeys(kind(each) for each in schema[key])
            return " or ".join(each for each in found if each != "null")
    named = schema.get("type", "any")
    named = " or ".join(n for n in named if n != "null") if isinstance(named, list) else named
    if named == "array" and "items" in schema:
        return f"list of {kind(schema['items'])}"
    return str(schema.get("title", named)) if named == "object" else str(named)


def default(name: str, schema: dict[str, Any], required: list[str]) -> str:
    if name in required:
        return "required"
    value = schema.get("default")
    if isinstance(value, dict):
        return ""
    return "" if value in (None, "", []) else f"`{value}`"


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
    return " ".join(text.replace("|", "\\|").split())


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
    complaints = []
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
    for folder in ("actions", "layers"):
        complaints += [
            f"{path.relative_to(DOCS.parent)}: belongs to nothing"
            for path in sorted((DOCS / folder).glob("*.md"))
            if path not in known
        ]
    print("\n".join(complaints) or f"{len(known)} pages are current")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

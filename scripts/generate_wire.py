"""Write ``client/castorch/layers.py`` from the server's layer types; ``--check`` only compares."""

import argparse
import difflib
import keyword
import re
import subprocess
import sys
from os.path import commonprefix
from pathlib import Path
from textwrap import TextWrapper
from typing import Any

import engine.layers  # registers every layer type  # noqa: F401
from actions.wire_schema import json_schema
from engine.layers.base import LAYERS

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "client" / "castorch" / "layers.py"
WIDTH = 100
LONGEST_CHOICE = 70  # characters
SHORTEST_WORD = 3  # characters of a word in a class's name
HEADER = '''"""The layer types and their options; every option left out takes the server's default.

    layers.Convo(n_filters=20, width=5, act="TANH")

Written by ``scripts/generate_wire.py`` from the server's layer types; not to be edited.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from castorch._layer import Layer

'''
SCALARS = {
    "boolean": "bool",
    "integer": "int",
    "null": "None",
    "number": "float",
    "object": "Mapping[str, Any]",
    "string": "str",
}

Schema = dict[str, Any]


def snake(name: str) -> str:
    """Return a wire name as Python spells it."""
    spelt = re.sub(r"(?<=[a-z0-9])[A-Z]|(?<=[A-Z])[A-Z](?=[a-z])", r"_\g<0>", name).lower()
    return spelt + "_" if keyword.iskeyword(spelt) else spelt


def class_name(kind: str, title: str) -> str:
    """Return the class of a layer type: its name with capitals where the title's words begin.

    The type ``batchnorm`` titled ``BatchNormalization`` is ``BatchNorm``.
    """
    parts: list[str] = []
    rest = kind
    for word in re.findall("[A-Z][a-z0-9]*", title):
        shared = commonprefix([rest, word.lower()])  # noqa: RUF071 - words, not paths
        if len(shared) >= SHORTEST_WORD:
            parts.append(shared.capitalize())
            rest = rest[len(shared) :]
    return kind.capitalize() if rest or not parts else "".join(parts)


def python_type(schema: Schema) -> str:
    """Return the annotation of an option, None left out."""
    if "const" in schema:
        return f"Literal[{_quote(schema['const'])}]"
    if "enum" in schema:
        choices = [each for each in schema["enum"] if each is not None]
        synonyms = [each for each in schema.get("x-synonyms", {}) if each not in choices]
        return f"Literal[{', '.join(_quote(each) for each in [*choices, *synonyms])}]"
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return _joined([python_type(each) for each in schema[several]])
    kind = schema.get("type")
    if isinstance(kind, list):
        return _joined([python_type({**schema, "type": each}) for each in kind])
    if kind == "array":
        return f"Sequence[{python_type(schema['items']) if 'items' in schema else 'Any'}]"
    return SCALARS.get(str(kind), "Any")


def _joined(members: list[str]) -> str:
    """Return a union without None, its choices in one ``Literal``."""
    choices = [each[8:-1].split(", ") for each in members if each.startswith("Literal[")]
    once = dict.fromkeys(choice for group in choices for choice in group)
    others = [each for each in members if not each.startswith("Literal[") and each != "None"]
    literal = [f"Literal[{', '.join(once)}]"] if once else []
    return " | ".join([*literal, *dict.fromkeys(others)])


def _quote(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def default_text(schema: Schema) -> str:
    """Return what the docstring says about an option's default."""
    if "default" not in schema:
        return ""
    value = schema["default"]
    shown = str(value).lower() if isinstance(value, bool) else str(value)
    return f" (default {shown})" if shown not in {"", "[]", "{}"} else ""


class Aliases:
    """Names for choices that are too long to be written where they are used."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def name(self, annotation: str, option: str, layer: str) -> str:
        """Return the name of an annotation, a new one where it has none."""
        for known, meant in self._names.items():
            if meant == annotation:
                return known
        pascal = "".join(word.capitalize() for word in option.split("_")) + "Choice"
        free = pascal if pascal not in self._names else layer + pascal
        self._names[free] = annotation
        return free

    def render(self) -> str:
        """Return the definitions, in the order they were needed."""
        return "".join(f"{name} = {meant}\n" for name, meant in self._names.items())


def render_layer(entry: Schema, aliases: Aliases) -> str:
    """Return the source of one layer's class."""
    options = entry["options"]
    layer = class_name(entry["type"], options.get("title", ""))
    properties = {k: v for k, v in options.get("properties", {}).items() if k != "type"}
    required = set(options.get("required", ()))
    ordered = sorted(properties, key=lambda each: each not in required)
    lines = ["", "@dataclass(frozen=True, kw_only=True)", f"class {layer}(Layer):"]
    lines += _docstring(entry, {name: properties[name] for name in ordered})
    lines += [f'    type: ClassVar[str] = "{entry["type"]}"', ""]
    for name in ordered:
        annotation = python_type(properties[name])
        if annotation.startswith("Literal[") and len(annotation) > LONGEST_CHOICE:
            annotation = aliases.name(annotation, snake(name), layer)
        optional = "" if name in required else " | None = None"
        lines.append(f"    {snake(name)}: {annotation}{optional}")
    return "\n".join(lines).rstrip() + "\n"


def _docstring(entry: Schema, properties: dict[str, Schema]) -> list[str]:
    text = str(entry.get("summary") or entry["options"].get("description") or entry["type"])
    wrap = TextWrapper(WIDTH, initial_indent="    ", subsequent_indent="    ")
    lines = wrap.wrap('"""' + text)
    if not properties:
        lines[-1] += '"""'
        return [*lines, ""]
    lines += ["", "    Attributes:"]
    for name, schema in properties.items():
        said = str(schema.get("description", "")).strip().rstrip(".")
        option = TextWrapper(WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 12)
        sentence = f"{said}{default_text(schema)}".strip() or "see the server's documentation"
        lines += option.wrap(f"{snake(name)}: {sentence}.")
    return [*lines, '    """', ""]


def render(entries: list[Schema]) -> str:
    """Return the whole module.

    Args:
        entries: layer types as the server lists them: type, summary, options (JSON Schema).
    """
    aliases = Aliases()
    body = "\n".join(render_layer(entry, aliases) for entry in entries)
    return HEADER + aliases.render() + body


def layer_entries() -> list[Schema]:
    """Return the layer types of this version's engine, in the order of their registration."""
    return [{"type": name, "options": json_schema(layer)} for name, layer in LAYERS.items()]


def formatted(source: str) -> str:
    """Return source as ruff formats it, its unused imports removed."""
    for command in (["check", "--quiet", "--fix-only"], ["format", "--quiet"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(TARGET), "-"],
            input=source,
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        )
        source = done.stdout
    return source


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when the file is stale")
    source = formatted(render(layer_entries()))
    present = TARGET.read_text(encoding="utf-8") if TARGET.exists() else ""
    if source == present:
        return 0
    if not parser.parse_args().check:
        TARGET.write_text(source, encoding="utf-8")
        print(f"wrote {TARGET.relative_to(ROOT)}")
        return 0
    changes = difflib.unified_diff(
        present.splitlines(), source.splitlines(), "written", "expected", lineterm=""
    )
    print("\n".join(changes))
    print(f"{TARGET.relative_to(ROOT)} is stale; run scripts/generate_wire.py")
    return 1


if __name__ == "__main__":
    sys.exit(main())

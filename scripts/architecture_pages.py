"""The page of architectures, and the picture of each."""

from collections.abc import Iterator
from pathlib import Path

from engine.drawing.svg import draw
from engine.graph.infer import account
from engine.zoo import ZOO, Architecture

HEAD = """# Architectures

Networks of the literature by name: `castorch.buildArchitecture`, `session.build("vgg16")` or
`castorch build vgg16`. Parameters are weights and biases without any choice; each count is one that
is published, or worked out by hand: `tests/engine/zoo/test_counts.py` cites them. Multiply-adds are
those of one image. The pictures are those of `castorch.modelGraph`; open one to read it in full."""


def pictures(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the path and text of every picture."""
    for name, architecture in ZOO.items():
        yield folder / f"{name}.svg", draw(architecture.build())


def page() -> str:
    table = [
        "| name | network | layers | parameters | multiply-adds |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    table += [_row(each) for each in ZOO.values()]
    notes: dict[str, list[Architecture]] = {}
    for each in ZOO.values():
        notes.setdefault(each.notes, []).append(each)
    parts = [
        f"## {', '.join(e.title for e in group)}\n\n{_facts(text, group)}"
        for text, group in notes.items()
    ]
    return "\n\n".join([HEAD, "\n".join(table), *parts])


def _row(architecture: Architecture) -> str:
    layers = account(architecture.build())
    parameters = sum((each.weights or 0) + (each.biases or 0) for each in layers)
    cost = sum(each.multiply_adds or 0 for each in layers)
    picture = f"[{architecture.name}]({architecture.name}.svg)"
    return f"| {picture} | {architecture.title} | {len(layers)} | {parameters:,} | {cost:,} |"


def _facts(text: str, group: list[Architecture]) -> str:
    choices = ", ".join(f"`{name}`" for name in group[0].choices)
    pictures = ", ".join(f"[{each.name}]({each.name}.svg)" for each in group)
    said = text.replace("``", "`")
    return f"{said}\n\nChoices: {choices}. Pictures: {pictures}.\n\nSource: {group[0].source}."

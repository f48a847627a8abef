"""A graph as SVG: a box per layer, sources above, lines for what flows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.sax.saxutils import escape

from engine.drawing.places import place
from engine.drawing.rows import Spot, in_rows
from engine.graph.infer import infer_shapes
from engine.graph.spec import Graph, Node
from engine.layers.base import BuildOptions
from engine.layers.filters import Filters
from engine.layers.normalization import BatchNormalization
from engine.layers.pooling import DEFAULT_WINDOW, Pooling

BOX_WIDTH, BOX_HEIGHT = 176, 38
GAP, ROW = 20, 60
MARGIN = 12
MOST_LETTERS = 27
"""Letters of a name that fit into a box."""

HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
    'viewBox="0 0 {width} {height}" role="img">'
)
STYLE = (
    "text{font:11px sans-serif;text-anchor:middle;fill:#1b1f24}"
    ".n{font-weight:bold}"
    "rect{rx:5;stroke:#57606a;fill:#f6f8fa}"
    "path{fill:none;stroke:#57606a;marker-end:url(#a)}"
)
ARROW = (
    '<marker id="a" viewBox="0 0 6 6" refX="6" refY="3" markerWidth="6" markerHeight="6" '
    'orient="auto"><path d="M0 0 6 3 0 6Z" style="fill:#57606a;stroke:none;marker-end:none"/>'
    "</marker>"
)
COLOURS = {
    "input": "#ddf4ff",
    "convo": "#fff8c5",
    "groupconvo": "#fff1a8",
    "transconvo": "#ffe6b3",
    "localconvo": "#fff1a8",
    "pool": "#dafbe1",
    "fc": "#fbefff",
    "projection": "#fbefff",
    "recurrent": "#fbefff",
    "residual": "#eaeef2",
    "concat": "#eaeef2",
    "scale": "#eaeef2",
}
TASK_COLOUR = "#ffebe9"
OTHER_COLOUR = "#ffffff"


@dataclass(frozen=True)
class Box:
    """What is drawn of a layer, with the batch normalisation that follows it alone."""

    name: str
    sources: tuple[str, ...]
    text: str
    colour: str


def draw(graph: Graph, options: BuildOptions | None = None) -> str:
    """Return a graph as SVG: name, type and output of every layer.

    Batch normalisation is drawn in the box of the layer before it where nothing else follows that.
    """
    boxes = _boxes(graph, options)
    rows = in_rows([(box.name, box.sources) for box in boxes])
    width = round(2 * MARGIN + place(rows, BOX_WIDTH, GAP))
    height = 2 * MARGIN + max(0, len(rows.rows) * ROW - (ROW - BOX_HEIGHT))
    spots = {spot.name: spot for row in rows.rows for spot in row}
    parts = [
        HEAD.format(width=width, height=height),
        f"<title>{escape(graph.name)}</title>",
        f"<style>{STYLE}</style>",
        ARROW,
        *(_path(line) for line in rows.lines),
        *(_drawn(box, spots[box.name]) for box in boxes),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _boxes(graph: Graph, options: BuildOptions | None) -> list[Box]:
    shapes = infer_shapes(graph, options)
    users = Counter(source for node in graph.nodes for source in node.sources)
    norms = {
        node.sources[0]: node.name
        for node in graph.nodes
        if isinstance(node.layer, BatchNormalization) and users[node.sources[0]] == 1
    }
    inside = {norm: owner for owner, norm in norms.items() if owner not in norms.values()}
    boxes = []
    for node in graph.order:
        if node.name not in inside:
            norm = norms.get(node.name)
            sources = tuple(inside.get(source, source) for source in node.sources)
            text = [_kind(node), "bn"] if norm in inside else [_kind(node)]
            shape = shapes[node.name]
            text += [] if shape is None else [" x ".join(map(str, shape))]
            boxes.append(Box(node.name, sources, " · ".join(text), _colour(node)))
    return boxes


def _kind(node: Node) -> str:
    layer = node.layer
    if isinstance(layer, Filters):
        return _windows("", layer.kernel(), (layer.stride_vertical or layer.stride,))
    if isinstance(layer, Pooling):
        height = layer.width if layer.height is None else layer.height
        if height == 0:
            return f"{layer.pool.lower()} of all"
        size = height or DEFAULT_WINDOW
        step = layer.stride_vertical or layer.stride or size
        return _windows(f"{layer.pool.lower()} ", (size, layer.width or size), (step,))
    return layer.type


def _windows(what: str, sides: Sequence[int], steps: Sequence[int]) -> str:
    step = f"/{steps[0]}" if steps[0] > 1 else ""
    return f"{what}{'x'.join(map(str, sides))}{step}"


def _colour(node: Node) -> str:
    return TASK_COLOUR if node.layer.is_task else COLOURS.get(node.layer.type, OTHER_COLOUR)


def _top(spot: Spot) -> float:
    return MARGIN + spot.row * ROW


def _path(line: Sequence[Spot]) -> str:
    """Return a line from the lower edge of a box to the upper edge of another."""
    points = [(line[0].x, _top(line[0]) + BOX_HEIGHT)]
    for spot in line[1:-1]:
        points += [(spot.x, _top(spot)), (spot.x, _top(spot) + BOX_HEIGHT)]
    points.append((line[-1].x, _top(line[-1])))
    shifted = [(f"{x + MARGIN:.0f}", f"{y:.0f}") for x, y in points]
    steps = [f"M{shifted[0][0]} {shifted[0][1]}"]
    for at, ((x, y), (further, below)) in enumerate(pairwise(shifted)):
        middle = (int(y) + int(below)) // 2
        bend = f"C{x} {middle} {further} {middle} {further} {below}"
        steps.append(f"V{below}" if at % 2 or x == further else bend)
    return f'<path d="{"".join(steps)}"/>'


def _drawn(box: Box, spot: Spot) -> str:
    x, y = spot.x + MARGIN, _top(spot)
    left = x - BOX_WIDTH / 2
    return (
        f'<rect x="{left:.0f}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" '
        f'style="fill:{box.colour}"/>'
        f'<text class="n" x="{x:.0f}" y="{y + 16}">{escape(_short(box.name))}</text>'
        f'<text x="{x:.0f}" y="{y + 31}">{escape(box.text)}</text>'
    )


def _short(name: str) -> str:
    return name if len(name) <= MOST_LETTERS else f"{name[: MOST_LETTERS - 1]}…"

"""Two sessions of one server that have the same tables, files and models, for one dialect each."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from tests.actions.house import picture
from tests.server.running import Running

Body: TypeAlias = dict[str, Any]

PAGES = Path(__file__).parents[2] / "docs" / "actions"

POINTS = [(x / 4, y / 4) for x in range(-4, 4) for y in range(-4, 4)]
CSV = "x,y,place\n" + "\n".join(
    f"{x},{y},{'inside' if x * x + y * y < 0.4 else 'outside'}" for x, y in POINTS
)
"""What ``points`` holds: places in a square, inside a circle and outside."""

TABLES = {
    "points": CSV,
    "reviews": "text,positive\na good film,1\nnot good,0\n",
    "places": "label_id,label,place\n0,in,inside\n1,out,outside\n",
}

CIRCLE: list[Body] = [
    {"name": "data", "layer": {"type": "input", "std": "STD"}},
    {"name": "hidden", "layer": {"type": "fc", "n": 4}, "srcLayers": "data"},
    {"name": "out", "layer": {"type": "output"}, "srcLayers": "hidden"},
]
GAZE: list[Body] = [
    {"name": "data", "layer": {"type": "input", "nChannels": 1, "width": 6, "height": 6}},
    {
        "name": "conv",
        "layer": {"type": "convo", "nFilters": 2, "padding": 0, "act": "identity"},
        "srcLayers": "data",
    },
    {"name": "norm", "layer": {"type": "batchnorm", "act": "relu"}, "srcLayers": "conv"},
    {"name": "out", "layer": {"type": "output"}, "srcLayers": "norm"},
]
TRAINED: dict[str, Body] = {
    "circle": {"table": "points", "inputs": ["x", "y"], "target": "place"},
    "gaze": {"table": "looks", "inputs": "_image_", "target": "_label_"},
}


WAIT_S = 600.0
"""Time an answer may take: a training waits for its worker to start."""


class World:
    """What examples are about, made once and kept for all; sessions get copies of what they name.

    Attributes:
        store: the bytes of a model file, in base64.
        shelf: a folder in which caslibs are allowed.
    """

    KEPT = ("circle", "circle_weights", "circle_store", "gaze", "gaze_weights", "looks", "pictures")

    def __init__(self, server: Running, shelf: Path) -> None:
        self.client = server.client
        self.client.timeout = WAIT_S
        self.shelf = shelf
        shelf.mkdir(exist_ok=True)
        header = self.session("maker")
        self.public = Path(
            self.run("table.caslibInfo", {"caslib": "PUBLIC"}, header)["tables"]["CASLibInfo"][
                "rows"
            ][0][3]
        )
        self.fill()
        self._upload("points", CSV, header)
        for name, path in (("looks", "looks"), ("pictures", "single")):
            load = {"path": path, "caslib": "PUBLIC", "labelLevels": 1, "casOut": name}
            self.run("image.loadImages", load, header)
        for name, layers in (("circle", CIRCLE), ("gaze", GAZE)):
            self.run("castorch.declareModel", {"modelTable": name, "layers": layers}, header)
            optimizer = {"totalMiniBatchSize": 16, "maxEpochs": 1}
            train = {"modelTable": name, "modelWeights": f"{name}_weights", "optimizer": optimizer}
            self.run("deepLearn.dlTrain", {**train, **TRAINED[name]}, header)
        export = {"modelTable": "circle", "initWeights": "circle_weights", "casOut": "circle_store"}
        self.run("deepLearn.dlExportModel", export, header)
        blob = self.run("astore.download", {"rstore": "circle_store"}, header)["values"]["blob"]
        self.store = str(blob)
        for name in self.KEPT:
            out = {"name": f"kept_{name}", "promote": True}
            self.run("table.copyTable", {"table": name, "casOut": out}, header)

    def run(self, name: str, body: Body, header: dict[str, str]) -> Body:
        """Run an action that has to go well."""
        answer = self.client.post(f"/v1/actions/{name}", json=body, headers=header).json()
        assert answer["ok"], (name, answer)
        found: Body = answer
        return found

    def session(self, name: str) -> dict[str, str]:
        """Open a session and return the header that names it."""
        opened = self.client.post("/v1/sessions", json={"name": name}).json()
        return {"Castorch-Session": opened["id"]}

    def _upload(self, name: str, text: str, header: dict[str, str]) -> None:
        self.client.put(f"/v1/tables/{name}", content=text, headers=header).raise_for_status()

    def fill(self) -> None:
        """Write the files that examples read, and take away what others have written."""
        for each in self.public.iterdir():
            shutil.rmtree(each) if each.is_dir() else each.unlink()
        (self.public / "points.csv").write_text(CSV)
        (self.public / "vectors.txt").write_text("the 0.5 -1\ncat 2 0.25\n")
        (self.public / "digits.idx").write_bytes(
            b"\0\0\x08\x03" + b"\0\0\0\2" * 3 + bytes(range(8))
        )
        (self.public / "boxes").mkdir(exist_ok=True)
        (self.public / "boxes" / "1.txt").write_text("1 0.5 0.5 0.25 0.5\n")
        shades = np.random.default_rng(1).integers(0, 256, (4, 6, 6))
        files = [
            (f"looks/{('up', 'down')[at % 2]}/{at}.png", each) for at, each in enumerate(shades)
        ]
        files += [(f"pets/{label}/1.png", np.zeros((4, 4))) for label in ("cat", "dog")]
        for name, pixels in [*files, ("single/cat/1.png", shades[0])]:
            path = self.public / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture(pixels))

    def body(self, name: str) -> Body:
        """Return the parameters of the example on the page of an action."""
        page = (PAGES / f"{name}.md").read_text().partition("## Example")[2]
        example = re.search(r"```json\n(.*?)\n```", page, re.DOTALL)
        assert example is not None
        text = example[1].replace("@SHELF@", str(self.shelf)).replace("@STORE@", self.store)
        found: Body = json.loads(text)
        return found

    @contextmanager
    def twin(self, body: Body) -> Iterator[str]:
        """Open a session that has what some parameters name, and clean up behind it."""
        self.fill()
        header = self.session("twin")
        text = json.dumps(body)
        for name, content in TABLES.items():
            if name in text:
                self._upload(name, content, header)
        for name in self.KEPT:
            if name in text:
                copy = {"table": f"kept_{name}", "casOut": name}
                self.run("table.copyTable", copy, header)
        attic = {"name": "attic", "path": str(self.shelf), "activeOnAdd": False}
        if "attic" in text:
            self.run("table.addCaslib", attic, header)
        session = header["Castorch-Session"]
        yield session
        self.client.delete(f"/v1/sessions/{session}")  # the action may have ended it
        for table in self.client.get("/v1/tables").json()["tables"]:  # or given a table to all
            if not table["name"].casefold().startswith("kept_"):
                self.run("table.dropTable", {"name": table["name"]}, {})

    def ours(self, name: str, body: Body) -> Body:
        """Return the answer under ``/v1``, and the table that was made."""
        with self.twin(body) as session:
            header = {"Castorch-Session": session}
            answer = self.client.post(f"/v1/actions/{name}", json=body, headers=header).json()
            return {**answer, "made": self.made(body, session)}

    def theirs(self, name: str, body: Body) -> Body:
        """Return the answer under ``/cas``, and the table that was made."""
        with self.twin(body) as session:
            place = f"/cas/sessions/{session}/actions/{name}"
            answer = self.client.post(place, json=body).json()
            return {**answer, "made": self.made(body, session)}

    def made(self, body: Body, session: str) -> list[Any] | None:
        """Return the rows of the table the parameters ask for, when there is one to read."""
        out = body.get("casOut", body.get("modelWeights"))
        name = out["name"] if isinstance(out, dict) else out
        if name is None:
            return None
        header = {"Castorch-Session": session}
        fetch = {"table": name, "to": 10_000}
        answer = self.client.post("/v1/actions/table.fetch", json=fetch, headers=header).json()
        rows: list[Any] | None = answer["tables"]["Fetch"]["rows"] if answer["ok"] else None
        return rows

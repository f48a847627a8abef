"""A session: where a caller's tables and models live, and the door to every action."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack
from urllib.parse import quote
from uuid import uuid4

from castorch._declare import read_declaration
from castorch._errors import ProtocolFailed
from castorch._job import Job, find_job
from castorch._model import Model, passing
from castorch._options import Choices
from castorch._request import Answer, Request
from castorch._results import Result, ResultTable, read_result
from castorch._spelling import params_to_wire
from castorch._table import Table
from castorch._upload import open_source

if TYPE_CHECKING:
    from castorch._transport import Transport


class Session:
    """Runs actions; opened with :meth:`castorch.Client.session`.

    Attributes:
        id: of the session; None is the caller's own lasting default session.
        priority: of the jobs that are started here, -100 to 100; None is the session's own.
    """

    def __init__(
        self, transport: Transport, session_id: str | None = None, *, priority: int | None = None
    ) -> None:
        self._transport = transport
        self.id = session_id
        self.priority = priority

    def __repr__(self) -> str:
        return f"Session({self.id or 'default'!r} at {self._transport.url})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def run(self, action: str, /, **params: Any) -> Result:
        """Run any action and wait for its answer, as long as it takes.

        ``session.run("deepLearn.addLayer", model_table="m", name="fc1", layer={"type": "fc"})``

        Args:
            action: ``set.action``, or the action alone where one set has it.
            params: its parameters in snake_case (camelCase is understood too); None is left out.

        Raises:
            ActionFailed: the server refused, or the action failed; the class follows the code.
            InvalidInput: a parameter has no JSON form.
        """
        return read_result(self.send(self._call(action, params)).json())

    def submit(self, action: str, /, **params: Any) -> Job:
        """Start a long action as a job and return at once.

        Raises:
            ActionFailed: the server refused it; what fails later is raised by the job.
            ProtocolFailed: the action is not one that runs as a job.
        """
        request = self._call(action, params, {"Prefer": "respond-async"})
        job = self.send(request).json().get("job")
        if not isinstance(job, Mapping):
            raise ProtocolFailed(
                f"the action {action!r} answered at once instead of as a job; use run",
                action=action,
            )
        return Job(self._transport, job)

    def job(self, job_id: str) -> Job:
        """Return a job by its id, such as the one a result names.

        Raises:
            JobNotFound: the caller has no such job.
        """
        return find_job(self._transport, job_id)

    def upload(
        self,
        name: str,
        data: Any,
        *,
        caslib: str | None = None,
        replace: bool = False,
        promote: bool = False,
    ) -> Table:
        """Send data to the server as a table; it is streamed, however large.

        Args:
            name: of the table.
            data: a path to a CSV, Parquet, Arrow, JSON or ZIP file, or to a folder of images (one
                sub-folder per label); a pandas data frame (its index is left out); Arrow data; a
                dictionary of columns, where an (N, D) array becomes D columns and a uint8 array
                (N, H, W) or (N, H, W, 3) a column of images; a list of row dictionaries.
            caslib: where the table goes; None is the session's active one.
            replace: replace a table of that name.
            promote: make the table visible to all sessions.

        Raises:
            InvalidInput: the data is of no such kind.
            TableExists: the name is taken and ``replace`` is false.
            InvalidFile: the server cannot read the file.
        """
        source = open_source(data)
        query = {
            "caslib": caslib,
            "replace": replace,
            "promote": promote,
            "fileType": source.file_type,
        }
        self.send(
            Request(
                "PUT",
                f"/v1/tables/{quote(name, safe='')}",
                query=query,
                headers={"Content-Type": source.content_type},
                content=source.pieces,
                waits=True,
            )
        )
        return Table(self, name, caslib)

    def table(self, name: str, caslib: str | None = None) -> Table:
        """Return a handle on a table; whether it exists shows when it is used."""
        return Table(self, name, caslib)

    def tables(self, caslib: str | None = None) -> ResultTable:
        """Return the catalogue: every table the session sees."""
        return self.run("table.tableInfo", caslib=caslib or "*")["TableInfo"]

    def model(
        self,
        name: str,
        *,
        type: str = "CNN",  # noqa: A002 - the action's own word
        replace: bool = False,
        caslib: str | None = None,
    ) -> Model:
        """Make an empty model and return a handle on it; :meth:`open_model` takes one that exists.

        Args:
            name: of the model table.
            type: CNN, RNN or DNN.
            replace: replace a table of that name.
            caslib: where it goes; None is the session's active one.

        Raises:
            TableExists: the name is taken and ``replace`` is false.
        """
        model = Model(self, name, caslib)
        table = model.to_wire() | ({"replace": True} if replace else {})
        self.run("deepLearn.buildModel", model_table=table, type=type)
        return model

    def open_model(self, name: str, caslib: str | None = None) -> Model:
        """Return a handle on a model; whether it exists shows when it is used."""
        return Model(self, name, caslib)

    def import_model(
        self,
        name: str,
        path: str | Path,
        *,
        weights: str | None = None,
        replace: bool = False,
    ) -> Model:
        """Make a model and its weight table of a local model file, and return the model.

        Args:
            name: of the model; one that is there already must have the same layers.
            path: a file of :meth:`Model.export`, which ends in ``.safetensors``.
            weights: name of the weight table; None is ``<name>_weights``.
            replace: replace a weight table of that name.

        Raises:
            InvalidInput: the path leads nowhere, or has another ending.
            DataError: it is no model file.
            WeightsError: there is another model of that name.
            TableExists: the weight table exists and ``replace`` is false.
        """
        store = self.upload(passing(name), path)
        try:
            self.run(
                "deepLearn.dlImportModelWeights",
                model_table=name,
                model_weights={"name": weights or f"{name}_weights", "replace": replace},
                format_type="CASTORCH",
                rstore=store,
            )
        finally:
            store.drop()
        return self.open_model(name)

    def declare(
        self,
        declaration: str | Path | Mapping[str, Any],
        *,
        name: str | None = None,
        replace: bool = False,
        caslib: str | None = None,
    ) -> Model:
        """Make a whole model at once, or nothing if a layer does not fit.

        Args:
            declaration: a dictionary ``{"model", "type", "layers": [{"name", "layer",
                "srcLayers"}]}``, or a path to a JSON or YAML file that holds one. A layer without
                ``srcLayers`` takes the one before it.
            name: of the model, instead of the one declared.
            replace: replace a table of that name.
            caslib: where it goes; None is the session's active one.

        Raises:
            InvalidInput: the declaration is not of that form.
            TableExists: the name is taken and ``replace`` is false.
            GraphError, ShapeError, LayerError: the layers do not make a network.
        """
        declared = read_declaration(declaration, name=name)
        model = Model(self, declared["model"], caslib)
        table = model.to_wire() | ({"replace": True} if replace else {})
        self.run("castorch.declareModel", **{**declared, "model": table})
        return model

    def architectures(self) -> ResultTable:
        """Return a row per architecture that :meth:`build` knows by name."""
        return self.run("castorch.listArchitectures")["Architectures"]

    def build(
        self,
        architecture: str,
        *,
        name: str | None = None,
        replace: bool = False,
        caslib: str | None = None,
        **choices: Unpack[Choices],
    ) -> Model:
        """Make a model of an architecture that is known by name.

        ``session.build("resnet20", name="digits", size=28, channels=1)``

        Args:
            architecture: its name, see :meth:`architectures`.
            name: of the model; None is that of the architecture.
            replace: replace a table of that name.
            caslib: where it goes; None is the session's active one.
            choices: see :class:`castorch._options.Choices`.

        Raises:
            InvalidParameters: there is no such architecture, or it does not take a choice.
            GraphError, ShapeError: a choice has a value that makes no network.
            TableExists: the name is taken and ``replace`` is false.
        """
        model = Model(self, name or architecture, caslib)
        table = model.to_wire() | ({"replace": True} if replace else {})
        self.run(
            "castorch.buildArchitecture", model_table=table, architecture=architecture, **choices
        )
        return model

    def end(self) -> None:
        """End the session and drop its tables; the default session is left as it is."""
        if self.id is not None:
            self._transport.send(Request("DELETE", f"/v1/sessions/{quote(self.id, safe='')}"))

    def send(self, request: Request) -> Answer:
        """Send a request in the name of this session."""
        return self._transport.send(self._mine(request))

    @contextmanager
    def download(self, request: Request) -> Iterator[Iterator[bytes]]:
        """Send a request in the name of this session and give the answer piece by piece."""
        with self._transport.download(self._mine(request)) as pieces:
            yield pieces

    def _call(
        self, action: str, params: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> Request:
        return Request(
            "POST",
            f"/v1/actions/{quote(action, safe='')}",
            headers=headers or {},
            body=params_to_wire(params),
            waits=True,
            key=uuid4().hex,
        )

    def _mine(self, request: Request) -> Request:
        told = {"Castorch-Session": self.id, "Castorch-Priority": self.priority}
        return request.with_headers({k: str(v) for k, v in told.items() if v is not None})

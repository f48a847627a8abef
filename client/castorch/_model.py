"""A model on the server: its layers, its training, its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack
from uuid import uuid4

from castorch._history import History, Scored
from castorch._job import Job
from castorch._layer import Layer
from castorch._looking import Looking
from castorch._options import ScoreOptions, TrainOptions
from castorch._picture import Picture
from castorch._progress import Progress, show_progress
from castorch._results import Result
from castorch._summary import Check, Summary
from castorch._table import Table

if TYPE_CHECKING:
    from castorch._session import Session


class Model(Looking):
    """A handle on a model table; it holds the name, the layers are on the server."""

    def __init__(self, session: Session, name: str, caslib: str | None = None) -> None:
        self._session = session
        self.name = name
        self.caslib = caslib

    def __repr__(self) -> str:
        return f"Model({self.name!r})"

    def to_wire(self) -> dict[str, Any]:
        """Return the model as a parameter of an action."""
        return self._address(self.name)

    def _weights(self, weights: Table | str | None) -> Any:
        return weights or self._address(self._default_weights)

    def add(
        self,
        name: str,
        layer: Layer | Mapping[str, Any],
        *sources: str,
        shared_weights: str | None = None,
        replace: bool = False,
    ) -> Model:
        """Add a layer, and return the model.

        ``model.add("conv1", layers.Convo(n_filters=20, width=5), "data")``

        Args:
            name: of the layer.
            layer: a layer of :mod:`castorch.layers`, or a dictionary with ``type`` and options.
            sources: names of the layers it takes its input from, in order.
            shared_weights: name of a layer of the same type whose weights it uses.
            replace: replace the layer of that name.

        Raises:
            GraphError: the name is taken, a source does not exist, or the layer whose weights it
                shares is of another type.
            ShapeError: the layer does not fit its sources, or the weights it shares.
            LayerError, InvalidParameters: an option is out of range or unknown.
        """
        self._session.run(
            "deepLearn.addLayer",
            model_table=self,
            name=name,
            layer=layer,
            src_layers=list(sources) or None,
            shared_weights=shared_weights,
            replace=replace or None,
        )
        return self

    def remove(self, name: str) -> Model:
        """Remove a layer, and return the model.

        Raises:
            GraphError: there is no such layer, or others use it as a source.
        """
        self._session.run("deepLearn.removeLayer", model_table=self, name=name)
        return self

    def info(self) -> dict[str, Any]:
        """Return what is known of the model as a whole: kind and number of its layers, ..."""
        return self._session.run("deepLearn.modelInfo", model_table=self).facts("ModelInfo")

    def summary(
        self, *, weights: Table | str | None = None, batch_size: int | None = None
    ) -> Summary:
        """Return one row per layer: name, type, shape, receptive field, parameters, cost, memory.

        Args:
            weights: a weight table, from which sizes are taken that depend on data.
            batch_size: rows of a mini-batch, for the memory; None is 1.
        """
        result = self._session.run(
            "castorch.summary", model_table=self, init_weights=weights, batch_size=batch_size
        )
        layers = result["Layers"]
        return Summary(layers.names, layers.rows, layers.types, layers.title)

    def check(
        self,
        *,
        weights: Table | str | None = None,
        batch_size: int | None = None,
        memory: int | None = None,
        device: str | None = None,
    ) -> Check:
        """Return whether training fits into memory, and what speaks against the layers.

        Args:
            weights: a weight table, from which sizes are taken that depend on data.
            batch_size: rows of a mini-batch; None is 1.
            memory: bytes there are; None takes those of the device.
            device: of the server's machine; None takes a GPU where there is one.
        """
        result = self._session.run(
            "castorch.checkModel",
            model_table=self,
            init_weights=weights,
            batch_size=batch_size,
            memory=memory,
            device=device,
        )
        (fit,) = result["Fit"].records()
        return Check(
            fit["Fits"], fit["Needed"], fit["Memory"], fit["LargestBatch"], result["Advice"]
        )

    def graph(self, *, weights: Table | str | None = None) -> Picture:
        """Return a picture of the model as SVG: a box per layer, lines for what flows.

        Args:
            weights: a weight table, from which sizes are taken that depend on data.
        """
        result = self._session.run("castorch.modelGraph", model_table=self, init_weights=weights)
        return Picture(result.values["svg"])

    def train(
        self,
        table: Table | str,
        *,
        target: str | Sequence[str] | None = None,
        progress: bool | Progress = True,
        **options: Unpack[TrainOptions],
    ) -> History:
        """Train the model on a table, wait for it, and return the history.

        Interrupting (Ctrl-C) cancels the training.

        Args:
            table: the training data; ``table.only("...")`` takes a part of it.
            target: the column, or columns, to predict; None is ``_label_``.
            progress: shows a bar (or lines, where there is no terminal); or something of your own.
            options: see :class:`castorch._options.TrainOptions`.

        Raises:
            TrainingError: training cannot start or cannot go on.
            DataError: rows cannot be turned into tensors.
            JobCancelled: somebody cancelled the training.
        """
        job = self.train_async(table, target=target, **options)
        result = watch(job, _reporter(progress, f"training {self.name}"))
        weights = options.get("weights") or self._default_weights
        return History(result, self._session.table(weights, self.caslib))

    def train_async(
        self,
        table: Table | str,
        *,
        target: str | Sequence[str] | None = None,
        **options: Unpack[TrainOptions],
    ) -> Job:
        """Start training and return at once; takes what :meth:`train` takes.

        Raises:
            InvalidParameters: a parameter is unknown, missing or out of range.
        """
        params: dict[str, Any] = {**options}
        params["model_weights"] = self._output(params.pop("weights", None) or self._default_weights)
        params["best_weights"] = self._output(params.get("best_weights"))
        params["valid_table"] = params.pop("valid", None)
        return self._session.submit(
            "deepLearn.dlTrain", table=table, model_table=self, target=target, **params
        )

    def score(
        self,
        table: Table | str,
        *,
        progress: bool | Progress = False,
        **options: Unpack[ScoreOptions],
    ) -> Scored:
        """Score a table, wait for it, and return what was found.

        Args:
            table: the data; ``table.only("...")`` takes a part of it.
            progress: as for :meth:`train`.
            options: see :class:`castorch._options.ScoreOptions`.

        Raises:
            WeightsError: the weights do not belong to the model.
            DataError: rows cannot be turned into tensors.
        """
        params: dict[str, Any] = {**options}
        out = params.pop("out", None)
        params["cas_out"] = self._output(out)
        params["layer_out"] = self._output(params.get("layer_out"))
        params["init_weights"] = self._weights(params.pop("weights", None))
        job = self._session.submit("deepLearn.dlScore", table=table, model_table=self, **params)
        result = watch(job, _reporter(progress, f"scoring {self.name}"))
        return Scored(result, None if out is None else self._session.table(out, self.caslib))

    def fold_batch_norm(self, name: str, *, weights: Table | str | None = None) -> Model:
        """Make a model that scores as this one, with batch normalisation inside other layers.

        Args:
            name: of the new model; its weights get the same with ``_weights``.
            weights: those of this model; None takes the ones training writes by default.

        Raises:
            GraphError: there is no batch normalisation that can be folded.
        """
        return self._operated("castorch.foldBatchNorm", name, weights)[0]

    def fc_to_conv(
        self,
        name: str,
        *,
        width: int | None = None,
        height: int | None = None,
        weights: Table | str | None = None,
    ) -> Model:
        """Make a model that slides over larger images, with filters for fully connected layers.

        Args:
            name: of the new model; its weights get the same with ``_weights``.
            width: of its images, in pixels; None keeps that of this model.
            height: of its images, in pixels; None likewise.
            weights: those of this model; None takes the ones training writes by default.

        Raises:
            GraphError: there is no fully connected layer behind an image.
            ShapeError: a layer does not fit images of that size.
        """
        size = {"width": width, "height": height}
        return self._operated("castorch.fcToConv", name, weights, **size)[0]

    def replace_head(
        self,
        name: str,
        *,
        after: str,
        layers: Sequence[Mapping[str, Any]] = (),
        weights: Table | str | None = None,
    ) -> Head:
        """Make a model of this one with another head, for transfer learning.

        Args:
            name: of the new model; the weights of the layers that stay get it with ``_start``.
            after: the last layer that stays.
            layers: the new ones, as in :meth:`Session.declare`; without any an output layer.
            weights: those of this model; None takes the ones training writes by default.

        Raises:
            GraphError, ShapeError: the new layers do not fit.
        """
        start = f"{name}_start"
        made = {"after": after, "layers": list(layers) or None, "model_weights": start}
        model, result = self._operated("castorch.replaceHead", name, weights, **made)
        freeze = tuple(result.values["freeze"])
        return Head(model, self._session.table(start, self.caslib), freeze)

    def _operated(
        self, action: str, name: str, weights: Table | str | None, **more: Any
    ) -> tuple[Model, Result]:
        result = self._session.run(
            action,
            model_table=self,
            init_weights=weights or self._address(self._default_weights),
            cas_out=self._output(name),
            model_weights=self._output(more.pop("model_weights", f"{name}_weights")),
            **more,
        )
        return Model(self._session, name, self.caslib), result

    def export(self, path: str | Path, *, weights: Table | str | None = None) -> Path:
        """Write the model and its weights to a local model file, and return its path.

        Args:
            path: ends in ``.safetensors``.
            weights: the weight table; None is ``<model>_weights``.

        Raises:
            InvalidInput: the path has another ending.
            WeightsError: the weights do not belong to the model.
        """
        store = self._session.table(passing(self.name), self.caslib)
        self._session.run(
            "deepLearn.dlExportModel",
            model_table=self,
            init_weights=weights or self._address(self._default_weights),
            cas_out=self._output(store.name),
        )
        try:
            return store.save(path)
        finally:
            store.drop()

    def drop(self) -> None:
        """Remove the model; weight tables stay.

        Raises:
            TableNotFound: the session sees no such model.
        """
        self._session.table(self.name, self.caslib).drop()

    @property
    def _default_weights(self) -> str:
        return f"{self.name}_weights"

    def _address(self, name: str) -> dict[str, Any]:
        return {"name": name} | ({} if self.caslib is None else {"caslib": self.caslib})

    def _output(self, name: str | None) -> dict[str, Any] | None:
        return None if name is None else self._address(name) | {"replace": True}


@dataclass(frozen=True)
class Head:
    """A model with another head.

    Attributes:
        model: the new model.
        weights: those of the layers that stay, to start training from.
        freeze: names of these layers, for ``freeze_layers`` of the optimizer.
    """

    model: Model
    weights: Table
    freeze: tuple[str, ...]


def passing(name: str) -> str:
    """Return a name for a table that is dropped again after a call."""
    return f"_{name}_{uuid4().hex[:12]}"


def _reporter(progress: bool | Progress, title: str) -> Progress | None:  # noqa: FBT001 - passed on
    if progress is True:
        return show_progress(title)
    return progress or None


def watch(job: Job, reporter: Progress | None) -> Result:
    """Wait for a job, showing what it reports; an interrupt cancels it.

    Raises:
        ActionFailed: the job failed; the class is that of its error.
        JobCancelled: somebody cancelled it.
    """
    try:
        if reporter is None:
            return job.wait()
        with reporter:
            for event in job.follow():
                reporter.report(event)
        return job.wait()
    except KeyboardInterrupt:
        job.cancel()
        raise

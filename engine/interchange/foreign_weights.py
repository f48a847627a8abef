"""The weights of other frameworks in the order and the shapes of ours.

=============  ========================================  =====================================
ours           Keras and ONNX                            Caffe
=============  ========================================  =====================================
weight         kernel; of fc and output (out, in)        0
bias           bias                                      1
affine         gamma and beta, 1 and 0 where missing     0 and 1 of the group <name>_scale
statistics     moving_mean, √ of moving_variance         0 / 2 and √ of 1 / 2
weight_input   kernel (in, gates n)
weight_state   recurrent_kernel (n, gates n)
=============  ========================================  =====================================

A Keras file has Keras' epsilon added to the variance already; ours is taken off again, since the
layer adds it when it runs. Files of ONNX and Caffe hold the variance as it is.

Gates of Keras: LSTM input, forget, cell, output; GRU update, reset, new. A bias of twice the length
is one of the input and one of the state, and both are added up.

Source: CAS REST dialect, dlImportModelWeights (12.7); the documentation of keras.layers.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from engine.errors import WeightsError
from engine.graph.layout import SegmentSpec
from engine.graph.spec import Graph, Node
from engine.graph.walk import place
from engine.interchange.hdf5_file import Hdf5File
from engine.layers.normalization import BatchNormalization
from engine.layers.recurrent import RecurrentLayer
from engine.weights import CHUNK_VALUES, Chunk

Format = Literal["KERAS", "ONNX", "CAFFE"]
Float32 = npt.NDArray[np.float32]

BLOBS = {"kernel": "0", "bias": "1"}
SCALE = "_scale"
"""Ending of the group of a Caffe scale layer, behind the name of its batch normalisation."""

GATES = {"RNN": (0,), "LSTM": (0, 1, 2, 3), "GRU": (1, 0, 2)}
"""Where each block of our gates stands among those of Keras."""


@dataclass(frozen=True)
class ForeignWeights:
    """The weights of a file, for one model.

    Attributes:
        graph: with all its shapes.
        specs: its tensors, in the order of the weight table.
        file: where the numbers are.
        format: the framework the file comes from.
    """

    graph: Graph
    specs: Sequence[SegmentSpec]
    file: Hdf5File
    format: Format

    def check(self) -> None:
        """Check that model and file have the same layers with weights.

        Raises:
            WeightsError: one has a layer or a dataset that the other has not.
        """
        expected = {
            name: kinds for node in self._holders() for name, kinds in self._datasets(node).items()
        }
        for name, datasets in self.file.layers.items():
            extra = [kind for kind in datasets if kind not in expected.get(name, {})]
            if extra:
                raise WeightsError(
                    f"{self.file.label} has {extra[0]!r} of layer {name!r}, which model "
                    f"{self.graph.name!r} does not have",
                    layer=name,
                    model=self.graph.name,
                )
        for name, kinds in expected.items():
            got = self.file.layers.get(name, {})
            lacking = [kind for kind, is_needed in kinds.items() if is_needed and kind not in got]
            if lacking:
                raise WeightsError(
                    f"{self.file.label} lacks {lacking[0]!r} of layer {name!r}, expected it by "
                    f"model {self.graph.name!r}",
                    layer=name,
                    model=self.graph.name,
                )

    def chunks(self) -> Iterator[Chunk]:
        """Yield the numbers in the order of the weight table, one tensor in memory at a time.

        Raises:
            DataError: a dataset has another shape than its tensor.
        """
        nodes = {node.id: node for node in self.graph.nodes}
        for spec in self.specs:
            flat = np.ascontiguousarray(self._tensor(nodes[spec.layer_id], spec)).reshape(-1)
            for offset in range(0, spec.size, CHUNK_VALUES):
                yield Chunk(spec, offset, flat[offset : offset + CHUNK_VALUES])

    def _holders(self) -> Iterator[Node]:
        ids = {spec.layer_id for spec in self.specs}
        return (node for node in self.graph.nodes if node.id in ids)

    def _datasets(self, node: Node) -> Mapping[str, Mapping[str, bool]]:
        """Return the datasets of a layer by group, and whether each must be there."""
        name, is_caffe = node.name.replace("/", "_"), self.format == "CAFFE"
        if isinstance(node.layer, BatchNormalization):
            if is_caffe:
                return {
                    name: {"0": True, "1": True, "2": False},
                    name + SCALE: {"0": False, "1": False},
                }
            moments = {"moving_mean": True, "moving_variance": True}
            return {name: {"gamma": False, "beta": False, **moments}}
        if isinstance(node.layer, RecurrentLayer) and not is_caffe:
            return {name: {"kernel": True, "recurrent_kernel": True, "bias": True}}
        kinds = ["kernel" if spec.part == "weights" else "bias" for spec in self._specs(node)]
        return {name: {BLOBS[kind] if is_caffe else kind: True for kind in kinds}}

    def _specs(self, node: Node) -> list[SegmentSpec]:
        found = [spec for spec in self.specs if spec.layer_id == node.id]
        names = [spec.name for spec in found]
        if names not in (["weight"], ["weight", "bias"]):
            raise WeightsError(
                f"{place(node.name, node.layer)} has {', '.join(names)}, which "
                f"{self.file.label} has no place for",
                layer=node.name,
            )
        return found

    def _tensor(self, node: Node, spec: SegmentSpec) -> Float32:
        if isinstance(node.layer, BatchNormalization):
            return self._pairs(node.name.replace("/", "_"), node.layer, spec)
        if isinstance(node.layer, RecurrentLayer):
            return self._gates(node.name.replace("/", "_"), node.layer, spec)
        kind = "kernel" if spec.part == "weights" else "bias"
        kind = BLOBS[kind] if self.format == "CAFFE" else kind
        name, shape = node.name.replace("/", "_"), tuple(spec.shape)
        if len(shape) == len(("in", "out")):  # there it is (out, in)
            return self.file.read(name, kind, (shape[::-1],)).T
        return self.file.read(name, kind, (shape,))

    def _pairs(self, name: str, layer: BatchNormalization, spec: SegmentSpec) -> Float32:
        """Return gamma and beta, or mean and standard deviation, of every map."""
        is_caffe, shape = self.format == "CAFFE", (spec.shape[0],)
        if spec.part == "biases":
            group = name + SCALE if is_caffe else name
            kinds = ("0", "1") if is_caffe else ("gamma", "beta")
            gamma = self._known(group, kinds[0], shape, 1.0)
            return np.stack([gamma, self._known(group, kinds[1], shape, 0.0)], 1)
        kinds = ("0", "1") if is_caffe else ("moving_mean", "moving_variance")
        mean, variance = (self.file.read(name, kind, (shape,)).astype(float) for kind in kinds)
        if is_caffe and "2" in self.file.layers[name]:
            total = float(self.file.read(name, "2", ((1,),))[0])
            mean, variance = (each / total if total else each * 0 for each in (mean, variance))
        if self.format == "KERAS":
            variance = variance - layer.epsilon
        deviation = np.sqrt(variance.clip(min=0.0))
        return np.stack([mean, deviation], 1).astype(np.float32)

    def _known(self, group: str, kind: str, shape: tuple[int], value: float) -> Float32:
        if kind in self.file.layers.get(group, {}):
            return self.file.read(group, kind, (shape,))
        return np.full(shape, value, np.float32)

    def _gates(self, name: str, layer: RecurrentLayer, spec: SegmentSpec) -> Float32:
        """Return a tensor of a recurrent layer, its blocks in our order."""
        rows = spec.shape[0]
        if spec.name == "bias":
            given = self.file.read(name, "bias", ((rows,), (2 * rows,), (2, rows)))
            found = given.reshape(-1, rows).sum(axis=0)
        else:
            kind = "kernel" if spec.name == "weight_input" else "recurrent_kernel"
            found = self.file.read(name, kind, ((spec.shape[1], rows),)).T
        order = GATES[layer.rnn_type]
        blocks = np.split(found, len(order))
        return np.concatenate([blocks[at] for at in order])

"""Arrays of HDF5 files by layer, read with everything that leads out of the file refused.

Two layouts, as the conversions of Keras, ONNX and Caffe models to CAS write them:

    KERAS   attribute ``layer_names``; a group per layer with the attribute ``weight_names``, each
            the path of a dataset inside the group, such as ``conv/kernel:0``
    CAFFE   group ``data``; a group per layer with datasets ``0``, ``1`` and so on

Source: CAS REST dialect, dlImportModelWeights (12.7).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from engine.errors import DataError
from engine.later import Later

if TYPE_CHECKING:
    import h5py
else:
    h5py = Later("h5py")

Layout = Literal["KERAS", "CAFFE"]
Float32 = npt.NDArray[np.float32]

MOST_NAMES = 100_000
"""Layers of a file, datasets of a layer."""
SUFFIX = ":0"
"""What Keras puts behind the name of a weight."""


class Hdf5File:
    """The datasets of an open file.

    Attributes:
        label: how messages call it.
        layers: datasets by name of layer in lower case, ``/`` replaced by ``_``, and there by
            kind: ``kernel``, ``bias``, or the number of a Caffe blob.
    """

    def __init__(self, label: str, layers: "Mapping[str, Mapping[str, h5py.Dataset]]") -> None:
        self.label = label
        self.layers = layers

    def read(self, layer: str, kind: str, shapes: tuple[tuple[int, ...], ...]) -> Float32:
        """Return a dataset as float32.

        Args:
            layer: name of a layer that has it.
            kind: name of the dataset.
            shapes: those it may have; axes of length 1 in front do not count.

        Raises:
            DataError: it has another shape or holds no numbers; nothing was read.
        """
        dataset = self.layers[layer][kind]
        shape = _trimmed(dataset.shape or (), min(map(len, shapes)))
        if shape not in shapes:
            expected = " or ".join(str(each) for each in shapes)
            raise DataError(
                f"{self.label} holds {kind!r} of layer {layer!r} in shape {dataset.shape}, "
                f"expected {expected}",
                layer=layer,
            )
        if dataset.dtype.kind != "f":
            raise DataError(
                f"{self.label} holds {kind!r} of layer {layer!r} as {dataset.dtype}, expected "
                "floating-point numbers",
                layer=layer,
            )
        with _told(self.label):
            found: Float32 = dataset[()].astype(np.float32).reshape(shape)
        return found


@contextmanager
def open_hdf5(path: Path, label: str, layout: Layout) -> Iterator[Hdf5File]:
    """Open a file until the block's end.

    Args:
        path: where it lies.
        label: how messages call it.
        layout: how layers and datasets are told apart.

    Raises:
        DataError: it is no HDF5 file, has another layout, or leads to other files.
    """
    with _told(label):
        file = h5py.File(path, "r")
    with file:
        with _told(label):
            layers = dict(_keras(label, file) if layout == "KERAS" else _caffe(label, file))
        yield Hdf5File(label, layers)


def _keras(label: str, file: "h5py.File") -> "Iterator[tuple[str, dict[str, h5py.Dataset]]]":
    if "layer_names" not in file.attrs:
        raise DataError(
            f"{label} has no attribute 'layer_names', expected a file that was converted for CAS"
        )
    for name in _names(label, file, "layer_names"):
        group = _inside(label, file, name, h5py.Group)
        found = {}
        for path in _names(label, group, "weight_names"):
            kind = path.rpartition("/")[2].removesuffix(SUFFIX)
            found[kind] = _inside(label, group, path, h5py.Dataset)
        yield _folded(name), found


def _caffe(label: str, file: "h5py.File") -> "Iterator[tuple[str, dict[str, h5py.Dataset]]]":
    if "data" not in file:
        raise DataError(f"{label} has no group 'data', expected a Caffe model converted for CAS")
    yield from _groups(label, _inside(label, file, "data", h5py.Group), "")


def _groups(
    label: str, group: "h5py.Group", before: str
) -> "Iterator[tuple[str, dict[str, h5py.Dataset]]]":
    """Yield the groups inside a group that hold datasets or nothing, however deep."""
    members = {name: _inside(label, group, name, h5py.HLObject) for name in group}
    found = {name: each for name, each in members.items() if isinstance(each, h5py.Dataset)}
    if before and len(found) == len(members):
        yield _folded(before), found
    for name, each in members.items():
        if isinstance(each, h5py.Group):
            yield from _groups(label, each, f"{before}/{name}" if before else name)


def _names(label: str, holder: "h5py.Group", attribute: str) -> list[str]:
    """Return the texts of an attribute; of one that is not there, none."""
    if attribute not in holder.attrs:
        return []
    if prod(holder.attrs.get_id(attribute).shape or ()) > MOST_NAMES:
        raise DataError(f"{label} has an attribute {attribute!r} of more than {MOST_NAMES} names")
    values = np.atleast_1d(holder.attrs[attribute]).tolist()
    return [each.decode() if isinstance(each, bytes) else str(each) for each in values]


def _inside(label: str, group: "h5py.Group", path: str, kind: type[Any]) -> Any:
    """Return a member of a group, followed link by link, none of which may lead elsewhere."""
    found: Any = group
    for part in path.split("/"):
        is_hard = isinstance(found, h5py.Group) and isinstance(
            found.get(part, getlink=True) if part in found else None, h5py.HardLink
        )
        found = found[part] if is_hard and part not in ("", ".", "..") else None
    if not isinstance(found, kind):
        raise DataError(f"{label} holds no {kind.__name__.lower()} {path!r} of its own")
    if isinstance(found, h5py.Dataset) and (found.external or found.is_virtual):
        raise DataError(f"{label} holds dataset {path!r} in another file, expected its own")
    return found


@contextmanager
def _told(label: str) -> Iterator[None]:
    """Tell what the library refuses as an error of the engine."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{label} cannot be read as an HDF5 file: {error}") from error


def _folded(name: str) -> str:
    return name.replace("/", "_").lower()


def _trimmed(shape: tuple[int, ...], least: int) -> tuple[int, ...]:
    while len(shape) > least and shape[0] == 1:
        shape = shape[1:]
    return shape

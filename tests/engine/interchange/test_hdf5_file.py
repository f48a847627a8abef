from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

import engine.interchange.hdf5_file
from engine.errors import DataError
from engine.interchange.hdf5_file import Layout, open_hdf5

Make = Callable[[h5py.File], None]


def made(path: Path, make: Make) -> Path:
    with h5py.File(path, "w") as file:
        make(file)
    return path


def refusal(path: Path, layout: Layout = "KERAS") -> str:
    with pytest.raises(DataError) as caught, open_hdf5(path, "the file", layout):
        pass
    return caught.value.message


def one_layer(file: h5py.File) -> h5py.Group:
    file.attrs["layer_names"] = [b"Block/conv"]
    group = file.create_group("Block/conv")
    group.attrs["weight_names"] = [b"conv/kernel:0"]
    return group


def test_names_are_folded_and_datasets_known_by_their_kind(tmp_path: Path) -> None:
    def make(file: h5py.File) -> None:
        one_layer(file).create_dataset("conv/kernel:0", data=np.arange(4, dtype=np.float64))

    with open_hdf5(made(tmp_path / "x", make), "the file", "KERAS") as file:
        found = file.read("block_conv", "kernel", ((4,),))

    assert found.dtype == np.float32
    assert found.tolist() == [0, 1, 2, 3]


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))

    assert refusal(path).startswith("the file cannot be read as an HDF5 file: ")


def test_a_layout_that_was_not_converted_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path / "x", lambda file: file.create_group("model_weights"))

    assert refusal(path) == (
        "the file has no attribute 'layer_names', expected a file that was converted for CAS"
    )
    assert refusal(path, "CAFFE") == (
        "the file has no group 'data', expected a Caffe model converted for CAS"
    )


def test_a_link_to_another_file_is_not_followed(tmp_path: Path) -> None:
    secret = made(tmp_path / "secret", lambda file: file.create_dataset("s", data=np.ones(3)))

    def make(file: h5py.File) -> None:
        one_layer(file).create_group("conv")["kernel:0"] = h5py.ExternalLink(str(secret), "/s")

    assert refusal(made(tmp_path / "x", make)) == (
        "the file holds no dataset 'conv/kernel:0' of its own"
    )


def test_a_soft_link_is_not_followed(tmp_path: Path) -> None:
    def make(file: h5py.File) -> None:
        one_layer(file).create_group("conv")["kernel:0"] = h5py.SoftLink("/elsewhere")

    assert refusal(made(tmp_path / "x", make)) == (
        "the file holds no dataset 'conv/kernel:0' of its own"
    )


def test_numbers_that_lie_in_another_file_are_not_read(tmp_path: Path) -> None:
    def outside(file: h5py.File) -> None:
        one_layer(file).create_dataset(
            "conv/kernel:0", (3,), "f4", external=[(str(tmp_path / "raw"), 0, 12)]
        )

    def virtual(file: h5py.File) -> None:
        layout = h5py.VirtualLayout((3,), "f4")
        layout[:] = h5py.VirtualSource(str(tmp_path / "raw"), "s", (3,))
        one_layer(file).create_virtual_dataset("conv/kernel:0", layout)

    message = "the file holds dataset 'conv/kernel:0' in another file, expected its own"
    assert refusal(made(tmp_path / "x", outside)) == message
    assert refusal(made(tmp_path / "y", virtual)) == message


def test_a_name_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    def make(file: h5py.File) -> None:
        file.attrs["layer_names"] = [b"conv"]

    assert refusal(made(tmp_path / "x", make)) == "the file holds no group 'conv' of its own"


def test_more_names_than_a_model_has_layers_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.interchange.hdf5_file, "MOST_NAMES", 2)

    def make(file: h5py.File) -> None:
        file.attrs["layer_names"] = [b"a", b"b", b"c"]

    assert refusal(made(tmp_path / "x", make)) == (
        "the file has an attribute 'layer_names' of more than 2 names"
    )


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    def make(file: h5py.File) -> None:
        one_layer(file).create_dataset("conv/kernel:0", data=np.arange(4))

    path = made(tmp_path / "x", make)
    with pytest.raises(DataError) as caught, open_hdf5(path, "the file", "KERAS") as file:
        file.read("block_conv", "kernel", ((4,),))

    assert caught.value.message == (
        "the file holds 'kernel' of layer 'block_conv' as int64, expected floating-point numbers"
    )


def test_a_dataset_declared_larger_than_its_tensor_asks_for_no_memory(tmp_path: Path) -> None:
    def make(file: h5py.File) -> None:
        one_layer(file).create_dataset("conv/kernel:0", (1 << 40,), "f4", chunks=(1 << 10,))

    path = made(tmp_path / "x", make)
    with pytest.raises(DataError) as caught, open_hdf5(path, "the file", "KERAS") as file:
        file.read("block_conv", "kernel", ((4,), (2, 2)))

    assert caught.value.message == (
        "the file holds 'kernel' of layer 'block_conv' in shape (1099511627776,), expected (4,) "
        "or (2, 2)"
    )

"""Calls machine code that torch's ahead-of-time compiler made, while other threads go on.

torch's own loader holds Python's interpreter lock for as long as the network computes, so no two
threads could score at once. The functions called here are those by which that loader itself calls a
library.

Source: torch, ``torch/csrc/inductor/aoti_runtime/interface.h``.
"""

import ctypes
from _ctypes import dlclose
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import finalize

import torch
from torch import Tensor

_Address = ctypes.c_void_p
_Place = ctypes.POINTER(_Address)
_Size = ctypes.c_size_t

_FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "CreateWithDevice": (_Place, _Size, ctypes.c_char_p, ctypes.c_char_p),
    "Delete": (_Address,),
    "GetNumOutputs": (_Address, ctypes.POINTER(_Size)),
    "Run": (_Address, _Place, _Size, _Place, _Size, _Address, _Address),
}
"""Those used of a library, by name without ``AOTInductorModelContainer``, and what they take."""

_address_in = ctypes.PyDLL(None).PyCapsule_GetPointer
_address_in.restype = _Address
_address_in.argtypes = (ctypes.py_object, ctypes.c_char_p)

_capsule = ctypes.PyDLL(None).PyCapsule_New
_capsule.restype = ctypes.py_object
_capsule.argtypes = (_Address, ctypes.c_char_p, _Address)


class MachineCode:
    """A compiled network; any number of threads may call it.

    Attributes:
        outputs: how many tensors a call returns.
    """

    def __init__(self, path: Path, calls: int) -> None:
        """Load a library.

        Args:
            path: of the library.
            calls: how many go on at once; others wait.

        Raises:
            OSError: it is no library for this machine.
            AttributeError: it is none of the compiler.
            RuntimeError: it cannot be prepared.
        """
        library = ctypes.CDLL(str(path))
        self._functions = {name: _function(library, name) for name in _FUNCTIONS}
        network, outputs = _Address(), _Size()
        self._call("CreateWithDevice", ctypes.byref(network), calls, b"cpu", None)
        self._network = network
        finalize(self, _release, library._handle, self._functions["Delete"], network)
        self._call("GetNumOutputs", network, ctypes.byref(outputs))
        self.outputs = outputs.value

    def __call__(self, *values: Tensor) -> list[Tensor]:
        """Return what the network makes of values of the shapes and strides it was compiled for.

        Raises:
            RuntimeError: the network failed; the reason is on the standard error stream.
        """
        # the network takes these handles over, and gives those of its results away
        handles = [_address_in(each, None) for each in _handles(values)]
        given = (_Address * len(handles))(*handles)
        made = (_Address * self.outputs)()
        self._call("Run", self._network, given, len(given), made, len(made), None, None)
        tensors = torch._C._aoti.alloc_tensors_by_stealing_from_void_ptrs
        found: list[Tensor] = tensors([_capsule(each, None, None) for each in made])
        return found

    def _call(self, name: str, *given: object) -> None:
        if self._functions[name](*given):
            raise RuntimeError(f"the frozen network failed in {name}")


def _handles(values: Sequence[Tensor]) -> Sequence[object]:
    return torch._C._aoti.unsafe_alloc_void_ptrs_from_tensors(list(values))


def _function(library: ctypes.CDLL, name: str) -> Any:
    function = getattr(library, f"AOTInductorModelContainer{name}")
    function.argtypes = _FUNCTIONS[name]
    function.restype = ctypes.c_int32
    return function


def _release(handle: int, delete: Any, network: ctypes.c_void_p) -> None:
    delete(network)
    dlclose(handle)

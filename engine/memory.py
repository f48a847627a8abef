"""How much memory there is, and how much of it this process holds."""

import os
import sys
from pathlib import Path

import torch

_STATM = Path("/proc/self/statm")
_STATUS = Path("/proc/self/status")
_GROUP = Path("/sys/fs/cgroup/memory.max")


def held_bytes() -> int:
    """Return the memory this process holds for itself; pages of files do not count.

    Source: Linux, proc(5), ``/proc/pid/statm``; 0 on other systems.
    """
    if sys.platform != "linux":
        return 0
    resident, shared = map(int, _STATM.read_text().split()[1:3])
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")


def data_bytes() -> int:
    """Return the address space for data of this process, which ``RLIMIT_DATA`` limits.

    Source: Linux, proc(5), ``VmData`` of ``/proc/pid/status``; 0 on other systems.
    """
    if sys.platform != "linux":
        return 0
    lines = _STATUS.read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmData"))


def machine_bytes() -> int:
    """Return the memory of this machine, or of the container that the process runs in.

    Source: Linux, "Control Group v2", ``memory.max``.
    """
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = _GROUP.read_text().strip() if _GROUP.exists() else "max"
    return min(there, int(limit)) if limit.isdecimal() else there


def free_bytes(device: torch.device, limit: int | None) -> int:
    """Return what a device has left for work that begins now.

    Args:
        device: a processor or graphics processor.
        limit: bytes this process may hold on the processor; None: all there are.
    """
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return max(0, min(limit or machine_bytes(), machine_bytes()) - held_bytes())

"""Compiles the loops in C (``engine/loops``) when the package is built, where there is a compiler.

What is called of OpenMP is looked up in the process, where torch has brought it; a library of its
own would bring threads of its own. Without a compiler the package is complete, and slower.
"""

import os
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LOOPS = Path("engine", "loops")
PLATFORM = "linux-x86_64"
SETS = {"avx512": ("-mavx512f", "-mfma"), "avx2": ("-mavx2", "-mfma")}
"""Sets of instructions; engine/loops/library.py knows which processor has which."""

COMPILE = ("-std=c11", "-O3", "-ffp-contract=fast", "-fPIC", "-fopenmp", "-c")


class LoopsBuildHook(BuildHookInterface[Any]):
    """Compiles before files are gathered."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Compile all sources for all sets of instructions; the wheel is this platform's then."""
        if self.target_name != "wheel" or sysconfig.get_platform() != PLATFORM:
            return
        folder = Path(self.root) / LOOPS
        built = [
            self.compiled(source, name, flags)
            for source in folder.glob("*.c")
            for name, flags in SETS.items()
        ]
        if any(built):
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{PLATFORM.replace('-', '_')}"

    def compiled(self, source: Path, name: str, flags: tuple[str, ...]) -> bool:
        """Compile a source for a set of instructions; return whether that could be done."""
        result = source.with_name(f"{source.stem}-{name}.so")
        halfway, made = result.with_suffix(".o"), result.with_suffix(".new")
        compiler = os.environ.get("CC", "cc")
        try:
            for command in (
                (compiler, *COMPILE, *flags, str(source), "-o", str(halfway)),
                (compiler, "-shared", str(halfway), "-o", str(made)),
            ):
                subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
            made.replace(result)  # processes that have the old one go on with it
        except (OSError, subprocess.CalledProcessError) as error:
            told = getattr(error, "stderr", None) or error
            self.app.display_warning(f"{result.name} is left out: {told}")
            result.unlink(missing_ok=True)
            return False
        finally:
            halfway.unlink(missing_ok=True)
            made.unlink(missing_ok=True)
        return True

import os
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version

from actions.context import Context
from actions.params import ActionParams
from actions.registry import action
from actions.results import ActionResult, Json

LIBRARIES = ("torch", "pyarrow", "duckdb", "numpy", "pydantic")

DIALECT = "4.00"
"""The version of CAS whose dialect this server speaks; clients choose what they send by it."""


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Return the versions of this program and of the libraries its numbers depend on."""
    return {"castorch": version("castorch-server"), **{name: version(name) for name in LIBRARIES}}


class AboutParams(ActionParams):
    """Parameters of builtins.about: none."""


@action("builtins.about")
def about(ctx: Context, p: AboutParams) -> ActionResult:
    """Return what runs here: versions, the system, and the threads an action may use."""
    del p
    return ActionResult(values=about_values(ctx))


def about_values(ctx: Context) -> dict[str, Json]:
    """Return the values of about: ours, and ``About`` as CAS clients read it.

    Source: CAS REST dialect, builtins.about (5.2).
    """
    found = versions()
    system = os.uname()
    described: dict[str, Json] = {
        "CAS": "castorch",
        "Version": DIALECT,
        "VersionLong": f"castorch {found['castorch']}",
        "Copyright": "",
        "ServerTime": datetime.now(UTC).isoformat(timespec="seconds"),
        "System": {
            "Hostname": system.nodename,
            "OS Name": system.sysname,
            "OS Family": "LIN X64" if system.sysname == "Linux" else "OSX",
            "OS Release": system.release,
            "OS Version": system.version,
            "Model Number": system.machine,
        },
        "license": {"site": "castorch", "siteNum": 1, "expires": ""},
    }
    return {
        "About": described,
        "version": found["castorch"],
        "versions": {**found},
        "threads": ctx.threads,
    }

import os
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version

from actions.answers import Declared, result_table
from actions.context import Context
from actions.params import ActionParams
from actions.registry import ACTIONS, action
from actions.results import ActionResult, Json, ResultTable

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
    return ActionResult(tables={"server": server_table()}, values=about_values(ctx))


def server_table() -> ResultTable:
    """Return the nodes, of which there is one, and the actions of this server."""
    columns: Declared = (("nodes", "int64"), ("actions", "int64"))
    return result_table(columns, [(1, len(ACTIONS))], "Server Status")


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

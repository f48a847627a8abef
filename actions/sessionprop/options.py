"""The options of a session: their spellings, what they mean, and what holds until one is set.

Source: CAS REST dialect, session and sessionProp (6).
"""

from typing import Annotated, Literal

from pydantic import Field

from actions.fields import fold
from actions.params import ActionParams
from actions.ports import Session
from actions.results import Json

TIMEOUT = "timeout"
"""The option that says how many seconds a session may be idle."""

MessageLevel = Literal["ALL", "DEFAULT", "ERROR", "NONE", "NOTE", "WARNING"]


class SessionOptions(ActionParams):
    """The options of a session, each left out where it is not to be set."""

    caslib: str | None = None
    """The caslib that is meant where a call names none."""
    locale: str | None = None
    """Language and country of the caller, such as ``en_US``; kept, and changes nothing."""
    message_level: MessageLevel | None = None
    """The least important log lines of an answer over the CAS dialect: ALL, DEFAULT and NOTE give
    all of them, NONE gives none."""
    metrics: bool | None = None
    """Whether the cost of a call is to be shown; kept, answers have it either way."""
    timeout: Annotated[float, Field(ge=0)] | None = None
    """Seconds without a call after which the session ends; 0: the server's own setting."""
    cmplib: tuple[str, ...] | None = None
    """Tables of functions, ``CASLIB.TABLE``, in which functions are looked for by their names."""
    n_threads: int | None = None
    """Kept, and changes nothing; actions have a parameter of that name."""
    max_table_mem: int | None = None
    """Kept, and changes nothing."""
    timezone: str | None = None
    """Kept; times are UTC."""
    collate: str | None = None
    """Kept; text is ordered by its code points."""
    data_step_replace_table: bool | None = None
    """Kept; whether a table is replaced is said where it is made."""


NAMES = {
    fold(name): spelt
    for name, spelt in {
        "caslib": "caslib",
        "locale": "locale",
        "message_level": "messageLevel",
        "metrics": "metrics",
        "timeout": "timeout",
        "cmplib": "cmplib",
        "n_threads": "nThreads",
        "max_table_mem": "maxTableMem",
        "timezone": "timezone",
        "collate": "collate",
        "data_step_replace_table": "dataStepReplaceTable",
    }.items()
}
"""The spelling of an option's name by what its spellings have in common."""

DEFAULTS: dict[str, Json] = {
    "locale": "en_US",
    "messageLevel": "ALL",
    "metrics": False,
    "timeout": 0,
    "cmplib": "",
    "nThreads": 0,
    "maxTableMem": 0,
    "timezone": "UTC",
    "collate": "UCA",
    "dataStepReplaceTable": True,
}


def options_of(session: Session) -> dict[str, Json]:
    """Return the value of every option."""
    set_ = {
        spelt: session.options[each] for each, spelt in NAMES.items() if each in session.options
    }
    return {"caslib": session.active_caslib, **DEFAULTS, **set_}

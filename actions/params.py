"""Parameter types that actions share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SerializeAsAny

from actions.ports import Name, Output
from actions.query import Order
from engine.layers.base import Aliases, Layer, Synonyms

NAME_LENGTH = 256
"""Longest name of a table, column or layer, in characters."""


def _printable(text: str) -> str:
    if not text.strip():
        raise ValueError("a name must not be blank")
    if not text.isprintable():
        raise ValueError("a name must not hold control characters")
    return text.strip()


class ActionParams(BaseModel):
    """Base of all parameter classes: frozen, snake_case, nothing extra.

    Attributes:
        later: wire names the dialect knows and this version does not run, with the reason; giving
            one a value is an error, leaving it empty or false is not.
        partly: fields of which some values are refused, with which ones and the reason.
        shorthand: the field a bare string stands for, if any.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        defer_build=True,
    )

    later: ClassVar[Mapping[str, str]] = {}
    partly: ClassVar[Mapping[str, str]] = {}
    shorthand: ClassVar[str | None] = None


@dataclass(frozen=True)
class NamesTable:
    """Marks text that is the name of a table."""


TableName = Annotated[str, Field(max_length=NAME_LENGTH), AfterValidator(_printable), NamesTable()]
LayerName = Annotated[str, Field(max_length=NAME_LENGTH), AfterValidator(_printable)]


class Variable(ActionParams):
    """A column by its name; a bare string stands for it."""

    shorthand = "name"
    later = dict.fromkeys(
        ("format", "formattedLength", "label", "nfd", "nfl"), "columns keep their own formats"
    )

    name: str = Field(min_length=1, max_length=NAME_LENGTH)
    """Name of the column, matched without regard to case."""


AnyLayer = SerializeAsAny[Layer]
"""A layer of any registered type, chosen by its ``type``."""


class SortItem(ActionParams):
    """A column to order by; a bare string stands for its name."""

    shorthand = "name"

    name: str = Field(min_length=1, max_length=NAME_LENGTH)
    """Name of the column; `` desc`` after it turns the order around."""
    order: Annotated[
        Literal["ASCENDING", "DESCENDING"], Synonyms({"ASC": "ASCENDING", "DESC": "DESCENDING"})
    ] = "ASCENDING"
    """ASCENDING begins with missing values, DESCENDING ends with them."""
    formatted: Literal["RAW", "FORMATTED"] = "RAW"
    """Accepted; rows are ordered by values, whatever they look like."""

    @property
    def parsed(self) -> Order:
        name, _, direction = self.name.rpartition(" ")
        if name and direction.lower() in ("asc", "desc"):
            return Order(name.strip(), direction.lower() == "desc")
        return Order(self.name, self.order == "DESCENDING")


class TableRef(ActionParams):
    """A table to read, whole or in part; a bare string stands for its name."""

    shorthand = "name"
    later: ClassVar[Mapping[str, str]] = {
        "importOptions": "load files with table.loadTable",
        "dataSourceOptions": "load files with table.loadTable",
    }

    name: TableName
    """Name of the table, matched without regard to case."""
    caslib: str | None = None
    """Caslib of the table; left out: the session's active one."""
    where: str | None = None
    """Condition that chooses rows, for example ``x > 1 and label = 'cat'``."""
    vars: tuple[Variable, ...] = ()
    """Columns to read, in this order; left out: all."""
    computed_vars: Annotated[tuple[Variable, ...], Aliases("compVars")] = ()
    """Columns that the program computes; left out: all variables it makes."""
    computed_vars_program: Annotated[tuple[str, ...], Aliases("compPgm")] = ()
    """Statements that compute columns, for example ``z = x + y;``."""
    group_by: tuple[Variable, ...] = ()
    """Columns whose values divide the rows into groups, each with an answer of its own, in the
    actions that make groups; others read the table whole."""
    group_by_mode: Literal["NOSORT", "REDISTRIBUTE"] = "NOSORT"
    """Accepted; groups come in the order of their values either way."""
    order_by: tuple[SortItem, ...] = ()
    """Columns to order the rows by, where an action does not order them itself."""
    single_pass: bool = False
    """Accepted; rows are read as often as an action needs them."""
    computed_on_demand: bool = False
    """Accepted; computed columns always are."""

    @property
    def address(self) -> Name:
        return Name(self.name, self.caslib)

    @property
    def program(self) -> str:
        """The program of computed columns as one text."""
        parts = (part.rstrip() for part in self.computed_vars_program if part.strip())
        return "\n".join(part if part.endswith(";") else f"{part};" for part in parts)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns asked for; empty means all."""
        return tuple(variable.name for variable in self.vars)


class OutTable(ActionParams):
    """A table to write; a bare string stands for its name."""

    shorthand = "name"
    later: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            (
                "replication",
                "compress",
                "indexVars",
                "maxMemSize",
                "memoryFormat",
                "onDemand",
                "tableRedistUpPolicy",
                "threadBlockSize",
            ),
            "how tables are kept is for the database to say",
        ),
        **dict.fromkeys(("lifetime", "timeStamp"), "tables stay until they are dropped"),
        "where": "choose rows where a table is read",
    }

    name: TableName
    """Name of the new table."""
    caslib: str | None = None
    """Caslib of the table; left out: the session's active one."""
    replace: bool = False
    """Replace a table of that name."""
    promote: bool = False
    """Make the table visible to all sessions."""
    label: str = ""
    """A line that describes the table."""

    @property
    def output(self) -> Output:
        return Output(Name(self.name, self.caslib), self.replace, self.promote, self.label)

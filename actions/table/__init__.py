"""The action set ``table``: one file an action."""

from actions.table import (
    add_caslib,
    caslib_info,
    column_info,
    drop_caslib,
    drop_table,
    fetch,
    file_info,
    load_table,
    partition,
    promote,
    record_count,
    save,
    table_exists,
    table_info,
    upload,
)

__all__ = [
    "add_caslib",
    "caslib_info",
    "column_info",
    "drop_caslib",
    "drop_table",
    "fetch",
    "file_info",
    "load_table",
    "partition",
    "promote",
    "record_count",
    "save",
    "table_exists",
    "table_info",
    "upload",
]

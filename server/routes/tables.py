"""Tables in and out: uploads to disk in constant memory, downloads as streams."""

import time
from collections.abc import Iterator
from dataclasses import asdict
from itertools import chain
from typing import Annotated

import pyarrow as pa
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from actions.context import Context
from actions.params import SortItem, TableRef
from actions.ports import TableInfo
from actions.reading import open_table
from actions.results import Json, json_value, to_json
from actions.run import run_action
from actions.spelling import from_wire
from server.routes.actions import succeeded
from server.routes.bodies import parse_object, spool_body
from server.routes.dependencies import AppResources, CallerSession, answer
from server.routes.streams import ENCODERS
from server.telemetry import called
from server.wiring import context_for

router = APIRouter(prefix="/v1/tables", tags=["tables"])

JSON_ROWS = 10_000
"""Most rows of one JSON page."""

FILE_TYPES = {
    "text/csv": "csv",
    "application/vnd.apache.parquet": "parquet",
    "application/x-parquet": "parquet",
    "application/vnd.apache.arrow.stream": "arrow",
    "application/vnd.apache.arrow.file": "arrow",
    "application/json": "json",
    "application/x-ndjson": "json",
    "application/zip": "images",
}
"""What a Content-Type says about a file when ``fileType`` says nothing."""


class Selection(BaseModel):
    """Which rows and columns of a table are asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    caslib: str | None = None
    columns: str = ""
    """Names with commas between them; empty: all."""
    where: str | None = None
    order_by: str = Field(default="", alias="orderBy")
    """Names with commas between them, each perhaps with `` desc`` behind it."""
    first: int = Field(default=0, ge=0, alias="from")
    """Rows to pass over."""
    end: int | None = Field(default=None, ge=0, alias="to")
    """The row to stop before."""

    @property
    def names(self) -> list[Json]:
        """The columns asked for."""
        return [name.strip() for name in self.columns.split(",") if name.strip()]

    @property
    def keys(self) -> list[Json]:
        """The columns to order by."""
        return [key.strip() for key in self.order_by.split(",") if key.strip()]

    @property
    def limit(self) -> int | None:
        """Rows to return at most."""
        return None if self.end is None else max(0, self.end - self.first)


class Upload(BaseModel):
    """What becomes of a file, and how it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    caslib: str | None = None
    label: str = ""
    replace: bool = False
    promote: bool = False
    file_type: str | None = Field(default=None, alias="fileType")
    """csv, parquet, arrow, json or images; left out: as the Content-Type or the file says."""
    import_options: str = Field(default="", alias="importOptions")
    """A JSON object of further options, as in table.upload."""

    def parameters(self, name: str, content_type: str) -> dict[str, Json]:
        """Return the parameters of table.upload.

        Raises:
            InvalidParameters: ``importOptions`` is no JSON object.
        """
        media_type = content_type.partition(";")[0].strip().lower()
        kind = self.file_type or FILE_TYPES.get(media_type)
        options = parse_object(self.import_options.encode(), "parameter 'importOptions'")
        table: dict[str, Json] = {
            "name": name,
            "caslib": self.caslib,
            "label": self.label,
            "replace": self.replace,
            "promote": self.promote,
        }
        return {"casOut": table, "importOptions": {"fileType": kind, **options}}


@router.put("/{name}", status_code=201)
async def upload_table(
    name: str,
    request: Request,
    resources: AppResources,
    session: CallerSession,
    query: Annotated[Upload, Query()],
) -> Response:
    """Make a table of the file in the body: CSV, Parquet, an Arrow stream, JSON, zipped images."""
    started = time.monotonic()
    called(request.state, "table.upload")
    raw = query.parameters(name, request.headers.get("content-type", ""))
    with resources.spool.file() as path:
        await spool_body(request, path)
        context = context_for(resources, session, upload=path)
        return await run_in_threadpool(_upload, context, raw, started)


@router.get("")
def list_tables(
    resources: AppResources,
    session: CallerSession,
    caslib: str | None = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    cursor: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    """List the tables the session sees, of one caslib or of all, by name."""
    found = context_for(resources, session).tables.list(caslib)
    page = found[cursor : cursor + limit]
    more = cursor + limit if cursor + limit < len(found) else None
    return answer({"tables": [table_json(each) for each in page], "cursor": more})


@router.get("/{name}/rows")
def read_rows(
    name: str,
    resources: AppResources,
    session: CallerSession,
    selection: Annotated[Selection, Query()],
    accept: Annotated[str, Header()] = "",
) -> Response:
    """Return rows of a table of any kind.

    As JSON a page of them; as an Arrow stream or CSV (see ``Accept``) all of them, unless ``from``
    and ``to`` say otherwise.
    """
    context = context_for(resources, session)
    media_type = next((each for each in ENCODERS if each in accept.lower()), None)
    if media_type is None:
        return _page(context, name, selection)
    return _stream(context, name, selection, media_type)


def table_json(table: TableInfo) -> dict[str, Json]:
    """Return a catalogue entry as the wire tells it."""
    return {
        "id": table.id,
        "name": table.name,
        "caslib": table.caslib,
        "kind": table.kind,
        "scope": table.scope,
        "rows": table.rows,
        "columns": table.columns,
        "created": table.created.isoformat(),
        "label": table.label,
        "size_bytes": table.size_bytes,
        "job": table.job_id,
    }


def _upload(context: Context, raw: dict[str, Json], started: float) -> Response:
    result = run_action(context, "table.upload", raw)
    return answer(succeeded(to_json(result), started), 201)


def _page(context: Context, name: str, selection: Selection) -> Response:
    limit = JSON_ROWS if selection.limit is None else min(selection.limit, JSON_ROWS)
    raw: dict[str, Json] = {
        "table": {"name": name, "caslib": selection.caslib, "where": selection.where},
        "fetchVars": selection.names,
        "sortBy": selection.keys,
        "offset": selection.first,
        "limit": limit,
    }
    rows = run_action(context, "table.fetch", raw).tables["Fetch"]
    return answer(
        {
            "columns": [asdict(column) for column in rows.columns],
            "rows": [[json_value(cell) for cell in row] for row in rows.rows],
            "title": rows.title,
            "from": selection.first,
            "to": selection.first + len(rows.rows),
        }
    )


def _stream(context: Context, name: str, selection: Selection, media_type: str) -> Response:
    reference = from_wire(
        TableRef, {"name": name, "caslib": selection.caslib, "where": selection.where}
    )
    table = open_table(
        context,
        reference,
        order=tuple(SortItem(name=str(key)).parsed for key in selection.keys),
        offset=selection.first,
        limit=selection.limit,
        columns=tuple(str(each) for each in selection.names),
    )
    # The first rows are read before the answer begins, while a failure still has a status.
    batches = _begun(table.batches())
    pieces = ENCODERS[media_type](table.schema, batches)
    return StreamingResponse(pieces, media_type=media_type)


def _begun(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    first = next(batches, None)
    return batches if first is None else chain([first], batches)

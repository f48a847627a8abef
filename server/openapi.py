"""The description of the interface: every action is an operation with parameters of its own."""

from typing import Any

from actions.registry import ACTIONS, Action
from actions.spelling import json_schema

Document = dict[str, Any]

ACTION_PATH = "/v1/actions/{name}"

_CELL = {"type": ["string", "number", "boolean", "null"]}

SCHEMAS: Document = {
    "Error": {
        "type": "object",
        "title": "Error",
        "description": "The body of every answer that is not a success.",
        "properties": {
            "ok": {"const": False},
            "code": {"type": "string", "description": "Stable name of the kind of failure."},
            "message": {"type": "string"},
            "details": {"type": "object", "description": "Facts of the failure as JSON values."},
            "status": {"type": "integer", "description": "The HTTP status, once more."},
        },
        "required": ["ok", "code", "message", "details", "status"],
    },
    "ResultTable": {
        "type": "object",
        "title": "ResultTable",
        "properties": {
            "columns": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "name": {"type": "string"},
                        "type": {
                            "enum": ["string", "int64", "double", "bool", "binary", "datetime"]
                        },
                        "label": {"type": "string"},
                    },
                    "required": ["name", "type", "label"],
                },
            },
            "rows": {"type": "array", "items": {"type": "array", "items": _CELL}},
            "title": {"type": "string"},
        },
        "required": ["columns", "rows", "title"],
    },
    "ActionResult": {
        "type": "object",
        "title": "ActionResult",
        "properties": {
            "ok": {"const": True},
            "tables": {
                "type": "object",
                "additionalProperties": {"$ref": "#/components/schemas/ResultTable"},
            },
            "values": {"type": "object"},
            "messages": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "level": {"enum": ["note", "warning", "error"]},
                        "text": {"type": "string"},
                    },
                    "required": ["level", "text"],
                },
            },
            "elapsed_s": {"type": "number", "description": "Seconds the call took."},
            "job": {"type": ["string", "null"], "description": "The job it ran as, if any."},
        },
        "required": ["ok", "tables", "values", "messages", "elapsed_s", "job"],
    },
    "Session": {
        "type": "object",
        "title": "Session",
        "properties": {
            "id": {"type": "string"},
            "name": {"type": "string"},
            "user": {"type": "string"},
            "caslib": {"type": "string", "description": "The active caslib."},
            "priority": {"type": "integer", "description": "Of its jobs, -100 to 100."},
            "created": {"type": "string", "format": "date-time"},
            "used": {"type": "string", "format": "date-time"},
        },
        "required": ["id", "name", "user", "caslib", "priority", "created", "used"],
    },
    "Job": {
        "type": "object",
        "title": "Job",
        "properties": {
            "id": {"type": "string"},
            "action": {"type": "string"},
            "session": {"type": "string"},
            "state": {"enum": ["queued", "running", "done", "failed", "cancelled"]},
            "created": {"type": "string", "format": "date-time"},
            "started": {"type": ["string", "null"], "format": "date-time"},
            "finished": {"type": ["string", "null"], "format": "date-time"},
            "error": {"type": ["object", "null"], "description": "code, message and details."},
            "cancel_requested": {"type": "boolean"},
            "attempt": {"type": "integer", "description": "How often a worker has taken it."},
            "priority": {"type": "integer", "description": "-100 to 100; higher is sooner."},
            "result": {"type": "object", "description": "tables, values and messages, when done."},
        },
        "required": [
            "id", "action", "session", "state", "created", "started", "finished", "error",
            "cancel_requested",
        ],
    },
}  # fmt: skip

ANSWERS: dict[tuple[str, str], tuple[str, Document]] = {
    ("/v1/sessions", "post"): ("201", {"$ref": "#/components/schemas/Session"}),
    ("/v1/sessions/{session_id}", "get"): ("200", {"$ref": "#/components/schemas/Session"}),
    ("/v1/jobs/{job_id}", "get"): ("200", {"$ref": "#/components/schemas/Job"}),
    ("/v1/jobs/{job_id}", "delete"): ("202", {"$ref": "#/components/schemas/Job"}),
    ("/v1/tables/{name}", "put"): ("201", {"$ref": "#/components/schemas/ActionResult"}),
}
"""What routes answer that answer more than a list."""


def describe(plain: Document) -> Document:
    """Return the description of the application with typed actions, bodies and errors.

    Args:
        plain: what the framework knows: paths, their parameters and summaries.
    """
    paths: Document = {}
    for path, methods in plain["paths"].items():
        if path == ACTION_PATH:
            paths[path] = {"get": _with_error(methods["get"])}
            header_parameters = [
                each for each in methods["post"]["parameters"] if each["in"] == "header"
            ]
            for action in ACTIONS.values():
                if not action.takes_upload:
                    paths[f"/v1/actions/{action.name}"] = {
                        "post": _operation(action, header_parameters)
                    }
            continue
        paths[path] = {method: _route(path, method, each) for method, each in methods.items()}
    components = {
        "schemas": SCHEMAS,
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
    }
    return {**plain, "paths": paths, "components": components, "security": [{}, {"token": []}]}


def _operation(action: Action, parameters: list[Document]) -> Document:
    operation: Document = {
        "operationId": action.name,
        "summary": action.summary,
        "tags": [action.name.partition(".")[0]],
        "parameters": parameters,
        "requestBody": {"content": {"application/json": {"schema": json_schema(action.params)}}},
        "responses": {"200": _json("The action is done.", _ref("ActionResult"))},
    }
    if action.runs == "job":
        accepted = {"type": "object", "properties": {"ok": {"const": True}, "job": _ref("Job")}}
        operation["responses"]["202"] = _json("The job was accepted.", accepted)
    return _with_error(operation)


def _route(path: str, method: str, operation: Document) -> Document:
    answers = dict(operation["responses"])
    answers.pop("422", None)  # this server answers 400 instead
    known = ANSWERS.get((path, method))
    if known is not None:
        status, schema = known
        answers = {status: _json("It went well.", schema)}
    extra: Document = {}
    if (path, method) == ("/v1/sessions", "post"):
        named = {
            "type": "object",
            "properties": {"name": {"type": "string"}, "priority": {"type": "integer"}},
        }
        extra["requestBody"] = {"content": {"application/json": {"schema": named}}}
    if method == "put":
        binary = {"schema": {"type": "string", "format": "binary"}}
        extra["requestBody"] = {"required": True, "content": {"application/octet-stream": binary}}
    return _with_error({**operation, **extra, "responses": answers})


def _with_error(operation: Document) -> Document:
    failed = _json("It did not go well.", _ref("Error"))
    answers = {status: each for status, each in operation["responses"].items() if status != "422"}
    return {**operation, "responses": {**answers, "default": failed}}


def _json(description: str, schema: Document) -> Document:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _ref(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from actions.registry import ACTIONS
from tests.server.running import Running

Document = dict[str, Any]

RESPONSE: Document = {
    "type": "object",
    "required": ["description"],
    "properties": {
        "description": {"type": "string"},
        "content": {
            "type": "object",
            "propertyNames": {"pattern": r"^[^/ ]+/[^/ ]+$"},
            "additionalProperties": {
                "type": "object",
                "properties": {"schema": {"type": "object"}},
            },
        },
    },
}
PARAMETER: Document = {
    "type": "object",
    "required": ["name", "in", "schema"],
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "in": {"enum": ["query", "header", "path", "cookie"]},
        "required": {"type": "boolean"},
        "schema": {"type": "object"},
    },
    "if": {"properties": {"in": {"const": "path"}}},
    "then": {"required": ["required"], "properties": {"required": {"const": True}}},
}
OPERATION: Document = {
    "type": "object",
    "required": ["operationId", "responses"],
    "properties": {
        "operationId": {"type": "string", "minLength": 1},
        "summary": {"type": "string"},
        "description": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "parameters": {"type": "array", "items": PARAMETER},
        "requestBody": {
            "type": "object",
            "required": ["content"],
            "properties": {"content": {"type": "object", "minProperties": 1}},
        },
        "responses": {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": "^([1-5][0-9][0-9]|default)$"},
            "additionalProperties": RESPONSE,
        },
    },
}
STRUCTURE: Document = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["openapi", "info", "paths"],
    "properties": {
        "openapi": {"type": "string", "pattern": r"^3\.1\.\d+$"},
        "info": {
            "type": "object",
            "required": ["title", "version"],
            "properties": {"title": {"type": "string"}, "version": {"type": "string"}},
        },
        "paths": {
            "type": "object",
            "propertyNames": {"pattern": "^/"},
            "additionalProperties": {
                "type": "object",
                "propertyNames": {"enum": ["get", "put", "post", "delete"]},
                "additionalProperties": OPERATION,
            },
        },
        "components": {
            "type": "object",
            "properties": {
                "schemas": {"type": "object", "additionalProperties": {"type": "object"}}
            },
        },
        "security": {"type": "array", "items": {"type": "object"}},
    },
}
"""The parts of the OpenAPI Specification 3.1.0, section 4.8, that the description uses."""


@pytest.fixture(scope="module")
def document(served: Running) -> Document:
    found: Document = served.client.get("/openapi.json").json()
    return found


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def schemas(value: Any) -> Iterator[Document]:
    if isinstance(value, dict):
        for key, each in value.items():
            if key == "schema":
                yield each
            yield from schemas(each)
    elif isinstance(value, list):
        for each in value:
            yield from schemas(each)


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            if key == "$ref":
                yield each
            else:
                yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def test_the_description_has_the_structure_of_openapi(document: Document) -> None:
    errors = [error.message for error in Draft202012Validator(STRUCTURE).iter_errors(document)]

    assert errors == []


def test_the_check_of_the_structure_can_fail(document: Document) -> None:
    broken = {**document, "paths": {"/x": {"get": {"responses": {}}}}}

    assert list(Draft202012Validator(STRUCTURE).iter_errors(broken))


def test_every_schema_is_a_json_schema(document: Document) -> None:
    found = [*schemas(document["paths"]), *document["components"]["schemas"].values()]

    assert len(found) > 50
    for schema in found:
        Draft202012Validator.check_schema(schema)


def test_every_reference_leads_somewhere(document: Document) -> None:
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}

    assert set(references(document)) <= known


def test_operations_have_names_of_their_own(document: Document) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]

    assert len(names) == len(set(names))


def test_parameters_of_a_path_are_those_in_its_text(document: Document) -> None:
    for path, _, operation in operations(document):
        told = {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
        written = {part[1:-1] for part in path.split("/") if part.startswith("{")}
        assert told == written, path


def test_every_action_is_an_operation_with_its_own_parameters(document: Document) -> None:
    for action in ACTIONS.values():
        if action.takes_upload:
            assert f"/v1/actions/{action.name}" not in document["paths"]
            continue
        operation = document["paths"][f"/v1/actions/{action.name}"]["post"]
        body = operation["requestBody"]["content"]["application/json"]["schema"]
        assert operation["operationId"] == action.name
        assert operation["summary"] == action.summary
        assert body["additionalProperties"] is False
        assert ("202" in operation["responses"]) == (action.runs == "job")

    echo = document["paths"]["/v1/actions/trial.echo"]["post"]
    properties = echo["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert list(properties) == ["epochs", "pauseS", "text"]


def test_every_operation_tells_of_the_error_body(document: Document) -> None:
    for path, method, operation in operations(document):
        told = operation["responses"]["default"]["content"]["application/json"]["schema"]
        assert told == {"$ref": "#/components/schemas/Error"}, (path, method)
        assert "422" not in operation["responses"]


def test_answers_are_what_the_description_says(served: Running, document: Document) -> None:
    def check(name: str, answer: httpx.Response) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        Draft202012Validator(schema).validate(answer.json())

    client = served.client
    job = client.post("/v1/actions/trial.train", headers={"Prefer": "respond-async"}).json()["job"]
    check("ActionResult", client.post("/v1/actions/trial.echo"))
    check("ActionResult", client.put("/v1/tables/described", content=b"x\n1\n"))
    check("Error", client.post("/v1/actions/trial.refuse"))
    check("Error", client.get("/nowhere"))
    check("Session", client.post("/v1/sessions"))
    check("Job", client.get(f"/v1/jobs/{job['id']}"))
    check("Job", client.delete(f"/v1/jobs/{job['id']}"))


def test_the_description_is_also_below_v1(served: Running, document: Document) -> None:
    assert served.client.get("/v1/openapi.json").json() == document


def test_actions_and_layers_describe_themselves(served: Running) -> None:
    listed = served.client.get("/v1/actions").json()["actions"]
    echo = served.client.get("/v1/actions/trial.fit").json()
    layers = {each["type"]: each for each in served.client.get("/v1/layers").json()["layers"]}

    assert {each["name"] for each in listed} == set(ACTIONS)
    assert echo["name"] == "trial.train"
    assert echo["aliases"] == ["trial.fit"]
    assert echo["runs"] == "job"
    assert echo["summary"] == "Report epochs, and stop when asked to."
    assert echo["parameters"]["properties"]["epochs"]["default"] == 3
    assert "nFilters" not in layers["fc"]["options"]["properties"]
    assert "convolution" in layers or "convo" in layers
    for layer in layers.values():
        Draft202012Validator.check_schema(layer["options"])

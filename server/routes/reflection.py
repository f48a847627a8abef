"""What can be called: actions, their parameters, and layer types, as JSON Schema."""

from fastapi import APIRouter, Response

from actions.registry import ACTIONS, Action, find
from actions.results import Json
from actions.spelling import json_schema
from engine.layers.base import LAYERS
from server.routes.dependencies import Caller, answer

router = APIRouter(prefix="/v1", tags=["reflection"])


def action_json(action: Action) -> dict[str, Json]:
    """Return an action as the wire tells it, without its parameters."""
    return {
        "name": action.name,
        "summary": action.summary,
        "runs": action.runs,
        "aliases": list(action.aliases),
    }


@router.get("/actions")
def list_actions(user: Caller) -> Response:
    """List the actions."""
    del user
    return answer({"actions": [action_json(action) for action in ACTIONS.values()]})


@router.get("/actions/{name}")
def show_action(user: Caller, name: str) -> Response:
    """Return an action and the JSON Schema of its parameters."""
    del user
    action = find(name)
    return answer({**action_json(action), "parameters": json_schema(action.params)})


@router.get("/layers")
def list_layers(user: Caller) -> Response:
    """List the layer types with the JSON Schema of their options."""
    del user
    layers: list[Json] = [
        {
            "type": name,
            "aliases": list(layer.aliases),
            "summary": (layer.__doc__ or "").strip().partition("\n")[0],
            "options": json_schema(layer),
        }
        for name, layer in LAYERS.items()
    ]
    return answer({"layers": layers})

"""The action set ``deepLearn``: one file an action."""

from actions.deeplearn import add_layer, build_model, model_info, remove_layer

__all__ = ["add_layer", "build_model", "model_info", "remove_layer"]

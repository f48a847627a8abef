"""The action set ``deepLearn``: one file an action."""

from actions.deeplearn import (
    add_layer,
    build_model,
    dl_export_model,
    dl_import_model_weights,
    dl_join,
    dl_label_target,
    dl_prune,
    dl_score,
    dl_train,
    dl_tune,
    model_info,
    remove_layer,
)

__all__ = [
    "add_layer",
    "build_model",
    "dl_export_model",
    "dl_import_model_weights",
    "dl_join",
    "dl_label_target",
    "dl_prune",
    "dl_score",
    "dl_train",
    "dl_tune",
    "model_info",
    "remove_layer",
]

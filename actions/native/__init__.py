"""The action set ``castorch``: what CAS has no action for."""

from actions.native import (
    build_architecture,
    check_model,
    declare_model,
    fc_to_conv,
    feature_maps,
    filters,
    fold_batch_norm,
    heat_map,
    list_architectures,
    load_annotations,
    load_idx,
    load_word_vectors,
    model_graph,
    replace_head,
    summary,
    tokenize_text,
)

__all__ = [
    "build_architecture",
    "check_model",
    "declare_model",
    "fc_to_conv",
    "feature_maps",
    "filters",
    "fold_batch_norm",
    "heat_map",
    "list_architectures",
    "load_annotations",
    "load_idx",
    "load_word_vectors",
    "model_graph",
    "replace_head",
    "summary",
    "tokenize_text",
]

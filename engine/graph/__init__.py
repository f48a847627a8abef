"""Graphs: declared layers, what can be said of them without a tensor."""

"""Loops over memory that neither Python nor a call of torch's does in one pass, in C.

They are compiled where the package is built (``hatch_build.py``), once for each set of
instructions, and are left out where there is no compiler; then torch's own operations are used.
"""

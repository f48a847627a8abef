"""Functions a caller writes: parsed, checked, and compiled to torch operations; never evaluated."""

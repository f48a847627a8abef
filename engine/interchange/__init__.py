"""Models and weights as files: our own format, and those of others."""

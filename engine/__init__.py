"""Declared networks and the torch programs made of them; knows no HTTP, no SQL and no action."""

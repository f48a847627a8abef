"""The declared surface: every action, its parameters, and what it answers."""

"""Faults on purpose, and a checker that knows what every client was told; ``python -m tests.faults --help``."""

"""Parsers and the client's core against any input: always by hypothesis, and by atheris where it is installed.

`python -m tests.fuzz --atheris SECONDS` gives each of `harnesses.HARNESSES` that long.
"""

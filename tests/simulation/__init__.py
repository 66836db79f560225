"""A whole encchat in one process: real server, real client cores, time by hand, and faults drawn from a seed.

`run` makes one world, lets it suffer, heals it and checks the promises; `python -m tests.simulation` makes many.
"""

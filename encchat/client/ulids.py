"""The ids of messages: `encchat.ulids`."""

from encchat.ulids import UlidMaker

__all__ = ["UlidMaker"]

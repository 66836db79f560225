"""Hostile clients against a real server, with honest ones beside them that say what it cost them."""

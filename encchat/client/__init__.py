"""The encchat client: a core that knows no sockets, faces for people and programs, and a library for bots."""

"""Rooms as this client has them: what it knows of each, who is really in it, what the commands do; knows no sockets."""

"""The list of what every encchat server knows to answer."""

from __future__ import annotations

from encchat.wire.file_requests import FILE_REQUESTS
from encchat.wire.key_requests import KEY_REQUESTS
from encchat.wire.requests import ADMIN_REQUESTS, CHAT_REQUESTS, Request
from encchat.wire.room_requests import ROOM_REQUESTS

BUILT_IN: tuple[type[Request], ...] = (*CHAT_REQUESTS, *ROOM_REQUESTS, *KEY_REQUESTS, *FILE_REQUESTS, *ADMIN_REQUESTS)
"""The requests every encchat server knows; commands from plugins bring their own."""

"""What an administrator can set; the defaults are what a small team wants."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

from encchat import envelopes, limits
from encchat.wire import Registration

LogLevelName = Literal["debug", "info", "warn", "error", "critical"]


@frozen
class Settings:
    """All of it is reloadable except what names keys, suites or endpoints, which stand in the options."""

    server_name: str = "encchat"
    motd: str = ""
    registration: Registration = "invite"
    log_level: LogLevelName = "info"
    keepalive: float = limits.KEEPALIVE_SECONDS
    handshake_seconds: float = limits.HANDSHAKE_SECONDS
    unauthenticated_seconds: float = limits.UNAUTHENTICATED_SECONDS
    unauthenticated_bytes: int = limits.UNAUTHENTICATED_BYTES
    connections_per_address: int = limits.CONNECTIONS_PER_ADDRESS
    handshakes_per_second: float = limits.HANDSHAKES_PER_ADDRESS_PER_SECOND
    handshakes_burst: float = limits.HANDSHAKES_PER_ADDRESS_BURST
    request_rate: float = limits.REQUEST_RATE
    request_burst: float = limits.REQUEST_BURST
    max_unsent: int = limits.MAX_UNSENT
    admin_seconds: float = limits.ADMIN_SECONDS
    stop_seconds: float = limits.STOP_SECONDS
    lobby_history: int = limits.LOBBY_HISTORY
    retain_lobby_count: int = limits.RETAIN_LOBBY_COUNT
    retain_lobby_days: int = 0
    retain_direct_count: int = 0
    retain_direct_days: int = 0
    retain_room_count: int = 0
    retain_room_days: int = 0
    max_file_size: int = limits.MAX_FILE_SIZE
    file_retention: int = limits.FILE_RETENTION_DAYS
    schemes: tuple[str, ...] = envelopes.SCHEMES

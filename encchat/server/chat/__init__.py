"""The chat's rules: who is here, who hears what, who may do what to whom. Knows no sockets and no store."""

from encchat.server.chat.chat import Chat
from encchat.server.chat.delivery import Delivery
from encchat.server.chat.files import check_not_lobby, check_size, key_of_room, may_fetch
from encchat.server.chat.permissions import (
    check_addresses,
    check_confirm,
    check_kick,
    check_network,
    check_override,
    check_partners,
    check_role_change,
    check_sanction,
)
from encchat.server.chat.routes import LOBBY_ROUTE, Route, message_deliveries

__all__ = [
    "LOBBY_ROUTE",
    "Chat",
    "Delivery",
    "Route",
    "check_addresses",
    "check_confirm",
    "check_kick",
    "check_network",
    "check_not_lobby",
    "check_override",
    "check_partners",
    "check_role_change",
    "check_sanction",
    "check_size",
    "key_of_room",
    "may_fetch",
    "message_deliveries",
]

"""What a server command is: a verb, a request type, declared needs and a handler; also as a Twisted plugin."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from enum import Enum
from typing import Any, Final, Literal, TypeAlias, get_type_hints

from attrs import field, frozen
from msgspec import inspect, structs
from twisted.internet.defer import Deferred
from twisted.plugin import IPlugin
from zope.interface import Attribute, Interface, implementer

from encchat.errors import ConfigurationError
from encchat.server.context import Context
from encchat.server.meters import RequestKind
from encchat.wire import ParameterEntry, Request, Result, Role

_Kind: TypeAlias = Literal["string", "integer", "number", "boolean"]


class Later(Enum):
    """What a handler returns that will call `Context.finish` itself: no Deferred on the way of a message."""

    LATER = "later"


LATER: Final = Later.LATER
Answer: TypeAlias = Result | Later | None
Outcome: TypeAlias = Answer | Deferred[Any] | Coroutine[Deferred[Any], Any, Answer]
Handler: TypeAlias = Callable[[Context, Any], Outcome]


@frozen
class Needs:
    """What must be so before a command's handler runs; the dispatcher sees to it.

    ``login``: True after a login only, False before it only, None either way. ``role``: this one or a
    higher. ``admin``: a password confirmation that has not expired. ``cost``: in units of
    `encchat.limits.REQUEST_RATE`, and ``kind`` is the flood it counts for. ``in_order``: the connection's later
    requests wait for the answer. ``voice``: not while muted. ``audited``: done or refused, it goes to the audit log.
    ``typed``: a person may type it; False for what only clients ask by themselves.
    """

    login: bool | None = True
    role: Role = "user"
    admin: bool = False
    cost: float = 1.0
    in_order: bool = False
    kind: RequestKind = "query"
    voice: bool = False
    audited: bool = False
    typed: bool = True


class ICommand(Interface):
    """A server command; what provides it and stands in ``encchat.plugins`` is found at start."""

    verb = Attribute("The request's ``type``, and what a person types after the slash.")
    request = Attribute("The `Request` subclass that decodes it.")
    needs = Attribute("Its `Needs`.")
    help = Attribute("One line on what it does.")

    def handle(context: Context, request: Request) -> Outcome:  # type: ignore[misc]  # a zope method has no self
        """Do it: return a wire result or None, or a Deferred or coroutine of one; `RequestError` refuses it."""


@implementer(ICommand, IPlugin)
@frozen(slots=False)
class Command:
    """`ICommand` made of a function, by `command`."""

    request: type[Request]
    handle: Handler
    help: str
    needs: Needs
    verb: str = field(init=False)

    @verb.default
    def _verb_of_request(self) -> str:
        return str(self.request.__struct_config__.tag)


def command(
    help: str,
    *,
    login: bool | None = True,
    role: Role = "user",
    admin: bool = False,
    cost: float = 1.0,
    in_order: bool = False,
    kind: RequestKind = "query",
    voice: bool = False,
    audited: bool = False,
    typed: bool = True,
) -> Callable[[Handler], Command]:
    """Make a `Command` of a function ``(context, request: SomeRequest)``; the keywords are those of `Needs`."""

    def decorate(handler: Handler) -> Command:
        needs = Needs(
            login=login,
            role=role,
            admin=admin,
            cost=cost,
            in_order=in_order,
            kind=kind,
            voice=voice,
            audited=audited,
            typed=typed,
        )
        return Command(_request_type(handler), handler, help, needs)

    return decorate


def _request_type(handler: Handler) -> type[Request]:
    hints = get_type_hints(handler)
    kind = hints.get("request")
    if not (isinstance(kind, type) and issubclass(kind, Request) and kind is not Request):
        name = getattr(handler, "__name__", repr(handler))
        raise ConfigurationError(
            f"the command {name} must say which request it takes:"
            f" def {name}(context, request: R), R a subclass of encchat.wire.Request with a tag"
        )
    return kind


def parameters_of(request: type[Request]) -> tuple[ParameterEntry, ...]:
    """The request's fields as a person types them, without ``id``; `ConfigurationError` for one that cannot be."""
    return tuple(_parameter(request, info) for info in structs.fields(request) if info.name != "id")


def _parameter(request: type[Request], info: structs.FieldInfo) -> ParameterEntry:
    kind = _kind(inspect.type_info(info.type))
    if kind is None:
        raise ConfigurationError(
            f"{request.__name__}.{info.name} is {info.type}; only str, int, float and bool can be typed"
        )
    return ParameterEntry(name=info.encode_name, type=kind, required=info.required)


def _kind(described: inspect.Type) -> _Kind | None:
    match described:
        case inspect.UnionType(types=types):
            kinds = {_kind(member) for member in types if not isinstance(member, inspect.NoneType)}
            return kinds.pop() if len(kinds) == 1 else None
        case inspect.LiteralType(values=values):
            return "string" if all(isinstance(value, str) for value in values) else None
        case inspect.StrType():
            return "string"
        case inspect.IntType():
            return "integer"
        case inspect.FloatType():
            return "number"
        case inspect.BoolType():
            return "boolean"
    return None

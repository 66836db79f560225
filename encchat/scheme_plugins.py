"""How a plugin in ``encchat.plugins`` says that it has a scheme for the client: a name, and where its class is.

Like twisted's ``ServiceMaker`` this names the class without importing it, so that looking through plugins stays cheap
and a server never loads a client's code.
"""

from __future__ import annotations

from typing import Any

from attrs import frozen
from twisted.plugin import IPlugin
from twisted.python.reflect import namedAny
from zope.interface import Attribute, Interface, implementer


class IScheme(Interface):
    """A way to encrypt conversations end to end; `encchat.e2e.interfaces.Scheme` says what the made object does."""

    name = Attribute("Its word on the wire: lower-case letters, digits and hyphens, at most 32.")
    insecure = Attribute("Whether it is found only by clients that were started for teaching.")

    def make() -> Any:  # type: ignore[misc]  # a zope method has no self
        """A new scheme object, for one client."""


@implementer(IPlugin, IScheme)
@frozen(slots=False)
class SchemePlugin:
    """The scheme ``name``, made by calling ``factory`` (``package.module.Class``) without arguments."""

    name: str
    factory: str
    insecure: bool = False

    def make(self) -> Any:
        """A new one."""
        return namedAny(self.factory)()

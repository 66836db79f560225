"""Endpoint strings of the encrypted channel: ``noise:`` around the string of any other endpoint.

Every twistd looks at this module to know its plugins, so what the channel is made of is imported when a string is
parsed and not before.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IStreamClientEndpointStringParserWithReactor, IStreamServerEndpointStringParser
from twisted.plugin import IPlugin
from zope.interface import implementer


@implementer(IPlugin, IStreamServerEndpointStringParser)
class NoiseServerParser:
    r"""``noise:tcp\:5000:identity=FILE[:static=FILE][:suites=a,b][:rsa=FILE]``

    The identity's file, and the static key's if one is named, are made if they are missing; without ``static`` the
    static key is a new one each time, which the identity vouches for all the same.
    """

    prefix = "noise"

    def parseStreamServer(self, reactor: Any, *args: str, **kwargs: str) -> Any:
        from encchat.net.descriptions import server_endpoint

        return server_endpoint(reactor, args, kwargs)


@implementer(IPlugin, IStreamClientEndpointStringParserWithReactor)
class NoiseClientParser:
    r"""``noise:tcp\:HOST\:PORT:pin=FINGERPRINT[:suite=NAME][:key=FILE]``

    ``pin`` is the server's fingerprint, its own colon written ``\:`` or its ``SHA256:`` left away, or ``any`` for
    whoever answers. ``key`` is the file of the client's static key, made if missing; without it the endpoint
    makes itself one.
    """

    prefix = "noise"

    def parseStreamClient(self, reactor: Any, *args: str, **kwargs: str) -> Any:
        from encchat.net.descriptions import client_endpoint

        return client_endpoint(reactor, args, kwargs)

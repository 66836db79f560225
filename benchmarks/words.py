"""The IRC server of Twisted itself, as a peer of the relay benchmark: ``python -m benchmarks.words [CERTIFICATE]``.

Prints its port. It takes everybody for who they say they are and limits nothing.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.portal import Portal
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, succeed
from twisted.words.service import InMemoryWordsRealm, IRCFactory
from zope.interface import implementer

reactor: Any = _reactor


@implementer(ICredentialsChecker)
class _Everybody:
    credentialInterfaces = (IUsernamePassword,)

    def requestAvatarId(self, credentials: Any) -> Deferred[str]:
        name = credentials.username
        return succeed(name.decode() if isinstance(name, bytes) else name)


def main(certificate: str | None = None) -> None:
    """Serve until killed."""
    realm: Any = InMemoryWordsRealm("words.localhost")
    realm.createGroupOnRequest = realm.createUserOnRequest = True
    factory: Any = IRCFactory(realm, Portal(realm, [_Everybody()]))
    port = reactor.listenTCP(0, _over_tls(factory, certificate), interface="127.0.0.1", backlog=1024)
    print(port.getHost().port, flush=True)
    reactor.run()


def _over_tls(factory: Any, certificate: str | None) -> Any:
    if certificate is None:
        return factory
    from twisted.internet.ssl import PrivateCertificate  # only where pyOpenSSL is
    from twisted.protocols.tls import TLSMemoryBIOFactory

    with open(certificate, "rb") as file:
        options = PrivateCertificate.loadPEM(file.read()).options()
    return TLSMemoryBIOFactory(options, False, factory)


if __name__ == "__main__":
    main(*sys.argv[1:2])

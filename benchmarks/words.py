"""The IRC server of Twisted itself, over TLS: ``python -m benchmarks.words KEY CERTIFICATE PORT``.

It takes everybody for who they say they are and limits nothing.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.portal import Portal
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.ssl import PrivateCertificate
from twisted.words.service import InMemoryWordsRealm, IRCFactory
from zope.interface import implementer

reactor: Any = _reactor


@implementer(ICredentialsChecker)
class _Everybody:
    credentialInterfaces = (IUsernamePassword,)

    def requestAvatarId(self, credentials: Any) -> Deferred[str]:
        name = credentials.username
        return succeed(name.decode() if isinstance(name, bytes) else name)


def main(key: str, certificate: str, port: str) -> None:
    """Serve until killed."""
    realm: Any = InMemoryWordsRealm("words.localhost")
    realm.createGroupOnRequest = realm.createUserOnRequest = True
    factory: Any = IRCFactory(realm, Portal(realm, [_Everybody()]))
    with open(key, "rb") as one, open(certificate, "rb") as other:
        options = PrivateCertificate.loadPEM(one.read() + other.read()).options()
    reactor.listenSSL(int(port), factory, options, interface="127.0.0.1", backlog=1024)
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:4])

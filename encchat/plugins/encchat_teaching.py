"""The scheme for teaching, which only clients with ``--insecure-teaching-scheme`` find."""

from encchat.scheme_plugins import SchemePlugin

ffdhe_rc4 = SchemePlugin("insecure-ffdhe-rc4", "encchat.teaching.scheme.TeachingScheme", insecure=True)

"""Twisted's side of the encrypted channel: wrapper protocol, endpoints, line receiver, outbox, admission."""

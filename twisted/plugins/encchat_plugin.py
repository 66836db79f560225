"""What encchat adds to Twisted: the server for twistd, reactors for ``--reactor``, and the channel as endpoints."""

from twisted.application.reactors import Reactor
from twisted.application.service import ServiceMaker

from encchat.net.parsers import NoiseClientParser, NoiseServerParser

encchat_server = ServiceMaker("encchat", "encchat.server.tap", "An encrypted chat server", "encchat")
encchat_reactor = Reactor("encchat", "encchat.net.reactor", "epoll(7) with less work for each turn, for encchat")
uvloop_reactor = Reactor("uvloop", "encchat.net.uvloop_reactor", "asyncio based reactor on uvloop")
noise_server = NoiseServerParser()
noise_client = NoiseClientParser()

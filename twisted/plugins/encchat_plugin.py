"""What encchat adds to Twisted: the server for twistd, and the channel as endpoints."""

from twisted.application.service import ServiceMaker

from encchat.net.parsers import NoiseClientParser, NoiseServerParser

encchat_server = ServiceMaker("encchat", "encchat.server.tap", "An encrypted chat server", "encchat")
noise_server = NoiseServerParser()
noise_client = NoiseClientParser()

"""The tty face's pieces that know neither Twisted nor a running prompt: views, bar, paint, what typing needs.

`encchat.client.faces.tty` runs them, `encchat.client.faces.prompts` joins what has to do with typing.
"""

"""Keys as people meet them: what the commands do, and what becomes of messages whose key is not there.

The keys themselves are `encchat.e2e`'s; how messages meet them on their way is in `encchat.client.privacy`.
"""

"""Files on their way, sealed piece by piece: what the commands do, each upload and download, and the disk; no sockets.

`actions` is what the rest of the client calls; it tells `transfers`, which lets `uploads` and `downloads` take turns.
"""

"""Many who log in by password, over and over: ``python -m benchmarks.storm PORT FIRST COUNT``, until a line comes.

The accounts are those of a `benchmarks.crowd` from the number ``FIRST`` on. Says so when the first is in, and in the
end how many were let in a second.
"""

from __future__ import annotations

import os
import sys
import time
from threading import Event, Lock, Thread
from typing import Final

from attrs import define, field
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from benchmarks import cores
from benchmarks.members import EncchatMember

_NICE: Final = 10
"""The talk's generator is on the same core, and it is not what is to be disturbed."""


@define
class Storm:
    """One connection at a time for each account, all at once."""

    port: int
    count: int = 0
    began: Event = field(factory=Event)
    over: Event = field(factory=Event)
    _counting: Lock = field(factory=Lock)

    def rage(self, number: int) -> None:
        """Log in until it is over."""
        member = EncchatMember(("127.0.0.1", self.port), number)
        key = X25519PrivateKey.generate()
        while not self.over.is_set():
            member.log_in_by_password(key)
            member.socket.close()
            with self._counting:
                self.count += 1
            self.began.set()


def main(port: str, first: str, count: str) -> None:
    """Until told to stop."""
    cores.prepare_generator()
    os.nice(_NICE)
    storm = Storm(int(port))
    threads = [Thread(target=storm.rage, args=(int(first) + number,)) for number in range(int(count))]
    for thread in threads:
        thread.start()
    storm.began.wait()
    print("begun", flush=True)
    began, before = time.monotonic(), storm.count
    sys.stdin.readline()
    rate = (storm.count - before) / (time.monotonic() - began)
    storm.over.set()
    for thread in threads:
        thread.join()
    print(rate, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:4])

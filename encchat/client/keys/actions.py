"""What the commands about keys do, and how what the keys' machine tells is shown; knows no sockets."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Final

from attrs import define

from encchat import names
from encchat.client import events
from encchat.client.floor import Floor
from encchat.client.keys.machine import KeyMachine
from encchat.client.keys.reasons import reason_text
from encchat.client.rooms.known import Room
from encchat.e2e import interfaces as e2e
from encchat.envelopes import MEGOLM
from encchat.errors import EncchatError, NotConnectedError, NotEncryptedError, UsageError
from encchat.limits import MAX_LOCK_MEMBERS

_NO_KEYS: Final = (
    "there are no end-to-end keys here, because nothing can be kept safely: start again with the password, then they"
    " are made"
)


_LOCKS: Final = {"verified": "encrypted, verified", "pinned": "encrypted, pinned", "changed": "KEY CHANGED"}
"""By what is known of somebody's key; before anything is, it is encrypted all the same, for whoever will have one."""
_ENCRYPTED: Final = "encrypted"


@define(eq=False)
class TrustActions:
    """Each method may raise `EncchatError`, which is shown under the command's name."""

    _floor: Floor

    # Whether something is encrypted -----------------------------------------------------------------
    def lock(self, conversation: str) -> str:
        """How what is said in a conversation is protected, in a word or two, for the bottom bar."""
        if conversation == names.LOBBY:
            return "not end to end"
        machine = self._floor.machine
        if machine is None:
            return "no keys"
        if conversation.startswith("@"):
            return _weakest(machine, [conversation[1:]])
        room = self._floor.rooms.known(conversation)
        if room is None:
            return "not in it"
        deniable = ", deniable" if room.header.policy == "deniable" else ""
        ephemeral = ", off the record" if room.header.ephemeral else ""
        return self._scheme(machine, room) + deniable + ephemeral

    def _scheme(self, machine: KeyMachine, room: Room) -> str:
        """How a room is encrypted, and, if it is not too big, how far the keys of all others in it are believed."""
        if room.header.scheme != MEGOLM:
            return room.header.scheme
        own = names.folded(self._floor.user)
        others = [user for user in room.joined() if names.folded(user) != own]
        return _weakest(machine, others) if len(others) <= MAX_LOCK_MEMBERS else _ENCRYPTED

    def described(self, conversation: str) -> str:
        """The same behind the name of a conversation."""
        return f" ({self.lock(conversation)})"

    def insist(self, conversation: str) -> None:
        """Raise `NotEncryptedError` where what is said is not encrypted end to end."""
        refused = "nothing was sent:"
        if conversation == names.LOBBY:
            raise NotEncryptedError(
                f"{refused} in the lobby everybody reads, and the server too; /go @NAME, /connect NAME or /chat NAME"
                " first"
            )
        if self._floor.machine is None:
            raise NotEncryptedError(f"{refused} {_NO_KEYS}")
        room = self._floor.rooms.known(conversation)
        if room is not None and room.header.scheme == "server-key":
            raise NotEncryptedError(f"{refused} the server holds the key of {room.name}; /chat NAME opens another room")

    # Commands ---------------------------------------------------------------------------------------
    def verify(self, user: str) -> None:
        """Show the safety number, and compare by emoji if the other side is there."""
        self._knowing("/verify", user, self._verify)

    def _verify(self, machine: KeyMachine, user: str) -> None:
        number = machine.safety_number(user)
        self._floor.show(events.Verification(user=user, step="number", number=number))
        machine.verify(user)

    def stop_verifying(self, user: str) -> None:
        """What was compared was not the same."""
        self._machine().stop_verifying(user)

    def verified(self, user: str) -> None:
        """What was compared was the same."""
        self._machine().verified(user)

    def trust(self, user: str) -> None:
        """Accept a changed key."""
        self._machine().trust(user)
        self._floor.notice(f"the key of {user} is accepted; /verify {user} would make sure whose it is")

    def policy(self, policy: str) -> None:
        """Choose whose keys are written to; empty: say it."""
        machine = self._machine()
        if policy:
            machine.set_policy(policy)  # type: ignore[arg-type]
        said = {
            "first-use": "everybody is written to whose key is the first one seen, or was accepted or verified",
            "verified-only": "only those are written to whom you have verified",
            "always": "everybody is written to, whatever becomes of their keys",
        }
        self._floor.notice(f"{machine.policy}: {said[machine.policy]}")

    def fingerprint(self, user: str) -> None:
        """Show an identity key in short."""
        machine = self._machine()
        if not user or names.folded(user) == names.folded(self._floor.user):
            self._floor.notice(f"your key: {machine.fingerprint()}")
        else:
            self._knowing("/fingerprint", user, self._fingerprint)

    def _fingerprint(self, machine: KeyMachine, user: str) -> None:
        shown = machine.fingerprint(user)
        self._floor.notice(f"the key of {user} ({machine.trust_of(user)}): {shown}")

    def devices(self, user: str) -> None:
        """Show somebody's devices with their keys."""
        self._knowing("/devices", user, self._devices)

    def _devices(self, machine: KeyMachine, user: str) -> None:
        rows = [[device.device, device.ed25519] for device in machine.devices(user)]
        self._floor.show(events.Listing(title=f"devices of {user}", columns=["device", "key"], rows=rows))

    def approve(self, code: str) -> None:
        """Let another own device, which shows ``code``, have the identity key."""
        self._machine().approve(code)

    def recover(self, phrase: str) -> None:
        """Bring the keys here; without a phrase it is asked for."""
        machine = self._machine()
        if phrase:
            machine.recover(phrase)
        else:
            self._floor.ask_secret("Recovery phrase: ", machine.recover, "give the words in the line: /recover PHRASE")

    def recovery(self) -> None:
        """Show the recovery phrase."""
        self._floor.show(events.Recovery(phrase=self._machine().recovery_phrase()))

    def sign_with(self, algorithm: str) -> None:
        """Make a new identity key."""
        self._machine().sign_with(algorithm)

    def why(self, ulid: str) -> None:
        """Say what is wrong with a message, and what is being done about it."""
        machine, found = self._machine(), self._floor.unreadable(ulid)
        if found is None:
            raise UsageError(
                f"no message {ulid} waits here to be read" if ulid else "every message here could be read: /why ULID"
            )
        which, reason, session = found
        text = f"{which}: {reason_text(reason)}"
        self._floor.notice(f"{text}\n{machine.why(session)}" if session else text)

    def export_keys(self, path: str, passphrase: str) -> None:
        """Write the keys of past messages into a new file."""
        machine = self._machine()

        def write(passphrase: str) -> None:
            if not passphrase:
                raise UsageError("no passphrase, no file")
            machine.collect_keys(passphrase, partial(self._collected, path))

        self._with_passphrase(f"A passphrase for {path}: ", "export", passphrase, write)

    def _collected(self, path: str, sealed: bytes | EncchatError) -> None:
        """All keys there are, the account's backup included; this may be long after the command."""
        try:
            if isinstance(sealed, EncchatError):
                raise sealed
            self._floor.files.write(path, sealed)
        except EncchatError as error:
            self._floor.show_error(error.code, error.text, "/keys")
            return
        self._floor.notice(f"the keys of past messages are in {path}, sealed under that passphrase")

    def import_keys(self, path: str, passphrase: str) -> None:
        """Read such a file."""
        machine, sealed = self._machine(), self._floor.files.read(path)

        def read(passphrase: str) -> None:
            count = machine.import_keys(sealed, passphrase)
            self._floor.notice(f"{count} keys of past messages were new here")

        self._with_passphrase(f"The passphrase of {path}: ", "import", passphrase, read)

    def _with_passphrase(self, prompt: str, action: str, given: str, then: Callable[[str], None]) -> None:
        if given:
            then(given)
        else:
            self._floor.ask_secret(prompt, then, f"give the passphrase in the line: /keys {action} FILE PASSPHRASE")

    # What the machine tells -------------------------------------------------------------------------
    def tell(self, effect: e2e.Effect) -> None:
        """Show an effect, other than `KeyArrived`, which is not shown."""
        match effect:
            case e2e.IdentityChanged(user, vouched):
                self._floor.show(events.KeyChanged(user=user, announced=vouched))
            case e2e.Verification(user, step, emoji, decimals, reason):
                self._floor.show(
                    events.Verification(user=user, step=step, emoji=list(emoji), decimals=list(decimals), reason=reason)
                )
            case e2e.Recovery(phrase):
                self._floor.show(events.Recovery(phrase=phrase))
            case e2e.Warned(code, text):
                self._floor.show(events.Warned(code=code, text=text))
            case e2e.Unvouched(text):
                self._floor.show(events.Warned(code="unvouched", text=text))
            case _:
                pass

    def _knowing(self, label: str, user: str, act: Callable[[KeyMachine, str], None]) -> None:
        """Do it once what ``user`` has published is known, or with what is known where there is no connection."""
        machine = self._machine()

        def looked(error: EncchatError | None) -> None:
            try:
                if error is not None and not isinstance(error, NotConnectedError):
                    raise error
                act(machine, user)
            except EncchatError as refused:
                self._floor.show_error(refused.code, refused.text, label)

        machine.look_at(user, looked)

    def _machine(self) -> KeyMachine:
        machine = self._floor.machine
        if machine is None:
            raise NotEncryptedError(_NO_KEYS)
        return machine


def _weakest(machine: KeyMachine, users: Collection[str]) -> str:
    """What is known of all their keys: one that has changed is said, and only if all are verified are they verified."""
    known = {machine.trust_of(user) if machine.identities_of(user) else "" for user in users}
    for trust in ("changed", "pinned", ""):
        if trust in known:
            return _LOCKS.get(trust, _ENCRYPTED)
    return _LOCKS["verified"] if known else _ENCRYPTED

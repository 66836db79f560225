"""The wire: every line is either the value its types promise, or refused with a stable code."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat import limits, wire
from encchat.errors import MalformedRequestError, UnknownCommandError
from encchat.wire.events import ServerLine

ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"

IDENTITY = {"algorithm": "rsa", "key": "a2V5", "number": 2, "signature": "c2ln"}
SIGNED_KEY = {"id": "AAAAAAAAAAA", "key": "K" * 43, "signature": "c2ln"}
DEVICE_KEYS = {
    "user": "alice",
    "device": "abc",
    "curve25519": "C" * 43,
    "ed25519": "E" * 43,
    "rsa": "cnNh",
    "signature": "c2ln",
    "vouch": "dm91Y2g",
}

SEALED = "QUFBQUFBQUFBQUFBQUFBQUE="
"""A chunk of one byte, in base64."""

EXAMPLES: dict[str, dict[str, Any]] = {
    "register": {"user": "alice", "password": "correct horse", "invite": "abc", "device_name": "laptop"},
    "login": {"user": "alice", "password": "correct horse"},
    "login_device": {"user": "alice"},
    "forget_device": {},
    "commands": {},
    "users": {},
    "status": {"user": "bob"},
    "presence": {"presence": "AWAY"},
    "send": {"conversation": "@bob", "ulid": ULID, "body": "hello"},
    "conversations": {},
    "sync": {"conversation": "lobby", "after": 7, "limit": 50},
    "ack": {"conversation": "@bob", "seq": 2**32 + 1},
    "devices": {"action": "revoke", "device": "ABCDEFGHIJKL"},
    "connect": {"user": "bob"},
    "answer": {"user": "bob", "accept": False},
    "calls": {"policy": "ask"},
    "goodbye": {},
    "open_room": {
        "room": "#team",
        "ulid": ULID,
        "scheme": "server-key",
        "policy": "deniable",
        "history": "all",
        "open": True,
        "statement": "signed",
    },
    "invite": {"room": "#team", "user": "bob", "ulid": ULID, "statement": "signed"},
    "join": {"room": "#team", "ulid": ULID, "statement": "signed"},
    "decline": {"room": "#team", "ulid": ULID},
    "leave": {"room": "#team", "ulid": ULID},
    "expel": {"room": "#team", "user": "bob", "ulid": ULID},
    "member_role": {"room": "#team", "user": "bob", "role": "moderator", "ulid": ULID},
    "room_open": {"room": "#team", "open": True, "ulid": ULID},
    "who": {"room": "#team", "after": "bob"},
    "rooms": {},
    "get_room_key": {"room": "#team", "version": 3},
    "publish_identity": {"identity": IDENTITY, "vouches": [{"device": "abc", "vouch": "c2ln"}]},
    "upload_keys": {
        "generation": 3,
        "keys": DEVICE_KEYS,
        "one_time": [SIGNED_KEY],
        "fallback": SIGNED_KEY,
        "replace": True,
    },
    "query_keys": {"conversation": "@bob", "users": ["bob", "alice"]},
    "claim_keys": {"conversation": "#team", "devices": [{"user": "bob", "device": "abc"}]},
    "send_parcels": {
        "conversation": "@bob",
        "ulid": ULID,
        "parcels": [{"user": "bob", "device": "abc", "body": "0Y2lwaGVy"}],
    },
    "inbox": {"after": 7},
    "ack_inbox": {"seq": 7},
    "put_backup": {"entries": [{"name": "0a-1f", "sealed": "c2VhbGVk"}]},
    "get_backup": {"after": "0a", "name": "0a-1f"},
    "offer_file": {"file": ULID, "conversation": "#team", "size": 32_769, "chunks": 2},
    "put_chunk": {"file": ULID, "number": 1, "data": SEALED},
    "get_chunk": {"file": ULID, "number": 0},
    "drop_file": {"file": ULID},
    "admin": {"password": "correct horse"},
    "kick": {"user": "bob", "reason": "spam"},
    "ban": {"target": "192.0.2.0/24", "terms": "7d spam"},
    "unban": {"target": "bob"},
    "bans": {},
    "mute": {"user": "bob", "terms": "30m"},
    "unmute": {"user": "bob"},
    "role": {"user": "bob", "role": "moderator"},
    "announce": {"text": "a restart at noon"},
    "invite_link": {"role": "moderator"},
    "registration": {"policy": "closed"},
    "audit": {"limit": 5},
    "quit": {},
}

MESSAGE = wire.Message(conversation="@bob", kind="direct", seq=1, sender="bob", ulid=ULID, time=2, body="hi")
PARCEL = wire.InboxItem(seq=9, sender="bob", device="abc", body="1Y2lwaGVy")
SESSION = wire.SessionStarted(partner="bob", by="alice", session=ULID)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def line(type_: str, **fields: Any) -> bytes:
    """A request line as a client would write it."""
    return json.dumps({"type": type_, "id": 1, **fields}).encode()


def _with_newline(value: Any) -> Any:
    if isinstance(value, str):
        return value + "\n"
    return [{**one, "device": one["device"] + "\n"} for one in value]


def _patterns(kind: Any) -> Iterator[str]:
    """Those of all strings that are in a type."""
    if isinstance(kind, msgspec.inspect.StrType) and kind.pattern:
        yield kind.pattern
    fields = [one.type for one in getattr(kind, "fields", ())]
    for inner in (*fields, *getattr(kind, "types", ()), *filter(None, [getattr(kind, "item_type", None)])):
        yield from _patterns(inner)


class RequestDecoding(SynchronousTestCase):
    """What `RequestDecoder` promises the dispatcher."""

    def setUp(self) -> None:
        """Every server knows the built-in requests."""
        self.decoder = wire.RequestDecoder(wire.BUILT_IN)

    def refused(self, data: bytes) -> str:
        """The text of the refusal of ``data``."""
        return self.assertRaises(MalformedRequestError, self.decoder.decode, data).text

    def test_every_built_in_request_has_an_example_that_decodes(self) -> None:
        """Each type of the protocol is reachable by its tag and carries the fields sent."""
        tags = {kind.__struct_config__.tag for kind in wire.BUILT_IN}
        self.assertEqual(tags, set(EXAMPLES))
        for tag, fields in EXAMPLES.items():
            request = self.decoder.decode(line(tag, **fields))
            self.assertEqual(request.id, 1)
            for name, value in fields.items():
                self.assertEqual(msgspec.to_builtins(getattr(request, name)), value)

    def test_a_request_survives_encoding_and_decoding(self) -> None:
        """A client written with these types and a server understand each other."""
        request = wire.Send(id=7, conversation="lobby", ulid=ULID, body="grüße \u2028 \x00 👋")
        self.assertEqual(self.decoder.decode(wire.encode(request)), request)
        self.assertNotIn(b"\n", wire.encode(request))

    def test_unknown_optional_fields_are_ignored(self) -> None:
        """A newer client may send more than this server knows."""
        self.assertEqual(self.decoder.decode(line("users", colour="red")), wire.Users(id=1))

    def test_an_unknown_type_is_named_and_bounded(self) -> None:
        """The refusal repeats the type, but never more of it than a name's length."""
        error = self.assertRaises(UnknownCommandError, self.decoder.decode, line("frobnicate" * 100))
        self.assertIn("frobnicate", error.text)
        self.assertLess(len(error.text), 100)

    def test_a_missing_field_is_named(self) -> None:
        """The text says which field the request lacks."""
        self.assertIn("`user`", self.refused(line("status")))

    def test_a_field_of_the_wrong_type_is_named(self) -> None:
        """The text says where the wrong value stands."""
        self.assertIn("$.user", self.refused(line("status", user=5)))

    def test_the_text_of_a_refusal_does_not_repeat_values(self) -> None:
        """A password in a malformed line does not come back or reach a log."""
        self.assertNotIn("canary", self.refused(line("login", user="", password="canary")))
        self.assertNotIn("canary", self.refused(line("admin", password=["canary"])))

    def test_lengths_are_bounded_at_their_limits(self) -> None:
        """At the limit a field passes, one more is refused, and what may not be empty is not."""
        for type_, name, limit, smallest in (
            ("status", "user", limits.MAX_NAME, 1),
            ("admin", "password", limits.MAX_PASSWORD, 1),
            ("send", "body", limits.MAX_ENVELOPE, 1),
            ("send", "conversation", limits.MAX_NAME + 1, 1),
            ("kick", "reason", limits.MAX_REASON, 0),
            ("login", "device_name", limits.MAX_DEVICE_NAME, 0),
            ("register", "invite", limits.MAX_INVITE, 0),
            ("devices", "device", limits.MAX_DEVICE_NAME, 0),
            ("ban", "target", limits.MAX_TARGET, 1),
            ("mute", "terms", limits.MAX_REASON, 0),
            ("announce", "text", limits.MAX_BODY, 1),
        ):
            for length in (smallest, limit - 1, limit):
                request = self.decoder.decode(line(type_, **{**EXAMPLES[type_], name: "x" * length}))
                self.assertEqual(len(getattr(request, name)), length)
            self.refused(line(type_, **{**EXAMPLES[type_], name: "x" * (limit + 1)}))
            if smallest:
                self.refused(line(type_, **{**EXAMPLES[type_], name: ""}))

    def test_ids_are_bounded(self) -> None:
        """An id fits every JSON reader and is never negative."""
        for good in (0, limits.MAX_REQUEST_ID - 1, limits.MAX_REQUEST_ID):
            self.assertEqual(self.decoder.decode(line("users", id=good)).id, good)
        for bad in (-1, limits.MAX_REQUEST_ID + 1, 2**64, 1.5, "1", None, True):
            self.refused(line("users", id=bad))

    def test_pages_and_rows_are_bounded(self) -> None:
        """No answer is larger than a page, and an empty page is not worth asking for."""
        for type_ in ("sync", "audit"):
            for good in (1, limits.MAX_PAGE - 1, limits.MAX_PAGE):
                self.decoder.decode(line(type_, **{**EXAMPLES[type_], "limit": good}))
            for bad in (-1, 0, limits.MAX_PAGE + 1):
                self.refused(line(type_, **{**EXAMPLES[type_], "limit": bad}))

    def test_seqs_are_bounded(self) -> None:
        """The largest seq that every JSON reader holds passes, nothing below 0 and no larger one."""
        for type_, name in (("sync", "after"), ("ack", "seq")):
            for good in (0, limits.MAX_REQUEST_ID - 1, limits.MAX_REQUEST_ID):
                self.decoder.decode(line(type_, **{**EXAMPLES[type_], name: good}))
            for bad in (-1, limits.MAX_REQUEST_ID + 1, True):
                self.refused(line(type_, **{**EXAMPLES[type_], name: bad}))

    def test_a_ulid_is_a_ulid(self) -> None:
        """Ids of messages sort by time everywhere, so nothing else is taken for one."""
        for bad in ("", ULID[:-1], ULID + "0", ULID.lower(), "8" + ULID[1:], "I" * 26, ULID[:-1] + "\n"):
            self.refused(line("send", **{**EXAMPLES["send"], "ulid": bad}))
            for tag in ("offer_file", "put_chunk", "get_chunk", "drop_file"):
                self.refused(line(tag, **{**EXAMPLES[tag], "file": bad}))

    def test_no_newline_stands_behind_what_has_a_form(self) -> None:
        """Or two rooms could have names that look the same, and one key two spellings."""
        for tag, name in (("send", "ulid"), ("open_room", "room"), ("join", "room"), ("claim_keys", "devices")):
            self.refused(line(tag, **{**EXAMPLES[tag], name: _with_newline(EXAMPLES[tag][name])}))
        found = [one for kind in msgspec.inspect.multi_type_info(wire.BUILT_IN) for one in _patterns(kind)]
        self.assertGreater(len(found), 40)
        self.assertEqual([one for one in found if not one.endswith(r"\Z")], [])

    def test_the_longest_body_of_plain_text_fits_a_line(self) -> None:
        """MAX_LINE and MAX_BODY agree for text of up to three bytes a character."""
        for character in "a\u00e9\u20ac\n":
            request = wire.Send(id=1, conversation="lobby", ulid=ULID, body=character * limits.MAX_BODY)
            self.assertLessEqual(len(wire.encode(request)), limits.MAX_LINE)

    def test_a_deeply_nested_line_is_refused(self) -> None:
        """Depth costs the sender an error, not the server its stack."""
        self.refused(b'{"type":"users","id":1,"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}")

    def test_a_request_cannot_be_changed_after_it_was_checked(self) -> None:
        """What was validated is what the handler sees."""
        request = self.decoder.decode(line("users"))
        self.assertRaises(AttributeError, setattr, request, "id", 2)

    def test_a_plugin_type_decodes_beside_the_built_in_ones(self) -> None:
        """A registry of more types understands them all."""

        class Roll(wire.Request, tag="roll", frozen=True, kw_only=True):
            sides: int = 6

        decoder = wire.RequestDecoder([*wire.BUILT_IN, Roll])
        self.assertEqual(decoder.decode(line("roll", sides=20)), Roll(id=1, sides=20))
        self.assertEqual(decoder.decode(line("users")), wire.Users(id=1))

    @given(st.binary(max_size=200))
    def test_any_bytes_are_a_request_or_a_refusal(self, data: bytes) -> None:
        """No line makes the decoder raise anything but its two errors."""
        try:
            self.assertIsInstance(self.decoder.decode(data), wire.Request)
        except (MalformedRequestError, UnknownCommandError):
            wire.request_id(data)

    @given(st.sampled_from(sorted(EXAMPLES)), st.dictionaries(st.text(max_size=8), json_values, max_size=4))
    def test_any_object_is_a_request_or_a_refusal(self, type_: str, fields: dict[str, Any]) -> None:
        """Fields of any type and value are a request or refused."""
        try:
            self.decoder.decode(json.dumps({**EXAMPLES[type_], "id": 1, **fields, "type": type_}).encode())
        except MalformedRequestError as error:
            self.assertTrue(error.text)


class Chunks(SynchronousTestCase):
    """What a file is cut into, and how it travels."""

    def setUp(self) -> None:
        self.decoder = wire.RequestDecoder(wire.BUILT_IN)

    @given(st.binary(min_size=limits.TAG_LENGTH + 1, max_size=200), st.integers(0, limits.MAX_REQUEST_ID))
    def test_the_bytes_of_a_chunk_are_the_same_on_both_ends(self, data: bytes, number: int) -> None:
        """Up and down, whatever bytes they are."""
        put = wire.PutChunk(id=1, file=ULID, number=number, data=data)
        self.assertEqual(self.decoder.decode(wire.encode(put)), put)
        got = wire.Ok(id=1, result=wire.Chunk(file=ULID, number=number, data=data))
        self.assertEqual(wire.decode_event(wire.encode(got)), got)

    @given(st.text(max_size=60) | st.binary(max_size=60).map(lambda data: b64encode(data).decode()))
    def test_any_text_is_a_chunk_or_refused(self, text: str) -> None:
        """Nothing but standard base64 with its padding is one, and of a tag and a byte at least."""
        data = line("put_chunk", file=ULID, number=0, data=text)
        try:
            taken = self.decoder.decode(data)
        except MalformedRequestError:
            return
        self.assertGreater(len(taken.data), limits.TAG_LENGTH)  # type: ignore[attr-defined]
        self.assertEqual(b64decode(text, validate=True), taken.data)  # type: ignore[attr-defined]

    def test_a_chunk_is_as_long_as_its_limit(self) -> None:
        """At the smallest and largest length it passes, a byte less or more is refused; the longest fits a line."""
        least, most = limits.TAG_LENGTH + 1, limits.FILE_CHUNK + limits.TAG_LENGTH
        for length in (least, most - 1, most):
            put = wire.PutChunk(id=limits.MAX_REQUEST_ID, file=ULID, number=limits.MAX_REQUEST_ID, data=bytes(length))
            self.assertEqual(self.decoder.decode(wire.encode(put)), put)
            self.assertLess(len(wire.encode(put)), limits.MAX_LINE)
        for length in (least - 1, most + 1):
            bad = wire.encode(wire.PutChunk(id=1, file=ULID, number=0, data=bytes(length)))
            self.assertRaises(MalformedRequestError, self.decoder.decode, bad)

    @given(st.integers(0, limits.MAX_REQUEST_ID))
    def test_chunks_make_up_the_file(self, size: int) -> None:
        """All of it and nothing twice; none is empty."""
        count = wire.chunks_of(size)
        if not count:
            self.assertEqual(size, 0)
            return
        full = limits.FILE_CHUNK + limits.TAG_LENGTH
        self.assertEqual(wire.sealed_length(size, 0), full if count > 1 else size + limits.TAG_LENGTH)
        last = wire.sealed_length(size, count - 1) - limits.TAG_LENGTH
        self.assertTrue(0 < last <= limits.FILE_CHUNK)
        self.assertEqual((count - 1) * limits.FILE_CHUNK + last, size)


class RequestIds(SynchronousTestCase):
    """`request_id`: an answer finds its request even when the request was refused."""

    def test_the_id_of_a_refused_line_is_found(self) -> None:
        """A refusal can be matched to its request."""
        self.assertEqual(wire.request_id(line("nothing", id=41)), 41)
        self.assertEqual(wire.request_id(line("status", id=0)), 0)

    def test_an_unusable_id_is_none(self) -> None:
        """What is no id is not repeated to anyone."""
        for bad in (-1, True, "1", 2**60, None, [1]):
            self.assertIsNone(wire.request_id(line("users", id=bad)))
        self.assertIsNone(wire.request_id(b"\xff\x00"))
        self.assertIsNone(wire.request_id(b"[" * 100_000))


class EventDecoding(SynchronousTestCase):
    """What `decode_event` promises a client."""

    EVENTS: tuple[ServerLine, ...] = (
        wire.Ok(id=1),
        wire.Ok(id=1, result=wire.LoggedIn(user="alice", device="D1", role="admin", presence="FREE")),
        wire.Ok(id=2, result=wire.Sent(ulid=ULID, conversation="lobby", seq=3, time=4)),
        wire.Ok(id=3, result=wire.UserList(users=[wire.UserEntry(user="bob", presence="BUSY")])),
        wire.Ok(id=4, result=wire.UserStatus(user="bob", presence="OFFLINE", last_seen=5)),
        wire.Ok(
            id=5,
            result=wire.CommandList(
                commands=[wire.CommandEntry(verb="roll", help="h", parameters=[wire.ParameterEntry(name="sides")])]
            ),
        ),
        wire.Ok(id=6, result=wire.AdminGranted(seconds=600.0)),
        wire.Ok(
            id=8,
            result=wire.ConversationList(
                conversations=[
                    wire.ConversationEntry(conversation="@bob", kind="direct", last_seq=2**32, oldest=0, cursor=5)
                ]
            ),
        ),
        wire.Ok(id=9, result=wire.Page(conversation="@bob", messages=[MESSAGE], last_seq=1)),
        wire.Ok(id=10, result=wire.Listing(title="devices", columns=["id", "name"], rows=[["D1", "laptop"]])),
        wire.Ok(id=11, result=wire.KeyCount(one_time=50, fallback_used=True, generation=2)),
        wire.Ok(
            id=12,
            result=wire.KeyList(
                users=[
                    wire.UserKeys(
                        user="alice",
                        identities=[wire.Identity(algorithm="ed25519", key="a2V5")],
                        devices=[msgspec.convert(DEVICE_KEYS, wire.DeviceKeys)],
                    )
                ],
                more=True,
            ),
        ),
        wire.Ok(
            id=13,
            result=wire.ClaimedKeys(
                keys=[
                    wire.ClaimedKey(user="bob", device="abc", key=msgspec.convert(SIGNED_KEY, wire.SignedKey)),
                    wire.ClaimedKey(user="bob", device="def"),
                ]
            ),
        ),
        wire.Ok(id=14, result=wire.InboxPage(items=[PARCEL], more=True)),
        wire.Ok(id=15, result=wire.BackupPage(entries=[wire.BackupEntry(name="a", sealed="c2VhbGVk")])),
        wire.Ok(id=16, result=wire.FileState(file=ULID, received=3)),
        wire.Ok(id=17, result=wire.Chunk(file=ULID, number=3, data=bytes(range(256)))),
        PARCEL,
        wire.KeysChanged(user="bob"),
        wire.Error(id=7, code="forbidden", text="no"),
        wire.Error(code="malformed", text="no id could be read"),
        wire.Welcome(server="s", version="1", registration="invite"),
        MESSAGE,
        wire.PresenceChanged(user="bob", presence="AWAY"),
        SESSION,
        wire.SessionEnded(partner="bob", reason="lost"),
        wire.Ringing(sender="alice"),
        wire.Ringing(sender="alice", over=True),
        wire.Notice(text="two\nlines"),
        wire.Behind(),
        wire.Kicked(by="alice"),
        wire.Closing(reason="the server stops"),
    )

    def test_every_event_survives_the_wire_as_one_line(self) -> None:
        """Whatever a server says, a client reads the same, and no value breaks its line."""
        for event in self.EVENTS:
            data = wire.encode(event)
            self.assertNotIn(b"\n", data)
            self.assertEqual(wire.decode_event(data), event)

    def test_names_on_the_wire_are_the_documented_ones(self) -> None:
        """``from`` and ``with`` are words of the protocol that Python keeps for itself."""
        self.assertEqual(json.loads(wire.encode(MESSAGE))["from"], "bob")
        self.assertEqual(json.loads(wire.encode(SESSION))["with"], "bob")

    def test_fields_with_their_default_are_left_out(self) -> None:
        """A line carries what it says and no more."""
        self.assertEqual(json.loads(wire.encode(wire.Ok(id=1))), {"type": "ok", "id": 1})

    def test_unknown_fields_of_a_newer_server_are_ignored(self) -> None:
        """An older client goes on."""
        data = b'{"type":"notice","text":"hi","colour":"red"}'
        self.assertEqual(wire.decode_event(data), wire.Notice(text="hi"))

    @given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
    def test_any_line_is_an_event_or_refused(self, data: bytes) -> None:
        """A hostile server cannot make the client's parser raise anything else."""
        try:
            self.assertIsInstance(wire.decode_event(data), msgspec.Struct)
        except MalformedRequestError as error:
            self.assertTrue(error.text)

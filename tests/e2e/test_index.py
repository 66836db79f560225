"""What breaks end-to-end chats elsewhere, and the pitfalls of vodozemac: which test shows that it does not here."""

from __future__ import annotations

import importlib
import random
from pathlib import Path
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

import encchat
from encchat.e2e.account import OwnKeys
from encchat.e2e.olm import OlmSessions
from encchat.errors import UndecryptableError
from tests.e2e.directory import Store

BREAKAGE: Final = {
    "one-time keys exhausted": ["e2e.test_breakage.OneTimeKeys.test_one_time_keys_exhausted"],
    "one-time keys reused": ["e2e.test_breakage.OneTimeKeys.test_one_time_key_reused"],
    "one-time keys claimed twice at once": [
        "e2e.test_breakage.OneTimeKeys.test_one_time_key_claimed_twice_at_once",
        "server.test_keys.Claiming.test_two_who_claim_at_once_get_different_keys",
    ],
    "upload interrupted": ["e2e.test_breakage.OneTimeKeys.test_upload_interrupted"],
    "key lost while a member was offline": [
        "e2e.test_breakage.LostKeys.test_key_lost_while_a_member_was_offline",
        "e2e.test_repair.Repairs.test_a_key_lost_while_a_member_was_offline_comes_after_a_rotation",
    ],
    "message before its key": [
        "e2e.test_breakage.LostKeys.test_message_before_its_key",
        "client.test_private.TwoPeople.test_a_message_before_its_key_is_shown_as_such_and_read_when_the_key_comes",
    ],
    "key after a rotation": ["e2e.test_breakage.LostKeys.test_key_after_a_rotation"],
    "member leaves while a message is in flight": [
        "e2e.test_breakage.LostKeys.test_member_leaves_while_a_message_is_in_flight"
    ],
    "device revoked": ["e2e.test_breakage.LostKeys.test_device_revoked"],
    "both sides create an Olm session at once": [
        "e2e.test_breakage.OneTimeKeys.test_both_sides_create_an_olm_session_at_once"
    ],
    "restored client backup": [
        "e2e.test_breakage.Restored.test_restored_client_backup",
        "e2e.test_breakage.RestoredInARoom.test_restored_client_backup_in_a_room",
    ],
    "restored server backup": ["e2e.test_breakage.Restored.test_restored_server_backup"],
    "wrong recovery phrase": ["e2e.test_breakage.Restored.test_wrong_recovery_phrase"],
    "server swaps a device key": [
        "e2e.test_lies.DeviceKeysOfBob.test_server_swaps_a_device_key",
        "e2e.test_lies.DeviceKeysOfBob.test_server_swaps_the_identity_key",
        "e2e.test_lies.DeviceKeysOfBob.test_one_time_key_forged_by_the_server",
    ],
    "server injects a device key": ["e2e.test_lies.DeviceKeysOfBob.test_server_injects_a_device"],
    "server withholds a device key": [
        "e2e.test_lies.DeviceKeysOfBob.test_server_withholds_a_device",
        "e2e.test_lies.DeviceKeysOfBob.test_server_hides_a_device_from_itself",
    ],
    "server lies about membership": [
        "e2e.test_lies.Members.test_server_lies_about_membership",
        "e2e.test_lies.Members.test_server_shows_members_invited_by_somebody_who_never_was_there",
        "e2e.test_lies.Members.test_server_tells_members_differently",
    ],
    "server lies about order": [
        "client.test_private.LyingServers.test_a_server_that_lies_about_the_order_is_found_out"
    ],
    "server replays an old message": [
        "e2e.test_lies.Repeated.test_server_replays_an_old_message_in_a_room",
        "client.test_private.LyingServers.test_a_replayed_message_is_not_shown_as_one",
    ],
    "server replays a key share": ["e2e.test_lies.Repeated.test_server_replays_a_key_share"],
    "server drops one message silently": [
        "e2e.test_lies.Repeated.test_server_drops_one_message_silently_in_a_room",
        "client.test_private.LyingServers.test_a_silently_dropped_message_is_seen_as_a_gap",
    ],
}
"""By what the issue calls it."""

PITFALLS: Final = {
    1: ["e2e.test_megolm.Opening.test_a_replayed_message_is_refused_by_session_and_index_1"],
    2: ["e2e.test_megolm.Opening.test_ciphertext_changed_on_the_way_is_never_another_message_2"],
    3: [
        "e2e.test_megolm.Opening.test_a_key_opens_messages_of_its_own_conversation_only_3",
        "e2e.test_megolm.Opening.test_a_key_opens_messages_of_its_own_device_only_3",
    ],
    4: [
        "e2e.test_megolm.Opening.test_pickles_of_the_same_state_share_no_bytes_4",
        "e2e.test_megolm.Opening.test_a_session_is_kept_before_its_message_goes_out_4",
    ],
    5: [
        "e2e.test_megolm.Opening.test_forty_messages_and_more_may_be_missing_before_one_that_is_opened_5",
        "e2e.test_machine.OneTimeKeys.test_a_malformed_pre_key_message_burns_no_one_time_key",
    ],
    6: [
        "e2e.test_sas.Pitfalls.test_pitfall_6_sas_commits_before_the_key_is_shown",
        "e2e.test_index.Pitfalls.test_pk_encryption_is_not_used_6",
    ],
    7: [
        "e2e.test_megolm.Opening.test_old_ratchets_are_discarded_7",
        "e2e.test_machine.OneTimeKeys.test_the_fallback_key_is_changed_weekly",
    ],
    8: ["e2e.test_index.Pitfalls.test_numbers_out_of_range_are_our_own_error_8"],
    9: [
        "e2e.test_megolm.Sharing.test_sharing_with_a_thousand_devices_is_done_in_slices",
        "e2e.test_megolm.Sharing.test_a_slice_is_as_long_as_its_limit",
    ],
}
"""By their numbers in facts.md, vodozemac."""


class Index(SynchronousTestCase):
    """Each line of both lists."""

    def test_each_has_its_test(self) -> None:
        """A test that is renamed or removed is missed here."""
        named = [name for names in (*BREAKAGE.values(), *PITFALLS.values()) for name in names]
        self.assertEqual((len(BREAKAGE), sorted(PITFALLS)), (21, list(range(1, 10))))
        for name in named:
            module, case, test = name.rsplit(".", 2)
            found = getattr(importlib.import_module(f"tests.{module}"), case, None)
            self.assertTrue(callable(getattr(found, test, None)), f"{name} does not exist")


class Pitfalls(SynchronousTestCase):
    """Those that no other module is about."""

    def test_pk_encryption_is_not_used_6(self) -> None:
        """Its ciphertext can be changed by anybody."""
        for path in Path(encchat.__file__).parent.rglob("*.py"):
            self.assertNotIn("PkEncryption", path.read_text("utf-8"), path.name)
            self.assertNotIn("PkDecryption", path.read_text("utf-8"), path.name)

    def test_numbers_out_of_range_are_our_own_error_8(self) -> None:
        """Nor is anything else that the library raises of its own."""
        store, chance = Store(), random.Random(8).randbytes  # noqa: S311 - repeatable
        sessions = OlmSessions(store, chance, OwnKeys(store, chance, lambda: 0.0))
        for kind in (-1, 2, 2**32, 2**64):
            error = self.assertRaises(UndecryptableError, sessions.decrypt, "A" * 43, kind, b"anything")
            self.assertEqual(error.reason, "broken")
        for data in (b"", b"\x03", bytes(200)):
            self.assertRaises(UndecryptableError, sessions.decrypt, "not a key", 0, data)

"""Every limit of encchat, with its reason. Bytes, seconds and counts, as each name says."""

from typing import Final

# The channel -----------------------------------------------------------------------------------
MAX_FRAME: Final = 65_535
"""Bytes of a frame after its length field: what two bytes can say, and Noise section 3's message limit."""

TAG_LENGTH: Final = 16
"""Bytes of an AEAD tag (ChaCha20-Poly1305, AES-GCM)."""

MAX_PREAMBLE: Final = 64
"""Bytes of the first frame of a connection: the longest suite name fits twice, a web browser's greeting does not."""

MAX_HANDSHAKE_MESSAGE: Final = 4_096
"""Bytes of one handshake message: the largest (XXhfs, message 1, 1,216 bytes) fits three times."""

REKEY_AFTER_RECORDS: Final = 65_536
"""Records under one key before both sides rekey; far below what AES-GCM with random IVs allows (2^32)."""

MAX_EMPTY_RECORDS: Final = 16
"""Empty records in one read: a peer has a probe and an answer under way, and a million would keep a core busy."""

MIN_RSA_BITS: Final = 2_048
"""Bits of the server's RSA key in the suite rsa-aes128gcm: NIST SP 800-57 allows nothing shorter."""

MAX_RSA_BITS: Final = 8_192
"""Bits of the same: what a peer can make us compute with; both handshake messages fit MAX_HANDSHAKE_MESSAGE."""

MAX_KEY_FILE: Final = 65_536
"""Bytes of a PEM file: an RSA key of 8,192 bits fits ten times, a device or a log that never ends does not."""

HANDSHAKE_SECONDS: Final = 15.0
"""From the TCP connection to a finished handshake; a phone on a bad line needs three."""

HANDSHAKE_STEPS_PER_TURN: Final = 8
"""Handshake messages the server computes in one reactor turn: at 0.4 ms each, 3 ms between two reads of the others."""

HANDSHAKE_READ: Final = 8_192
"""Bytes read at once before the handshake is finished: one message fits, and who waits for a turn holds two reads."""

KEEPALIVE_SECONDS: Final = 30.0
"""Silence after which the peer is probed, and again that long until it counts as gone."""

MAX_READY_CIPHERS: Final = 2_048
"""Directions of connections for which a cipher is kept ready, at two kilobytes each: those of a thousand who talk. With
more the others' records cost a microsecond more."""

# Lines and requests ----------------------------------------------------------------------------
MAX_LINE: Final = 65_536
"""Bytes of one line of the wire; holds a message body of MAX_BODY after JSON has escaped every byte of usual text."""

MAX_BODY: Final = 16_384
"""Characters of one message body: about eight typed pages."""

MAX_ENVELOPE: Final = 61_440
"""Characters of one encrypted message body or parcel: a line of MAX_LINE, less what stands around it."""

MAX_REQUEST_ID: Final = 2**53 - 1
"""Largest request id: every JSON reader holds it exactly."""

MAX_PAGE: Final = 200
"""Messages of one answer to `sync`, and rows of one list."""

MAX_PAGE_BYTES: Final = 2**20
"""Bytes after which a page of messages ends early: a quarter of the line that a client takes, whatever the bodies."""

MAX_TARGET: Final = 64
"""Characters of a name, address or network in a ban: the longest IPv6 network fits."""

MAX_DURATION: Final = 100 * 365 * 86_400
"""Seconds a ban, a mute or an invite can be set to last: a hundred years; for ever has a word of its own."""

MAX_BAD_LINES: Final = 10
"""Malformed, oversize or unknown lines a connection may send before it is hung up."""

MAX_PENDING_REQUESTS: Final = 100
"""Requests of one connection that wait for an answer before its reading is paused: what a flood has in the store's
queue in front of others; more at a time would not make a pasted file go faster."""

MAX_CHAINS: Final = 100
"""Conversations of one connection whose last message is remembered, so that those chained to it are refused if it is:
as many as MAX_PENDING_REQUESTS can be about; beyond that receivers may be warned of a gap that is none."""

MAX_WAYS: Final = 64
"""Ways of others to one account that are remembered while it is here; another one costs a few microseconds to find."""

LONG_BODY: Final = 4_096
"""Characters of a message over which its connection is not read until it is stored: what goes to everybody in one
turn stays small."""

REQUEST_RATE: Final = 200.0
"""Cost units a connection earns a second; a message costs one. Past the burst, reading is paused, nothing is lost."""

REQUEST_BURST: Final = 1_000.0
"""Cost units a connection can save up: a pasted file of a thousand lines goes at once."""

BYTES_PER_UNIT: Final = 1_024
"""Bytes off the wire that cost as much as one request: 200 kilobytes a second, a megabyte at once."""

ACCOUNT_SHARE: Final = 4.0
"""Connections' worth of requests that all devices of one account may spend together."""

ADDRESS_SHARE: Final = 50.0
"""Connections' worth of requests that one address may spend: an office behind one address, all of it pasting."""

ADDRESS_LOGIN_SHARE: Final = 10.0
"""The same for logins: five hundred passwords or two thousand devices at once, fifty passwords a second."""

RATE_HOLD_SECONDS: Final = 0.05
"""Shortest time that reading is paused: a flood costs twenty timers a second, not one a line."""

FLOOD_GAP: Final = 1.0
"""Seconds without a request after which somebody who was slowed down counts as quiet again."""

FLOOD_TOLD_SECONDS: Final = 10.0
"""How long somebody is slowed down before being told: a pasted file of three thousand lines goes unremarked."""

FLOOD_TOLD_EVERY: Final = 60.0
"""Seconds between telling it again."""

FLOOD_SECONDS: Final = 60.0
"""How long a connection may keep its bucket empty until it is hung up: a file of 13,000 lines goes in one piece."""

MAX_UNSENT: Final = 4 * 2**20
"""Bytes that wait for one connection; over it the reader is too slow to be fed live, until it has taken them all."""

UNSENT_RESERVE: Final = 4 * 2**20
"""Bytes beyond that for what is no message: answers to what was asked before. Over it the connection is hung up."""

SLOW_READER_SECONDS: Final = 60.0
"""How long a reader that is behind may take nothing at all; one that takes 128 KiB in that time is waited for."""

# Names and texts -------------------------------------------------------------------------------
MAX_NAME: Final = 32
"""Characters of an account name: fits a column of a terminal."""

MAX_PASSWORD: Final = 1_024
"""Characters of a password: generous, and bounds what is hashed."""

MIN_PASSWORD: Final = 8
"""Characters of a new password (NIST SP 800-63B section 5.1.1)."""

MAX_REASON: Final = 500
"""Characters of a reason or other short text."""

MAX_DEVICE_NAME: Final = 64
"""Characters a device calls itself by."""

MAX_INVITE: Final = 64
"""Characters of an invite token."""

# Strangers -------------------------------------------------------------------------------------
CONNECTIONS_PER_ADDRESS: Final = 1_000
"""Open connections of one address (one /64 of IPv6): an office behind one address."""

HANDSHAKES_PER_ADDRESS_PER_SECOND: Final = 50.0
"""New connections of one address a second, sustained."""

HANDSHAKES_PER_ADDRESS_BURST: Final = 500.0
"""New connections of one address at once, after a quiet time: everybody comes back after a restart."""

UNAUTHENTICATED_SECONDS: Final = 120.0
"""From the finished handshake to a login: time to type a password."""

UNAUTHENTICATED_BYTES: Final = 65_536
"""Plaintext bytes a connection may send before it has logged in."""

# Logging in ------------------------------------------------------------------------------------
PASSWORD_THREADS: Final = 2
"""Passwords hashed at once, one core always left to the rest; argon2id keeps a core busy for 20 to 30 ms."""

PASSWORD_QUEUE: Final = 200
"""Passwords that wait to be hashed; more are answered `overloaded`, so a storm costs bounded memory."""

LOGIN_FREE_FAILURES: Final = 5
"""Wrong passwords by one name or one address before it has to wait."""

LOGIN_WAIT_SECONDS: Final = 2.0
"""The first wait; it doubles with each further failure."""

LOGIN_MAX_WAIT_SECONDS: Final = 900.0
"""The longest wait, and how long a failure is remembered."""

MAX_THROTTLED: Final = 100_000
"""Names and addresses whose wrong passwords are remembered; past it the oldest is forgotten, some 20 MB."""

INVITE_SECONDS: Final = 7 * 86_400
"""How long an invite link is good that an admin makes in the chat: a mail is read within a week."""

ADMIN_SECONDS: Final = 600.0
"""How long an `admin` confirmation lasts."""

AUDIT_REFUSALS: Final = 20.0
"""Refused requests of one account that are written to the audit log at once, after a quiet time."""

AUDIT_REFUSALS_RATE: Final = 0.02
"""The same a second, sustained: who may do nothing must not fill the disk by asking."""

MAX_AUDIT_DETAIL: Final = 1_000
"""Characters of an entry's detail: a reason twice over, and the beginning of an announcement."""

# Storing ---------------------------------------------------------------------------------------
MAX_STORE_BACKLOG: Final = 64 * 2**20
"""Characters of messages that wait to be stored: ten seconds of a slow disk; more are refused, not piled up."""

SEEN_SECONDS: Final = 1.0
"""After which it is written when accounts and devices were here last: those of so long a time cost one write."""

STORE_BUSY_SECONDS: Final = 10.0
"""How long a writer waits for another process (`encchat-admin`) to finish its transaction."""

MAX_TAILS: Final = 20_000
"""Conversations whose end the store's writer remembers from one transaction to the next: some five megabytes."""

LOBBY_HISTORY: Final = 200
"""Messages of the lobby a new device is given: what people said lately, in one page."""

RETAIN_LOBBY_COUNT: Final = 10_000
"""Messages of the lobby that are kept: some months of a small team."""

MAX_RETAIN_DAYS: Final = 36_500
"""Days a message can be told to be kept; a hundred years are as good as for ever."""

RETAIN_SLICE: Final = 500
"""Messages retention removes in one transaction: some ten milliseconds, which others' messages wait for."""

RETAIN_SECONDS: Final = 600.0
"""Between two rounds of retention; a round that finds nothing costs one look at each conversation."""

RETAIN_PAUSE_SECONDS: Final = 0.05
"""Between two slices: what people say waits for one of them, not for all."""

REMEMBER_REMOVED_DAYS: Final = 30
"""How long the place of a removed message is known, for a sender that was cut off before it heard of it."""

MAX_AUDIT_ROWS: Final = 100_000
"""Entries of the audit log that are shown at once, or written out."""

CHANGES_SECONDS: Final = 2.0
"""Between two looks for what `encchat-admin` changed in the store; one small read each."""

# Running a server ------------------------------------------------------------------------------
LISTEN_BACKLOG: Final = 1_024
"""TCP connections that wait to be accepted: after a restart everybody comes back at once."""

MAX_OPTION_SECONDS: Final = 604_800
"""Seconds an option can be set to; a week is as good as never, and more is a mistake in the unit."""

MAX_SERVER_NAME: Final = 64
"""Characters a server calls itself by: one line of a terminal, with room beside it."""

MAX_MOTD: Final = 2_000
"""Characters of the notice everybody who connects is sent: a screenful."""

MAX_INVITE_USES: Final = 100_000
"""People one invite link lets in; more is an open server, which has an option of its own."""

LOG_LINES_AT_ONCE: Final = 10.0
"""Log lines of one kind that a peer causes: so many at once, after a quiet time, each tell of one event."""

LOG_LINES_PER_SECOND: Final = 1.0
"""The same a second, sustained; such a line says how many events it stands for."""

COLLECT_AFTER: Final = 20_000
"""New objects after which the server's garbage collector looks for cycles among them: about a millisecond's work."""

# Keys, inboxes and rooms -----------------------------------------------------------------------
MAX_KEY_FIELD: Final = 2_048
"""Characters of a public key or signature in base64: an RSA key of 8,192 bits, or a DSA key of 3,072, fits."""

MAX_IDENTITIES: Final = 64
"""Identity keys an account may have had: more changes than a person makes in a life, and a bound for their chain."""

MAX_DEVICES: Final = 32
"""Devices of one account: everybody who writes to it encrypts for each of them."""

MAX_ONE_TIME_KEYS: Final = 100
"""One-time keys a device keeps on the server: so many people can write to it first while it is away."""

MAX_KEY_USERS: Final = 200
"""Accounts whose keys one request asks for: a page."""

MAX_PARCELS: Final = 100
"""Parcels, claimed keys or backup entries of one request: at 600 bytes each they fit a line."""

CLAIM_COST: Final = 0.5
"""Cost units of each device a one-time key is taken of: who comes into a room of 1,000 devices writes at once, which at
2.0 took 8 s. Somebody's hundred keys can be emptied at any bearable price: the fallback key is there for that."""

MAX_INBOX: Final = 20_000
"""Parcels that wait for one device; beyond that they are refused, so that nobody can fill the disk with them."""

MAX_BACKUP: Final = 100_000
"""Sealed values kept for one account: a key each for a hundred conversations a day, three years long."""

MAX_STATEMENT: Final = 2_048
"""Characters of what a client has signed of a change of a room: two signatures and the words around them."""

MAX_MEMBERS: Final = 5_000
"""Members and invited of one room."""

MAX_ROOMS: Final = 1_000
"""Rooms one account is in or invited to."""

FALLBACK_SECONDS: Final = 7 * 86_400
"""Age at which a device's fallback key is followed by another: it opens whatever was begun with it until then."""

MAX_OLM_SESSIONS: Final = 5
"""Olm sessions kept with one device: both sides begin one at once, each is restored once, and one more."""

RENEW_SECONDS: Final = 3_600.0
"""Between two fresh Olm sessions made because one device's parcels cannot be opened: what a liar can make us do."""

KEYLESS_SECONDS: Final = 600.0
"""After there was no key to begin an Olm session with a device, how long until it is asked for again."""

DEVICES_SLICE: Final = 50
"""Accounts whose published keys are verified in one slice: at two signatures for each device some 20 ms."""

MAX_DIGESTS: Final = 100
"""Conversations whose members' digest is remembered: those somebody talks in at the same time."""

MEMBERS_SLICE: Final = 50
"""Members of a room whose statements are verified in one slice: with the devices beside them some 15 ms."""

PARCELS_SLICE: Final = 100
"""Parcels of the inbox taken in one slice: some 30 ms, most of it writing the ratchets down."""

UPLOAD_ROUNDS: Final = 5
"""Uploads of keys that follow one another at a login: the first, one after a restore, one that tops up, two more."""

QUERY_ROUNDS: Final = 10
"""How often keys are asked for again because they changed meanwhile; then the message waits for the next try."""

MAX_HELD: Final = 1_000
"""Opened messages that wait for their sender's next identity key; beyond that their signature counts as not valid."""

MAX_PASSING: Final = 100
"""Messages off the record that could not be opened; the first are forgotten, also should their key still come."""

ROTATE_AFTER_MESSAGES: Final = 100
"""Messages under one Megolm session: what a stolen key opens ends there."""

ROTATE_AFTER_SECONDS: Final = 7 * 86_400
"""Age at which a Megolm session is followed by a fresh one; a quiet room's key does not live for ever."""

SHARE_SLICE: Final = 50
"""Devices a Megolm key goes to in one slice: with a new Olm session for each (0.2 ms, and its row) some 20 ms."""

SHARE_AGAIN_SECONDS: Final = 600.0
"""After a device had no key to make an Olm session with, how long until it is tried again."""

OWN_SESSION_SECONDS: Final = 30 * 86_400
"""How long the key of a session that is not used any more is kept for members who have lost it: a long holiday."""

REPAIR_FIRST_SECONDS: Final = 5.0
"""How long a missing key is waited for before it is asked for: it is mostly on its way."""

LOOK_SECONDS: Final = 5.0
"""How often a connected client looks for what is due about keys: asking again for missing ones, verifications' ends."""

REPAIR_MAX_SECONDS: Final = 86_400.0
"""Longest wait between asking for the same missing key; it is five times as long each time."""

REPAIR_TIMES: Final = 12
"""How often a missing key is asked for: a week and more; afterwards only what a person does brings it."""

REPAIR_SLICE: Final = 20
"""Missing keys asked for, keys backed up or brought back, in one slice: a few milliseconds."""

REPAIR_ANSWERS: Final = 3
"""How often the same key is sent to the same device again in `REPAIR_ANSWER_SECONDS`."""

REPAIR_ANSWER_SECONDS: Final = 3_600.0
"""The time that count is for: whoever asks without end costs three keys an hour."""

REPAIR_KEYS: Final = 1_000
"""Sessions one device may ask for in that time: more than a conversation of years has, and no flood of answers."""

MAX_MISSING: Final = 10_000
"""Missing keys that are asked for; what a liar names beyond them is just not decrypted."""

MAX_GONE_DEVICES: Final = 100
"""Former devices of one account that are remembered, so that one that comes back is told: three changes of all."""

MAX_UNUSED_KEYS: Final = 1_000
"""Keys one account has sent under which nothing was read yet: a hundred thousand messages of it that wait, and half a
megabyte. Its oldest go first; whoever needs one of those after all asks for it."""

MAX_WAITING_INDEXES: Final = 1_000
"""Messages of one session that wait for its key and are known by their places; ten times as many as there should be."""

MAX_SESSION_INDEX: Final = 65_536
"""Messages of one Megolm session a receiver takes: it remembers each place, 8 kilobytes at most."""

MAX_WITNESSES: Final = 20
"""Accounts outside a room whose keys are asked for to know who is really in it: inviters who have left since."""

MAX_EARLY: Final = 100
"""Letters with a room's history that wait until the room itself is known: five thousand keys, two megabytes."""

HANDOVER_SLICE: Final = 40
"""Keys in one letter of history: at 600 bytes each they fit a parcel after Olm and base64."""

NAMES_SLICE: Final = 200
"""Names in one letter that tells a new member who else is in the room: they fit a parcel as well."""

INTRODUCTION_SECONDS: Final = 300.0
"""How long a new member's client waits for its inviter's word on members whose own inviter has left, until it warns."""

RING_SECONDS: Final = 60.0
"""How long a call rings before it counts as refused."""

SESSION_GRACE_SECONDS: Final = 15.0
"""A session outlives its lost connection this long: a phone changes its network in five."""

SESSION_KEYS_SECONDS: Final = 60.0
"""A client keeps the keys of a session this long after its end, and after the login that finds it ended: enough to read
what was on its way. After that nobody can, who then takes the device."""

IDENTITY_RSA_BITS: Final = 3_072
"""Bits of an RSA identity key: as strong as Ed25519 (NIST SP 800-57 part 1, table 2)."""

MAX_IDENTITY_RSA_BITS: Final = 4_096
"""Bits of one that is accepted from others: what everybody who reads them can be made to compute with."""

DSA_BITS: Final = 2_048
"""Bits of a DSA identity key's modulus (FIPS 186-4 section 4.2, with a 256-bit order)."""

DSA_ORDER_BITS: Final = 256
"""Bits of its order: those of SHA-256, so that no signature cuts the hash short."""

MAX_PAYLOAD: Final = 45_056
"""Bytes of a message's plaintext with what stands around its text: encrypted and in base64 it fits MAX_ENVELOPE."""

PADDING: Final = 64
"""Bytes of whose multiples plaintexts are made: the length of a short answer tells nothing."""

MAX_PHRASE: Final = 1_000
"""Characters of a recovery phrase that are looked at: twelve words, and generous spaces."""

MAX_BACKUP_VALUE: Final = 32_768
"""Bytes of one value of the backup: sealed and in base64 it fits MAX_ENVELOPE."""

MAX_EXPORT: Final = 64 * 2**20
"""Bytes of a file of keys: a hundred thousand sessions fit twice, and it is read at once."""

VERIFY_SECONDS: Final = 600.0
"""How long a verification waits for the other person: time to find a telephone."""

MAX_VERIFICATIONS: Final = 100
"""Verifications under way at the same time: more is somebody who wants to fill the memory."""

# Files -----------------------------------------------------------------------------------------
FILE_CHUNK: Final = 32_768
"""Bytes of a file's chunk before it is sealed: in base64 it fits a line, with room for what stands around it."""

MAX_FILE_SIZE: Final = 25 * 2**20
"""Bytes of one file, unless the server is told otherwise: what mail takes, and a photograph fits three times."""

FILES_OF_ACCOUNT: Final = 20
"""Times the largest file that one account may have on the server at once: half a gigabyte, unless told otherwise."""

MAX_FILES: Final = 1_000
"""Files one account may have there, however small they are."""

FILE_RETENTION_DAYS: Final = 30
"""Days a file is kept, unless the server is told otherwise: who was on a long holiday still gets it."""

DISK_RESERVE: Final = 64 * 2**20
"""Bytes that are left free on the disk when files come: what people say for weeks still fits."""

OFFER_SECONDS: Final = 2 * 86_400
"""How long an upload may stand still until what there is of it goes: a laptop stays shut over a night or two."""

CHUNK_COST: Final = FILE_CHUNK / BYTES_PER_UNIT
"""Cost units of a chunk, up or down, whatever its length; they are of a kind of their own."""

FILE_SHARE: Final = 8.0
"""Connections' worth of requests that chunks of one connection, or of one account, may cost: 1.6 megabytes a second,
eight at once."""

ADDRESS_FILE_SHARE: Final = 40.0
"""The same for one address: eight megabytes a second, which is some tenth of what one core stores."""

CHUNKS_AT_ONCE: Final = 8
"""Chunks the store is asked to write or read at the same time, whoever asks: what somebody says meanwhile waits for
three milliseconds of them and no more."""

SWEEP_SECONDS: Final = 60.0
"""Between two looks for files that are to go; one look at a row for each file."""

SWEEP_SLICE: Final = 64
"""Chunks erased in one transaction: two megabytes, some milliseconds."""

# Stopping --------------------------------------------------------------------------------------
HANG_UP_SECONDS: Final = 2.0
"""How long a connection the server closes may take to read its last lines before it is cut."""

STOP_SECONDS: Final = 5.0
"""From the stop signal to the exit, whatever clients do."""

# The client ------------------------------------------------------------------------------------
CONNECT_SECONDS: Final = 15.0
"""From the first packet to a TCP connection; a person waits no longer for a host that does not answer."""

RETRY_FIRST_SECONDS: Final = 0.5
"""Wait before the first new attempt: a server that restarts is back by then."""

RETRY_MAX_SECONDS: Final = 30.0
"""Longest wait between attempts: a laptop that wakes up is back within half a minute."""

QUIT_SECONDS: Final = 5.0
"""How long ``/quit`` waits for what was sent to be accepted; a second ``/quit`` does not wait."""

CLOSE_SECONDS: Final = 2.0
"""How long the client waits for the end of a connection it closes."""

MAX_WAITING: Final = 1_000
"""Messages and lines that wait to be sent before a pipe is read no further."""

MAX_OUTBOX: Final = 10_000
"""Messages that wait to be accepted, from a program that does not wait; one more is refused."""

MAX_UNOPENED: Final = 10_000
"""Messages that wait for their key: as many as a long holiday brings; the first of more stay ciphertext."""

KEYS_AGAIN_SECONDS: Final = 0.5
"""Between two looks for the keys of somebody who has none: who has registered just now publishes them in this time."""

MAX_KEY_LOOKS: Final = 10
"""Such looks until a message is refused."""

MAX_STALE: Final = 3
"""Times a message goes out again at once because the room's key was replaced meanwhile; then it waits a while."""

SEAL_SLICE: Final = 100
"""Messages the client encrypts before it does something else: some ten milliseconds."""

SYNC_AT_ONCE: Final = 4
"""Conversations the client reads up on at the same time."""

MAX_AHEAD: Final = 1_000
"""Messages of one conversation that came before an earlier one and wait for it; more are asked for again."""

DEFAULT_PAST: Final = 20
"""Messages ``/history`` shows if no number is given: a screenful."""

MAX_PAST: Final = 1_000
"""Messages ``/history`` shows at most."""

MAX_FOUND: Final = 50
"""Messages ``/search`` shows at most, the newest."""

MAX_REMEMBERED: Final = 10_000
"""Messages a client without a store remembers for ``/history`` and ``/search``."""

MAX_KEPT_ENTRIES: Final = 5_000
"""Entries of the store that a client remembers to have read or written: all of a room of 1,000 devices."""

MAX_KEPT_MESSAGES: Final = 1_000
"""Messages it remembers to have read there, as every message names one before it."""

MAX_SEARCHED: Final = 200_000
"""Messages of the store that ``/search`` looks through, the newest: their index takes some 50 MB."""

DOUBTFUL_TRANSACTIONS: Final = 4
"""Transactions of the client's store that may be on the disk before what they brought has reached the output."""

MAX_UNLOCK_TRIES: Final = 3
"""How often a person is asked for the password of the local store."""

MAX_UNWRAP_MEMORY: Final = 2**20
"""KiB of argon2id for the local store's key, as its file says: a damaged or forged file cannot ask for more."""

MAX_UNWRAP_PASSES: Final = 16
"""Passes of the same."""

MAX_UNWRAP_LANES: Final = 16
"""Lanes of the same."""

REST: Final = 4.0
"""Before a person, how many times as long as committing and showing what was said a client then rests for keys."""

MAX_REST_SECONDS: Final = 0.05
"""The longest such rest: what is said comes later by no more than nobody notices."""

SYNC_AGAIN_SECONDS: Final = 10.0
"""After a refused `sync` or `conversations`, how long until the client asks again."""

RETRY_JITTER: Final = 0.5
"""Part of each wait that is left to chance, so that not everybody comes back at once."""

MAX_KEY_EXPORT: Final = 64 * 2**20
"""Bytes of a file of ``/keys``: the keys of a hundred thousand sessions, far more than are kept."""

MAX_FILE_TAKEN: Final = 2**32 - 1
"""Bytes of a file that a client believes a description of; what the server takes is far less (MAX_FILE)."""

MAX_FILE_NAME: Final = 200
"""Bytes of a file's name: with `.part` and a number behind it every file system takes it."""

MAX_MEDIA: Final = 100
"""Characters of a file's media type; the longest in use have seventy."""

FILE_WINDOW: Final = 4
"""Pieces of one file under way at the same time: a tenth of a second on a good line, and few to send again."""

FILE_HASH_SLICE: Final = 8 * FILE_CHUNK
"""Bytes of a file that are read and hashed in one slice: a millisecond."""

MAX_TRANSFERS: Final = 100
"""Files on their way at the same time, those that wait included."""

MAX_FILES_SHOWN: Final = 50
"""Rows of ``/files``, the newest."""

TRANSFER_SHOWN_SECONDS: Final = 0.25
"""Between two words of how far a file has come: a bar that moves four times a second moves."""

FILE_AGAIN: Final = 3
"""Times in a row a file is begun again without getting further, until it is given up."""

MAX_NUMBERED: Final = 1_000
"""Files of the same name in one folder, told apart by a number."""

MAX_PATHS: Final = 100
"""Names of files that completion shows."""

MAX_KNOWN_NAMES: Final = 1_000
"""Names the client remembers for completion."""

MAX_ENCODED_BODY: Final = MAX_LINE - 1_024
"""Bytes of a message body as JSON: the rest of the line holds the other fields, on the way there and back."""

MAX_SERVER_LINE: Final = 4 * 2**20
"""Bytes of a line from the server, which is trusted with more: a list of fifty thousand users."""

MAX_TYPED_LINE: Final = 4 * MAX_BODY + 1_024
"""Bytes of a line on the client's input: a message of MAX_BODY characters in UTF-8 behind a command and a name."""

MAX_UNREAD_OUTPUT: Final = 64 * 2**20
"""Bytes of output that wait for whoever reads it; over it the reader has stopped for good and the client leaves."""

GATHER_SECONDS: Final = 0.02
"""How long the tty face gathers what it prints at once: unseen by people, and 300 messages a second are 50 prints."""

MAX_HIGHLIGHTED: Final = 2_048
"""Characters of code that the tty face highlights at once: fifty lines, in ten or twenty milliseconds."""

HIGHLIGHT_RATE: Final = 2_048.0
"""Characters of code that it highlights in a second, on average: what more comes is shown in one colour."""

MAX_SHOWN_NAME: Final = 80
"""Characters of a name that are shown before what somebody says: more than any name has that a server takes."""

MAX_MARKS: Final = 8
"""Marks on one letter: the languages that have most need five or six; a tower of them is drawn over other rows."""

MAX_PICTURE_COLUMNS: Final = 60
"""Columns of a preview: three quarters of a small terminal."""

MAX_PICTURE_ROWS: Final = 15
"""Rows of it: the messages around it stay on the screen."""

MAX_PICTURE_BYTES: Final = 16 * 2**20
"""Bytes of a picture that the tty face looks at: what a telephone makes has a third of it."""

MAX_PICTURE_PIXELS: Final = 25_000_000
"""Pixels of it: those of a telephone have twelve million, and more than 100 MB are not taken for a preview."""

DEFAULT_BACKLOG: Final = 50
"""Messages shown when somebody goes to a conversation, if ``/set backlog`` says nothing else: two screenfuls."""

MAX_SETTING: Final = 1_024
"""Characters of a setting that is a text: a command with its arguments, or a path."""

MAX_SETTINGS_FILE: Final = 65_536
"""Bytes of ``client.toml``: all options with a page of comments each."""

MAX_HISTORY: Final = 1_000
"""Typed lines the tty face remembers."""

MAX_HISTORY_LINE: Final = 4_096
"""Characters of a typed line that is kept for the next start; longer ones are remembered until the client ends."""

EDITOR_END_SECONDS: Final = 1.0
"""How long an editor may take to end when the client does, before it is killed."""

MAX_EMOJI_OFFERED: Final = 40
"""Emoji offered for the beginning of a name."""

MAX_PASTE: Final = 4 * MAX_BODY
"""Characters of a paste, or of a text from an editor: four times what can be sent at once, to be cut down."""

MAX_VIEWS: Final = 1_000
"""Conversations the tty face counts unread messages of: more than anybody reads."""

MAX_UNREAD_SHOWN: Final = 200
"""Unread messages a conversation opens with at most: some screens full; ``/history`` shows more."""

MAX_PRINTED: Final = 100
"""Events the tty face prints between two looks at the keyboard: some milliseconds of work."""

MAX_PASSED: Final = 1_000
"""Messages off the record that this run remembers, so that a conversation that is gone back to is not empty."""

BELL_SECONDS: Final = 1.0
"""Between two rings of the bell."""

MAX_NOTIFIED: Final = 200
"""Characters of a message in a desktop notification."""

MAX_UNREAD_EVENTS: Final = 10_000
"""Events that wait for a program to read them."""

MAX_LOCK_MEMBERS: Final = 50
"""Members of a room whose keys are looked at for the lock in the bar: it is painted anew with every message."""

MAX_JUDGED_PASSWORD: Final = 72
"""Characters of a new password that its strength is told from: guessing how to guess takes longer than linear time."""

DEMO_START_SECONDS: Final = 30.0
"""How long the server and the bots of a demo may take to be there, on a machine that is busy; one second is usual."""

DEMO_END_SECONDS: Final = 5.0
"""How long the client waits until a demo's processes and files are gone; its keeper goes on removing after that."""

DEMO_READ_SECONDS: Final = 0.04
"""How long the bots of a demo wait after each character they said, so that people can read it."""

DEMO_LEAST_READ: Final = 20
"""Characters that a line counts at least, also one that only does something."""

DEMO_LOOK_SECONDS: Final = 0.2
"""Between two looks whether the newcomer is there."""

DEMO_PATIENCE_SECONDS: Final = 45.0
"""How long they wait before they say again, once, what can be tried next."""

"""Group F: the config."""

import os
from base64 import b64decode, b64encode
from collections.abc import Callable
from stat import S_IFIFO
from typing import Any

from revcrypt.format.keys import ScryptParams, derive_kek, wrap
from tests.rescue.attacks_backup import Change, Copy
from tests.rescue.attacks_kinds import (
    ALL_FIND,
    CRASH,
    FOUND,
    HANG,
    HARMLESS,
    NO_KEY,
    REFUSED,
    Attack,
    Group,
    Ours,
)
from tests.rescue.attacks_tools import both, delete, directory, edit_config, node, symlink
from tests.rescue.attacks_tools import write_config as put_config
from tests.support import PASSPHRASE

Fields = dict[str, Any]


def config(copy: Copy) -> Any:
    """Return where the config is."""
    return copy.config


def has(**changed: object) -> Change:
    """Set fields of the config."""
    return edit_config(lambda fields: fields.update(changed))


def scrypt(**changed: object) -> Change:
    """Set parameters of the passphrase hash."""
    return edit_config(lambda fields: fields["ScryptObject"].update(changed))


def without_flag(flag: str) -> Change:
    """Take a feature flag away."""
    return edit_config(lambda fields: fields["FeatureFlags"].remove(flag))


def with_flag(flag: object) -> Change:
    """Add a feature flag."""
    return edit_config(lambda fields: fields["FeatureFlags"].append(flag))


def without(field: str) -> Change:
    """Take a field away."""
    return edit_config(lambda fields: fields.pop(field))


def text(edit: Callable[[str], str]) -> Change:
    """Change the text of the config."""
    return lambda copy: put_config(edit(copy.config.read_text()).encode())(copy)


def key(edit: Callable[[bytearray], object]) -> Change:
    """Change the bytes of the encrypted key."""

    def change(fields: Fields) -> None:
        data = bytearray(json_bytes(fields["EncryptedKey"]))
        edit(data)
        fields["EncryptedKey"] = b64encode(data).decode()

    return edit_config(change)


def json_bytes(value: str) -> bytes:
    """Return the bytes in a field."""
    return b64decode(value)


def invert_last(data: bytearray) -> None:
    """Spoil the tag of the encrypted key."""
    data[-1] ^= 1


def other_host(copy: Copy) -> None:
    """Put in a config of another backup that has the same passphrase."""
    salt, nonce = b"salt" * 8, bytes(16)
    params = ScryptParams(salt, 1 << 10)
    kek = derive_kek(PASSPHRASE.encode(), params, memory_limit=1 << 30)
    wrapped = wrap(bytes(32), kek, nonce=nonce, hkdf=True)
    has(EncryptedKey=b64encode(wrapped).decode())(copy)
    scrypt(Salt=b64encode(salt).decode())(copy)


def deep(_: str) -> str:
    """Return JSON that is nested deeply."""
    return '{"Version":' + "[" * 100_000 + "]" * 100_000 + "}"


TRUTH_WHY = "the data show what they are, whatever the config says"
JSON_WHY = "it is not JSON as a config has it"
COST_WHY = "more memory than there is, or endless time, is refused at once"
RANGE_WHY = "no such passphrase hash exists"
KEY_WHY = "the encrypted key authenticates"
FLAG_WHY = "these flags exclude each other"

SAME = Ours(HARMLESS, FOUND, HARMLESS)
CONFIG_FOUND = Ours(FOUND, FOUND, HARMLESS)

CONFIG = Group(
    "F",
    "The config (`gocryptfs.conf`)",
    [
        Attack("deleted", delete(config), NO_KEY, REFUSED, "there is no key"),
        Attack("empty", put_config(b""), NO_KEY, REFUSED, JSON_WHY),
        Attack("garbage", put_config(os.urandom(400)), NO_KEY, REFUSED, JSON_WHY),
        Attack("zeroed", put_config(bytes(400)), NO_KEY, REFUSED, JSON_WHY),
        Attack("cut", text(lambda text: text[:200]), NO_KEY, REFUSED, JSON_WHY),
        Attack("10 MB of blanks", text(lambda text: " " * 10_000_000 + text), NO_KEY,
            HARMLESS, "a config is small"),
        Attack("10 MB of garbage", put_config(b"A" * 10_000_000), NO_KEY, REFUSED,
            JSON_WHY),
        Attack("nested 100,000 times", text(deep), NO_KEY, REFUSED, JSON_WHY),
        Attack("a list", put_config(b"[1, 2]"), NO_KEY, REFUSED, JSON_WHY),
        Attack("a key there twice",
            text(lambda text: text.replace('"Version"', '"Version": 2, "Version"')),
            NO_KEY, HARMLESS, "which one counts, readers decide differently"),
        Attack("NaN as N", scrypt(N=float("nan")), NO_KEY, REFUSED, JSON_WHY),
        Attack("a directory", directory(config), NO_KEY, REFUSED, "it cannot be read"),
        Attack("a FIFO", node(config, S_IFIFO), NO_KEY, HANG, "only files are opened"),
        Attack("a symlink to nothing", symlink(config, "nothing"), NO_KEY, REFUSED,
            "it cannot be read"),
        *(
            Attack(f"N is {n}", scrypt(N=n), NO_KEY, REFUSED, RANGE_WHY)
            for n in (0, 1, 512, 1000, -1024, 2.5, 2**63, 2**64)
        ),
        Attack("N is 2^26", scrypt(N=2**26), NO_KEY, CRASH, COST_WHY),
        Attack("N is 2^40", scrypt(N=2**40), NO_KEY, CRASH, COST_WHY),
        Attack("N is a text", scrypt(N="1024"), NO_KEY, REFUSED, RANGE_WHY),
        Attack("N is another power of two", scrypt(N=2048), NO_KEY, REFUSED, KEY_WHY),
        Attack("R is 0", scrypt(R=0), NO_KEY, REFUSED, RANGE_WHY),
        Attack("R is 1", scrypt(R=1), NO_KEY, REFUSED, RANGE_WHY),
        Attack("R is 2^20", scrypt(R=2**20), NO_KEY, CRASH, COST_WHY),
        Attack("P is 0", scrypt(P=0), NO_KEY, REFUSED, RANGE_WHY),
        Attack("P is 2^20", scrypt(P=2**20), NO_KEY, HANG, COST_WHY),
        Attack("P is 2^40", scrypt(P=2**40), NO_KEY, CRASH, RANGE_WHY),
        Attack("KeyLen is 0", scrypt(KeyLen=0), NO_KEY, REFUSED, RANGE_WHY),
        Attack("KeyLen is 16", scrypt(KeyLen=16), NO_KEY, REFUSED, RANGE_WHY),
        Attack("KeyLen is 2^31", scrypt(KeyLen=2**31), NO_KEY, HANG, RANGE_WHY),
        Attack("the salt empty", scrypt(Salt=""), NO_KEY, REFUSED, RANGE_WHY),
        Attack("the salt another", scrypt(Salt=b64encode(bytes(32)).decode()), NO_KEY,
            REFUSED, KEY_WHY),
        Attack("no passphrase hash", without("ScryptObject"), NO_KEY, REFUSED, RANGE_WHY),
        Attack("a bit of the encrypted key", key(invert_last), NO_KEY, REFUSED, KEY_WHY),
        Attack("the encrypted key a byte short", key(bytearray.pop), NO_KEY, REFUSED,
            KEY_WHY),
        Attack("the encrypted key empty", key(bytearray.clear), NO_KEY, CRASH, KEY_WHY),
        Attack("the encrypted key no base64", has(EncryptedKey="?"), NO_KEY, REFUSED,
            KEY_WHY),
        Attack("the encrypted key taken away", without("EncryptedKey"), NO_KEY, CRASH,
            KEY_WHY),
        Attack("another backup's, with the same passphrase", other_host, ALL_FIND,
            REFUSED, "its key opens nothing here"),
        Attack("Version 1", has(Version=1), NO_KEY, REFUSED, "there is only version 2"),
        Attack("Version 3", has(Version=3), NO_KEY, REFUSED, "there is only version 2"),
        Attack("Version is a text", has(Version="2"), NO_KEY, REFUSED, JSON_WHY),
        Attack("no flags", has(FeatureFlags=[]), NO_KEY, REFUSED, FLAG_WHY),
        Attack("flag HKDF taken away", without_flag("HKDF"), NO_KEY, REFUSED, KEY_WHY),
        Attack("flag GCMIV128 taken away", without_flag("GCMIV128"), NO_KEY, REFUSED,
            FLAG_WHY),
        Attack("flag AESSIV taken away", without_flag("AESSIV"), CONFIG_FOUND, FOUND,
            TRUTH_WHY),
        Attack("flag DirIV taken away", without_flag("DirIV"), CONFIG_FOUND, FOUND,
            TRUTH_WHY),
        Attack("flag Raw64 taken away", without_flag("Raw64"), CONFIG_FOUND, FOUND,
            TRUTH_WHY),
        Attack("flag EMENames taken away", without_flag("EMENames"), SAME, HARMLESS,
            "there is no other way to encrypt names; the source has other bytes"),
        Attack("flag LongNames taken away", without_flag("LongNames"), SAME, HARMLESS,
            "a long name is known by what it looks like; the source has other bytes"),
        Attack("flag PlaintextNames added", with_flag("PlaintextNames"), NO_KEY, REFUSED,
            FLAG_WHY),
        Attack("flag PlaintextNames in place of all for names",
            has(FeatureFlags=["GCMIV128", "HKDF", "PlaintextNames", "AESSIV"]),
            CONFIG_FOUND, FOUND, TRUTH_WHY),
        Attack("flag XChaCha20Poly1305 added", with_flag("XChaCha20Poly1305"), NO_KEY,
            REFUSED, FLAG_WHY),
        Attack("flag FIDO2 added", with_flag("FIDO2"), NO_KEY, REFUSED,
            "no token is asked for"),
        Attack("flag LongNameMax added, with 100",
            both(with_flag("LongNameMax"), has(LongNameMax=100)), CONFIG_FOUND, FOUND,
            TRUTH_WHY),
        Attack("LongNameMax added, without its flag", has(LongNameMax=100), NO_KEY,
            REFUSED, FLAG_WHY),
        Attack("an unknown flag added", with_flag("Rot13"), NO_KEY, REFUSED,
            "it may need another program"),
        Attack("a flag there twice", with_flag("HKDF"), SAME, HARMLESS,
            "it says the same; the source has other bytes"),
        Attack("a flag that is a number", with_flag(1), NO_KEY, REFUSED, JSON_WHY),
        Attack("flags as a text", has(FeatureFlags="HKDF"), NO_KEY, REFUSED, JSON_WHY),
        Attack("another Creator", has(Creator="somebody"), SAME, HARMLESS,
            "nobody goes by it; the source has other bytes"),
        Attack("an unknown field", has(Comment="hello"), SAME, HARMLESS,
            "nobody goes by it; the source has other bytes"),
    ],
)  # fmt: skip

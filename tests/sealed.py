"""Opening what a real view shows, block for block."""

from pathlib import Path

from revcrypt.format import config, header, keys
from revcrypt.format.sizes import HEADER_SIZE
from revcrypt.format.volume import Volume
from tests.support import PASSPHRASE


def master_key(view: Path) -> bytes:
    """Return the key of a view, by the config that it shows."""
    parsed = config.parse((view / "gocryptfs.conf").read_bytes())
    kek = keys.derive_kek(PASSPHRASE.encode(), parsed.scrypt, memory_limit=1 << 30)
    return keys.unwrap(parsed.encrypted_key, kek, hkdf=True)


def unseal(volume: Volume, sealed: bytes) -> bytes:
    """Return the plaintext; raises `DataError` for a block that does not authenticate."""
    if not sealed:
        return b""
    file_id = header.parse(sealed[:HEADER_SIZE])
    body = memoryview(sealed)[HEADER_SIZE:]
    return bytes(volume.content.open_run(file_id, 0, body, holes=False))

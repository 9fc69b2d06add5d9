"""The file header: `00 02` (version, big-endian) followed by a 16-byte file id.

(Format specification, section 3.1.)
"""

from revcrypt.errors import MalformedError
from revcrypt.format.sizes import HEADER_SIZE

FILE_ID_SIZE = 16
_VERSION = b"\x00\x02"


def pack(file_id: bytes) -> bytes:
    """Return the 18-byte header for *file_id*."""
    return _VERSION + file_id


def parse(header: bytes) -> bytes:
    """Return the file id in *header*; raises `MalformedError`."""
    if len(header) != HEADER_SIZE:
        raise MalformedError(f"the header has {len(header)} bytes, not {HEADER_SIZE}")
    if not header.startswith(_VERSION):
        raise MalformedError(f"the header says version {header[:2].hex()}, not 0002")
    file_id = header[2:]
    # An all-zero id is what a hole where the header should be looks like.
    if file_id == bytes(FILE_ID_SIZE):
        raise MalformedError("the file id in the header is all zero")
    return file_id

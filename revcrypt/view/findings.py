"""Findings: what is wrong with one object of an encrypted tree, told without raising.

An error ends the use of one object; a finding is something that a person should know,
after which work goes on. What is damaged and could be put right is a finding, too.
"""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

log = logging.getLogger(__name__)


class Kind(Enum):
    """What may be wrong; the values are for scripts and never change."""

    CONFIG = "config"
    """The config says something that the data contradict."""
    CONTENT = "content"
    """A block does not authenticate, is zeroed, or the file has been cut within it."""
    HEADER = "header"
    """The header of a file is damaged."""
    SIZE = "size"
    """The size is one that no encrypted file has."""
    NAME = "name"
    """The name of an entry does not decrypt."""
    NAME_FILE = "name-file"
    """The `.name` file of a long name is missing, wrong or left over."""
    DUPLICATE = "duplicate"
    """Two entries of a directory have one plain name."""
    DIR_IV = "diriv"
    """`gocryptfs.diriv` is missing, malformed, or another directory's."""
    LINK = "link"
    """The target of a symlink does not authenticate."""
    XATTR = "xattr"
    """An extended attribute does not authenticate, or is not one that was encrypted."""
    MISPLACED = "misplaced"
    """What authenticates, but belongs to another path."""
    UNREADABLE = "unreadable"
    """The system refuses to read it."""
    MISSING = "missing"
    """It should be there."""
    EXTRA = "extra"
    """It should not be there."""
    TYPE = "type"
    """It is another kind of object than it should be."""
    DIFFERENT = "different"
    """It is whole, but not what the source has."""
    OUTDATED = "outdated"
    """It is what the source had at another time."""
    METADATA = "metadata"
    """Mode, owner, time or another attribute is not that of the source."""
    WITHHELD = "withheld"
    """Left out of what is restored, because it could do harm."""
    DESTINATION = "destination"
    """It could not be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong.

    *plain_path* is None where it is unknown. *offset* and *size* are bytes of the
    ciphertext. What *is_healed* has come out right all the same. Of what is misplaced,
    *iv* is the file id, nonce or directory IV, by which its place can be found.
    """

    kind: Kind
    cipher_path: bytes
    plain_path: bytes | None
    text: str
    offset: int | None = None
    size: int | None = None
    is_healed: bool = False
    iv: bytes | None = None

    def __str__(self) -> str:
        """Return one line for people, in which no name can do harm to a terminal."""
        paths = [self.plain_path or b"", self.cipher_path]
        shown = [printable(path) for path in dict.fromkeys(paths) if path]
        subject = " ".join(f"({path})" if i else path for i, path in enumerate(shown))
        where = "" if self.offset is None else f" at byte {self.offset}"
        healed = "; put right" if self.is_healed else ""
        return f"{subject or 'the root'}{where}: {self.text}{healed}"


Report = Callable[[Finding], None]


def log_finding(finding: Finding) -> None:
    """Report to the log, which is where a mount reports to."""
    log.warning("%s", finding)


def printable(path: bytes) -> str:
    """Return *path* with everything escaped that is more than a character to print."""
    return "".join(
        char if char.isprintable() or char == " " else _escaped(char)
        for char in os.fsdecode(path)
    )


def _escaped(char: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(char))

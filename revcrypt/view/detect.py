"""What a master key opens: which features a tree has, found out from the tree itself.

A master key without its config does not say which ciphers it was used with, and a config
says so without proof. So a few entries and files are sampled, and what could have made
them is tried. (Format specification, sections 1.2, 2 and 9.5.)
"""

import os
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice, product
from stat import S_ISDIR, S_ISREG

from revcrypt.errors import AuthenticationError, DataError
from revcrypt.format import derive
from revcrypt.format.config import Features
from revcrypt.format.content import Cipher
from revcrypt.format.derive import Purpose
from revcrypt.format.keys import MASTER_KEY_SIZE
from revcrypt.format.names import (
    DIR_IV_NAME,
    LONG_NAME_MAX_LEAST,
    NAME_FILE_MAX,
    NAME_FILE_SUFFIX,
    NAME_MAX,
    ZERO_IV,
    EntryKind,
    entry_kind,
)
from revcrypt.format.sizes import BLOCK_SIZE, HEADER_SIZE
from revcrypt.format.volume import Volume
from revcrypt.view.forward import ForwardView
from revcrypt.view.nodes import Attrs, Node
from revcrypt.view.source import Source, open_regular

_ENTRIES = 5000
"""Entries to look at in all."""
_FILES = 20
_HEAD = HEADER_SIZE + 2 * BLOCK_SIZE
"""Bytes of a file in which its first block is, whatever the cipher."""
_NAMES = 200
_NAMES_PER_DIR = 20
_ENOUGH = 8
"""One name in so many must decrypt; one in 256 does by chance."""
_CERTAIN = 2
"""Names that must decrypt for a config to be wrong that says they are plain."""

_CONTENTS = [
    *product((Cipher.AES_SIV, Cipher.AES_GCM, Cipher.XCHACHA20_POLY1305), (True,)),
    *product((Cipher.AES_SIV, Cipher.AES_GCM), (False,)),
]
"""Content ciphers with and without HKDF, the most likely first."""

_NAME_MODES = list(product((True, False), (True, False)))
"""Raw64 and DirIV."""


@dataclass(slots=True)
class Sample:
    """Some names and first blocks of a tree, from its root on."""

    blocks: list[tuple[bytes, bytes, bytes]] = field(default_factory=list)
    """Path of a file, the file id in its header, and its first block."""
    names: list[tuple[bytes, bytes | None, list[bytes]]] = field(default_factory=list)
    """Path of a directory, what is in its `gocryptfs.diriv`, and some of its names."""

    long_names: list[tuple[bytes, bytes | None, dict[bytes, bytes]]] = field(
        default_factory=list
    )
    """The same for hashed entries, with the full name of each."""

    def __bool__(self) -> bool:
        return bool(self.blocks or self.names)

    def opened_blocks(self, volume: Volume) -> int:
        """Return how many of the blocks authenticate."""
        return sum(_opens(volume, file_id, block) for _, file_id, block in self.blocks)

    def opened_names(self, volume: Volume) -> int:
        """Return how many of the names decrypt, or 0 if they are too few to mean it."""
        if volume.features.plaintext_names:
            return 0
        opened = sum(
            max(
                sum(plain is not None for plain in volume.names.decrypt(names, iv))
                for iv in self._ivs(volume.features, path, stored)
            )
            for path, stored, names in self.names
        )
        total = sum(len(names) for _, _, names in self.names)
        return opened if opened * _ENOUGH >= total else 0

    @staticmethod
    def _ivs(features: Features, path: bytes, stored: bytes | None) -> Iterator[bytes]:
        if not features.dir_iv:
            yield ZERO_IV
            return
        yield derive.dir_iv(path)
        if stored is not None:
            yield stored

    def fits(self, master_key: bytes, features: Features) -> bool:
        """Tell whether that opens names and contents, as far as there are any."""
        volume = Volume.open(master_key, features)
        if self.blocks and not self.opened_blocks(volume):
            return False
        if features.plaintext_names:
            return not self._has_encrypted_names(master_key, features)
        if self.names and not self.opened_names(volume):
            return False
        return not self._has_other_limit(volume)

    def _has_other_limit(self, volume: Volume) -> bool:
        """Tell whether names are hashed from another length on."""
        cipher = volume.names
        entries = [
            (path, stored, dict(zip(names, names))) for path, stored, names in self.names
        ]
        return any(
            plain is not None and cipher.shown(full) != entry
            for path, stored, full_names in [*entries, *self.long_names]
            for iv in self._ivs(volume.features, path, stored)
            for (entry, full), plain in zip(
                full_names.items(), cipher.decrypt(list(full_names.values()), iv)
            )
            if full == entry or cipher.hashed(full) == entry
        )

    def _has_encrypted_names(self, master_key: bytes, features: Features) -> bool:
        """Tell whether what is said to be plain names are encrypted ones for certain."""
        total = sum(len(names) for _, _, names in self.names)
        modes = (
            replace(features, plaintext_names=False, raw64=raw64, dir_iv=dir_iv)
            for raw64, dir_iv in _NAME_MODES
        )
        opened = max(self.opened_names(Volume.open(master_key, mode)) for mode in modes)
        return opened >= _CERTAIN and opened * 2 > total

    def is_in_place(self) -> bool | None:
        """Tell whether any of it is where a reverse view would have shown it.

        If nothing is, the tree was not made by one, or it is a part of a copy. None if
        there is nothing to tell by.
        """
        told = [
            file_id == derive.file_ids(path).file_id
            for path, file_id, _ in self.blocks
            if not derive.is_linked(file_id, Purpose.FILE_ID)
        ]
        told += [
            iv == derive.dir_iv(path) for path, iv, _ in self.names if iv is not None
        ]
        return any(told) if told else None


def _opens(volume: Volume, file_id: bytes, block: bytes) -> bool:
    cipher = volume.content
    try:
        cipher.open_run(file_id, 0, block[: BLOCK_SIZE + cipher.overhead], holes=False)
    except AuthenticationError:
        return False
    return True


def detect(source: Source | None, master_key: bytes, sample: Sample) -> Features | None:
    """Return the features under which *master_key* opens *sample* of *source*, or None.

    None, too, if there is nothing to try it on. Without a source there are no names.
    """

    def best(
        candidates: list[Features], score: Callable[[Volume], int]
    ) -> Features | None:
        scores = [score(Volume.open(master_key, features)) for features in candidates]
        return candidates[scores.index(max(scores))] if max(scores) else None

    contents = [Features(cipher=cipher, hkdf=hkdf) for cipher, hkdf in _CONTENTS]
    found = best(contents, sample.opened_blocks)
    modes = [
        replace(base, raw64=raw64, dir_iv=dir_iv)
        for base in ([found] if found else [Features(), Features(hkdf=False)])
        for raw64, dir_iv in _NAME_MODES
    ]
    named = best(modes, sample.opened_names)
    if named is None or source is None:
        if found is None:
            return None
        if any(stored is not None for _, stored, _ in sample.names):
            return found
        return replace(found, plaintext_names=True, dir_iv=False, raw64=False)
    volume = Volume.open(master_key, named)
    return replace(named, long_name_max=_long_name_max(source, volume))


def take_sample(source: Source) -> Sample:
    """Look at some of what is in a tree."""
    sample = Sample()
    directories: dict[bytes, list[bytes]] = {}
    long_names: dict[bytes, dict[bytes, bytes]] = {}
    stored: dict[bytes, bytes | None] = {}
    for node, attrs in islice(walk_raw(source), _ENTRIES):
        assert node.parent is not None
        is_file = S_ISREG(attrs.mode)
        if is_file and node.backing_name == DIR_IV_NAME:
            iv = _head(source, node, len(ZERO_IV) + 1)
            stored[node.parent.backing_path()] = iv if len(iv) == len(ZERO_IV) else None
        elif entry_kind(node.backing_name) is EntryKind.SHORT:
            names = directories.setdefault(node.parent.backing_path(), [])
            names += [node.backing_name] if len(names) < _NAMES_PER_DIR else []
        is_name = node.backing_name.endswith(NAME_FILE_SUFFIX)
        if is_file and is_name:
            known = long_names.setdefault(node.parent.backing_path(), {})
            if len(known) < _NAMES_PER_DIR:
                entry = node.backing_name.removesuffix(NAME_FILE_SUFFIX)
                known[entry] = _head(source, node, NAME_FILE_MAX + 1)
        if is_file and not is_name and len(sample.blocks) < _FILES:
            head = _head(source, node, _HEAD)
            if len(head) > HEADER_SIZE + 1:
                path, file_id = node.backing_path(), head[2:HEADER_SIZE]
                sample.blocks.append((path, file_id, head[HEADER_SIZE:]))
        if len(sample.blocks) == _FILES and sum(map(len, directories.values())) >= _NAMES:
            break
    sample.names = [
        (path, stored.get(path), names) for path, names in directories.items()
    ]
    sample.long_names = [
        (path, stored.get(path), known) for path, known in long_names.items()
    ]
    return sample


def sample_of_file(fd: int) -> Sample:
    """Look at one loose file."""
    head = os.pread(fd, _HEAD, 0)
    blocks = [(b"", head[2:HEADER_SIZE], head[HEADER_SIZE:])]
    return Sample(blocks if len(head) > HEADER_SIZE else [])


def walk_raw(source: Source) -> Iterator[tuple[Node, Attrs]]:
    """Yield what is in a tree, taking all names for what they are, upper levels first.

    What cannot be looked at is left out.
    """
    features = Features(plaintext_names=True, dir_iv=False, raw64=False)
    view = ForwardView(
        source, Volume.open(bytes(MASTER_KEY_SIZE), features), strict=False
    )
    pending = deque([view.root])
    while pending:
        directory = pending.popleft()
        try:
            children = view.entries(directory)
        except (OSError, DataError):
            continue
        for child in children:
            try:
                node, attrs = view.child(directory, child)
            except (OSError, DataError):
                continue
            yield node, attrs
            if S_ISDIR(attrs.mode):
                pending.append(node)


def _head(source: Source, node: Node, size: int) -> bytes:
    assert node.parent is not None
    try:
        fd, _ = open_regular(source.dir_fd(node.parent), node.backing_name)
    except (OSError, DataError):
        return b""
    try:
        return os.read(fd, size)
    except OSError:
        return b""
    finally:
        os.close(fd)


def _long_name_max(source: Source, volume: Volume) -> int:
    """Return the length from which on names are hashed, as far as the tree tells.

    Lengths come in steps, so the tree needs to be walked only until no step is left
    between the longest name that is not hashed and the shortest that is. Names that
    somebody has made up would contradict the others: the fewest are to be lost.
    """
    steps = [volume.base64.encoded_size(size) for size in range(16, NAME_MAX + 2, 16)]
    whole, hashed = Counter[int](), Counter[int]()
    for number, (node, attrs) in enumerate(walk_raw(source)):
        name = node.backing_name
        match entry_kind(name):
            case EntryKind.SHORT if len(name) in steps:
                whole[len(name)] += 1
            case EntryKind.NAME_FILE if S_ISREG(attrs.mode):
                full = _head(source, node, NAME_MAX + 1)
                if volume.names.hashed(full) + NAME_FILE_SUFFIX == name:
                    hashed[len(full)] += 1
            case _:
                pass
        longest = max(whole, default=0)
        shortest = min(hashed, default=NAME_MAX + 1)
        is_clear = not any(
            max(longest, LONG_NAME_MAX_LEAST) < step < shortest for step in steps
        )
        if number >= _ENTRIES and is_clear:
            break

    def lost(limit: int) -> int:
        too_long = sum(count for length, count in whole.items() if length > limit)
        return too_long + sum(n for length, n in hashed.items() if length <= limit)

    limits = [step - 1 for step in steps if LONG_NAME_MAX_LEAST < step <= NAME_MAX]
    return min([NAME_MAX, *reversed(limits)], key=lost)

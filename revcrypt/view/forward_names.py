"""Names of a cipher tree: which entries of a directory have which plain names.

In a copy of a reverse view everything that the names depend on can be computed anew:
`gocryptfs.diriv` from the path of its directory, and which entry a `.name` file belongs
to from what is in it. So there, what is lost or wrong is put right, with a finding.
(Format specification, sections 4.2 to 4.4 and 4.8.)
"""

import os
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from errno import ENOENT

from revcrypt.errors import BadNameError, MalformedError
from revcrypt.format import derive
from revcrypt.format.names import (
    DIR_IV_NAME,
    NAME_FILE_MAX,
    NAME_FILE_SUFFIX,
    ZERO_IV,
    EntryKind,
    NameCipher,
    entry_kind,
    is_config_file,
    is_valid,
)
from revcrypt.view.findings import Finding, Kind, Report, printable
from revcrypt.view.nodes import Child, Node, join
from revcrypt.view.source import Source, open_regular

_BATCH = 4096
"""Names to decrypt at once; a hostile directory may have millions."""
_LOST_SUFFIX = b".lost"
_KEPT_IVS = 1024
"""Directories whose IV is remembered because it took some effort to find out."""
_ENOUGH = 4
"""One name in so many must decrypt under a derived IV; one in 256 does by chance."""


class ForwardNames:
    """The encrypted names of *source*; not for trees with plaintext names.

    They *have_ivs* unless they are deterministic. With *heals*, the tree is taken for a
    copy of a reverse view. With *keeps_all*, an entry without a plain name is listed
    under its cipher name, or one that begins so, instead of being left out.
    """

    def __init__(
        self,
        source: Source,
        cipher: NameCipher,
        report: Report,
        *,
        have_ivs: bool,
        heals: bool,
        keeps_all: bool,
    ) -> None:
        self._source = source
        self._cipher = cipher
        self._report = report
        self.have_ivs = have_ivs
        self._heals = heals
        self._keeps_all = keeps_all
        self._found_ivs: OrderedDict[tuple[bytes, bytes | None], bytes] = OrderedDict()

    def encrypt(self, directory: Node, plain_name: bytes) -> bytes:
        """Return the entry that stands for *plain_name* in a directory, if one does.

        Raises `FileNotFoundError` if none can, and `MalformedError` if the directory has
        lost its IV.
        """
        if not is_valid(plain_name):
            raise FileNotFoundError(ENOENT, "no entry can have this name")
        [full] = self._cipher.encrypt([plain_name], self.iv(directory))
        return self._cipher.shown(full)

    def plain_name(self, directory: Node, entry: bytes) -> bytes:
        """Return the plain name of an entry; raises `BadNameError`.

        Raises `MalformedError` if the directory has lost its IV.
        """
        backing = [entry]
        if entry_kind(entry) is EntryKind.LONG:
            backing.append(entry + NAME_FILE_SUFFIX)
        full = self._full_names(directory, backing, lambda _: None)
        [name] = self._cipher.decrypt([full.get(entry, b"")], self.iv(directory))
        if name is None:
            raise BadNameError("this name does not decrypt in its directory")
        return name

    # Directory IVs

    def iv(self, directory: Node) -> bytes:
        """Return the IV of the names in a directory; raises `MalformedError`."""
        if not self.have_ivs:
            return ZERO_IV
        stored, problem = self.stored_iv(directory)
        path = directory.backing_path()
        if not self._heals or stored == derive.dir_iv(path):
            if stored is None:
                raise MalformedError(f"{DIR_IV_NAME.decode()} {problem}")
            return stored
        known = self._found_ivs.get((path, stored))
        if known is None:
            known = self._find_iv(directory, stored, problem)
            self._found_ivs[path, stored] = known
            if len(self._found_ivs) > _KEPT_IVS:
                self._found_ivs.popitem(last=False)
        return known

    def stored_iv(self, directory: Node) -> tuple[bytes | None, str]:
        """Return the IV in `gocryptfs.diriv`, or None and what is wrong with it."""
        iv, problem = self._read_small(directory, DIR_IV_NAME, len(ZERO_IV))
        if problem:
            return None, problem
        if len(iv) != len(ZERO_IV):
            size = "more" if len(iv) > len(ZERO_IV) else str(len(iv))
            return None, f"has {size} bytes, not {len(ZERO_IV)}"
        return (None, "is all zero") if iv == ZERO_IV else (iv, "")

    def _read_small(self, directory: Node, name: bytes, limit: int) -> tuple[bytes, str]:
        """Return the content of a file, and what is wrong with it.

        Of more than *limit* bytes, one more than that comes back.
        """
        try:
            fd, _ = open_regular(self._source.dir_fd(directory), name)
            try:
                return os.read(fd, limit + 1), ""
            finally:
                os.close(fd)
        except FileNotFoundError:
            return b"", "is missing"
        except OSError as error:
            return b"", f"cannot be read: {error.args[1]}"

    def _find_iv(self, directory: Node, stored: bytes | None, problem: str) -> bytes:
        """Return the IV that decrypts the names: the stored one, or that of the path."""
        path = directory.backing_path()
        derived = derive.dir_iv(path)
        backing = self._backing_names(directory)
        names = list(self._full_names(directory, backing, lambda _: None).values())
        by_path = self._count(names, derived)
        if stored is not None and self._count(names, stored) >= by_path:
            return stored
        if by_path * _ENOUGH < len(names):
            raise MalformedError(
                f"{DIR_IV_NAME.decode()} {problem or 'does not fit the names'}, "
                "and the directory is not where it was made"
            )
        text = problem or "is another directory's"
        if not backing:
            text += ", and nothing else is in the directory: was the pull interrupted?"
        self._report(
            Finding(
                kind=Kind.DIR_IV,
                cipher_path=path,
                plain_path=directory.shown_path(),
                text=f"{DIR_IV_NAME.decode()} {text}",
                is_healed=bool(backing),
            )
        )
        return derived

    def _count(self, names: Sequence[bytes], iv: bytes) -> int:
        """Return how many of *names* decrypt under *iv*."""
        return sum(
            plain is not None
            for start in range(0, len(names), _BATCH)
            for plain in self._cipher.decrypt(names[start : start + _BATCH], iv)
        )

    # Listings

    def entries(self, directory: Node) -> list[Child]:
        """Return the entries that have a plain name, in the order of the source.

        Raises `MalformedError` if the directory has lost its IV.
        """
        iv = self.iv(directory)
        backing = self._backing_names(directory)
        full = self._full_names(directory, backing, self._report)
        entries, names = list(full), list(full.values())
        children: list[Child] = []
        seen: set[bytes] = set()
        lost = []
        for start in range(0, len(names), _BATCH):
            plain = self._cipher.decrypt(names[start : start + _BATCH], iv)
            for entry, shown in zip(entries[start:], plain):
                if shown is not None and shown not in seen:
                    seen.add(shown)
                    children.append(Child(shown, entry))
                    continue
                if shown is not None:
                    text = f"another entry has its name, {printable(shown)}, too"
                    self._report(_of(directory, entry, Kind.DUPLICATE, text))
                elif full[entry]:
                    text = "its name does not decrypt"
                    self._report(_of(directory, entry, Kind.NAME, text))
                lost.append(entry)
        if self._keeps_all:
            for entry in lost:
                # It must not take the place of what has this name by right.
                name = entry
                while name in seen:
                    name += _LOST_SUFFIX
                seen.add(name)
                children.append(Child(name, entry))
        return children

    def _backing_names(self, directory: Node) -> list[bytes]:
        """Return the names in a directory that stand for entries of the plaintext."""
        names = self._source.names(directory)
        if self.have_ivs:
            names = [name for name in names if name != DIR_IV_NAME]
        if directory.parent is None:
            names = [name for name in names if not is_config_file(name)]
        return names

    def _full_names(
        self, directory: Node, backing: Iterable[bytes], report: Report
    ) -> dict[bytes, bytes]:
        """Return the full cipher name of each entry, or empty bytes if it is lost."""
        full: dict[bytes, bytes] = {}
        entries = []
        name_files = []
        for name in backing:
            match entry_kind(name):
                case EntryKind.SHORT:
                    # One that should be hashed cannot be looked up as it is.
                    full[name] = name
                    if self._cipher.shown(name) != name:
                        full[name] = b""
                        text = "its name is longer than it may be"
                        report(_of(directory, name, Kind.NAME, text))
                case EntryKind.LONG:
                    full[name] = b""
                    entries.append(name)
                case EntryKind.NAME_FILE:
                    name_files.append(name)
        if entries or name_files:
            self._read_long_names(directory, full, entries, name_files, report)
        return full

    def _read_long_names(
        self,
        directory: Node,
        full: dict[bytes, bytes],
        entries: Iterable[bytes],
        name_files: Iterable[bytes],
        report: Report,
    ) -> None:
        """Put the names of the hashed *entries* into *full*."""
        names: dict[bytes, bytes] = {}
        strays: dict[bytes, tuple[bytes, bytes]] = {}
        problems: dict[bytes, str] = {}
        for name_file in name_files:
            name, problem = self._read_small(directory, name_file, NAME_FILE_MAX)
            # Names of other files of this directory would decrypt as well.
            entry = self._cipher.shown(name)
            if problem:
                problems[name_file] = problem
            elif name_file == entry + NAME_FILE_SUFFIX:
                names[entry] = name
            else:
                strays[entry] = name, name_file
                problems[name_file] = "holds another name"
        for entry in entries:
            name_file = entry + NAME_FILE_SUFFIX
            problem = problems.pop(name_file, "is missing")
            if entry in names:
                full[entry] = names.pop(entry)
                continue
            is_healed = self._heals and entry in strays
            if is_healed:
                full[entry], stray = strays[entry]
                problem += f", and {printable(stray)} has this one's"
            text = f"its .name file {problem}"
            report(_of(directory, entry, Kind.NAME_FILE, text, is_healed=is_healed))
        for entry in names:
            problems[entry + NAME_FILE_SUFFIX] = "is whole"
        for name_file, problem in problems.items():
            text = f"it {problem}, and there is no entry of this name"
            report(_of(directory, name_file, Kind.NAME_FILE, text))


def _of(
    directory: Node, entry: bytes, kind: Kind, text: str, *, is_healed: bool = False
) -> Finding:
    """Return a finding about an entry whose plain name is not known."""
    return Finding(
        kind=kind,
        cipher_path=join(directory.backing_path(), entry),
        plain_path=None,
        text=text,
        is_healed=is_healed,
    )

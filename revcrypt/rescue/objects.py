"""What an object of a backup holds, read in full, with all that is wrong with it.

Decided here and only here: what makes a file, a link or an attribute the one that belongs
to its path. In a copy of a reverse view, ids and nonces follow from the path, so that
what was moved, swapped or put in the place of something else can be told.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from stat import S_ISDIR

from revcrypt.errors import AuthenticationError, BadNameError, DataError
from revcrypt.format import derive, header
from revcrypt.format.derive import IV_SIZE, Purpose
from revcrypt.format.names import XATTR_PREFIX
from revcrypt.format.sizes import HEADER_SIZE
from revcrypt.rescue.content import Problem, Reader
from revcrypt.view.detect import walk_raw
from revcrypt.view.findings import Finding, Kind, Report, printable
from revcrypt.view.forward import ForwardView
from revcrypt.view.nodes import Node
from revcrypt.view.tree import ACL_NAMES


class Objects:
    """Reads objects of *view* and reports what is wrong with them.

    They have to be in their place if *in_place*; how many of them have proved to be is
    counted. Attributes of another path are left out unless *keeps_misplaced*.
    """

    def __init__(
        self,
        view: ForwardView,
        report: Report,
        *,
        in_place: bool,
        keeps_misplaced: bool = False,
    ) -> None:
        self._view = view
        self._report = report
        self._in_place = in_place
        self._keeps_misplaced = keeps_misplaced
        self._names: dict[int, list[bytes]] | None = None
        """Cipher paths of objects with several, by inode number, once they are known."""
        self.placed = 0

    @contextmanager
    def content(
        self, node: Node, *, in_place: bool = True, others: Sequence[bytes] = ()
    ) -> Iterator[Reader]:
        """Open a regular file to be read once; raises `OSError` or `StaleNodeError`.

        *others* are cipher paths that are names of this file, too. What is below
        something misplaced is asked for with *in_place* false.
        """
        fd, status = self._view.source.open_file(node)
        file_ids: list[bytes] = []
        if self._in_place and in_place:
            paths = [self._view.cipher_path(node), *others]
            file_ids = [derive.file_ids(path).file_id for path in paths]
            if status.st_nlink > 1 and not _has_one_of(fd, file_ids):
                paths = self._other_names(node)
                file_ids += [derive.file_ids(path).file_id for path in paths]

        def tell(problem: Problem) -> None:
            self.tell(node, problem.kind, problem.text, problem)

        reader = Reader(
            fd,
            status.st_size,
            self._view.volume.content,
            tell,
            strict=self._view.strict,
            file_ids=file_ids,
        )
        try:
            yield reader
        finally:
            os.close(fd)
            self.placed += reader.is_in_place

    def _other_names(self, node: Node) -> list[bytes]:
        """Return all cipher paths of an object that has several.

        gocryptfs derives ids from any of them, which need not be among those that were
        asked for. They are looked for only when something fits none of these.
        """
        if self._view.source.stat(node).st_nlink == 1:
            return []
        if self._names is None:
            self._names = {}
            for found, attrs in walk_raw(self._view.source):
                if attrs.nlink > 1 and not S_ISDIR(attrs.mode):
                    paths = self._names.setdefault(attrs.inode, [])
                    paths.append(found.backing_path())
        return self._names.get(node.inode, [])

    def target(
        self, node: Node, *, in_place: bool = True, others: Sequence[bytes] = ()
    ) -> bytes | None:
        """Return the target of a symlink, or None if it is lost; raises `OSError`.

        *others* are cipher paths that are names of this link, too.
        """
        cipher_target = self._view.source.readlink(node)
        volume = self._view.volume
        try:
            target = volume.open_link(cipher_target)
        except DataError:
            self.tell(node, Kind.LINK, "the link target does not authenticate")
            return None
        if not volume.features.plaintext_names and self._in_place and in_place:
            nonce = volume.base64.decode(cipher_target)[:IV_SIZE]
            paths = [self._view.cipher_path(node), *others]
            if any(nonce in _link_nonces(path) for path in paths):
                self.placed += 1
            elif not derive.is_linked(nonce, Purpose.SYMLINK_NONCE) and not any(
                nonce in _link_nonces(path) for path in self._other_names(node)
            ):
                text = "this is the target of another link"
                self.tell(node, Kind.MISPLACED, text, iv=nonce)
        return target

    def xattrs(
        self, node: Node, *, in_place: bool = True, others: Sequence[bytes] = ()
    ) -> dict[bytes, bytes]:
        """Return the extended attributes that authenticate; raises `OSError`.

        *others* are cipher paths that are names of this object, too.
        """
        paths = [self._view.cipher_path(node), *others]
        found: dict[bytes, bytes] = {}
        for name in self._view.source.list_xattrs(node):
            if name not in ACL_NAMES and not name.startswith(XATTR_PREFIX):
                continue  # It is no part of the backup.
            try:
                value = self._view.source.get_xattr(node, name)
                if name in ACL_NAMES:
                    found[name] = value
                    continue
                plain_name = self._view.volume.names.decrypt_xattr(name)
                plain_value = self._view.volume.open_xattr(value)
            except BadNameError:
                text = f"the name of its attribute {printable(name)} does not decrypt"
                self.tell(node, Kind.XATTR, text)
            except AuthenticationError:
                text = f"its attribute {printable(plain_name)} does not authenticate"
                self.tell(node, Kind.XATTR, text)
            else:
                is_checked = self._in_place and in_place
                if is_checked and not (
                    _is_xattr_of(paths, name, value)
                    or _is_xattr_of(self._other_names(node), name, value)
                ):
                    text = (
                        f"its attribute {printable(plain_name)} is that of another path"
                    )
                    self.tell(node, Kind.MISPLACED, text)
                    if not self._keeps_misplaced:
                        continue
                found[plain_name] = plain_value
        return found

    def is_misplaced(self, directory: Node) -> bool:
        """Tell whether a directory has been moved, and report it if it has been."""
        names = self._view.names
        if names is None or not self._in_place or not names.have_ivs:
            return False
        stored, _ = names.stored_iv(directory)
        if stored is None:
            return False
        if stored == derive.dir_iv(self._view.cipher_path(directory)):
            self.placed += 1
            return False
        try:
            if names.iv(directory) != stored:
                return False
        except DataError:
            return False  # Whoever lists it hears of it.
        self.tell(directory, Kind.MISPLACED, "this is another directory", iv=stored)
        return True

    def tell(
        self,
        node: Node,
        kind: Kind,
        text: str,
        problem: Problem | None = None,
        *,
        iv: bytes | None = None,
    ) -> None:
        """Report what is wrong with an object."""
        self._report(
            Finding(
                kind=kind,
                cipher_path=self._view.cipher_path(node),
                plain_path=node.shown_path(),
                text=text,
                offset=None if problem is None else problem.offset,
                size=None if problem is None else problem.size,
                is_healed=problem is not None and problem.is_healed,
                iv=iv if problem is None else problem.iv,
            )
        )


def _has_one_of(fd: int, file_ids: Sequence[bytes]) -> bool:
    """Tell whether a file has one of these ids, or a marked one."""
    stored = os.pread(fd, HEADER_SIZE, 0)[-header.FILE_ID_SIZE :]
    return stored in file_ids or derive.is_linked(stored, Purpose.FILE_ID)


def _link_nonces(path: bytes) -> tuple[bytes, bytes]:
    """Return the nonces that the target of the link at a cipher path may have."""
    # gocryptfs 1 did not repeat the last component.
    return derive.symlink_nonce(path), derive.derive(path, Purpose.SYMLINK_NONCE)


def _is_xattr_of(paths: Sequence[bytes], cipher_name: bytes, value: bytes) -> bool:
    """Tell whether an encrypted value is an attribute of what *paths* are names of."""
    nonce = value[:IV_SIZE]
    return (
        not value
        or any(nonce == derive.xattr_nonce(path, cipher_name) for path in paths)
        or derive.is_linked(nonce, Purpose.XATTR_NONCE, cipher_name)
    )

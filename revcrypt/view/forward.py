"""ForwardView: a cipher tree seen as plaintext, whoever made it.

(Format specification, sections 3.2 to 3.4, 4.8, 5 and 6.)

An AES-SIV tree is taken for a copy of a reverse view unless the caller says otherwise.
A reverse view never contains a stub of 1 to 50 bytes or a block of zeros, so there they
are damage, and nothing is shown for them. In all other trees gocryptfs's own rules hold:
stubs are empty files and zeroed blocks are holes.
"""

import logging
import os
from errno import ENOENT
from itertools import islice
from stat import S_ISLNK, S_ISREG

from revcrypt.errors import (
    AuthenticationError,
    BadNameError,
    DataError,
    MalformedError,
)
from revcrypt.format.names import (
    CONFIG_NAME,
    DIR_IV_NAME,
    NAME_FILE_MAX,
    NAME_FILE_SUFFIX,
    ZERO_IV,
    EntryKind,
    entry_kind,
)
from revcrypt.format.sizes import SMALLEST_FILE, apparent_plain_size
from revcrypt.format.volume import Volume
from revcrypt.view.forward_file import ForwardFile
from revcrypt.view.nodes import Attrs, Child, Node, OpenFile, blocks_of, join
from revcrypt.view.source import NotRegularError, Source, open_regular
from revcrypt.view.tree import ACL_NAMES, Owner, TreeView

_TRIES = 10
"""Files to try before a key is given up."""

log = logging.getLogger(__name__)


class ForwardView(TreeView):
    """The plaintext of *source* under *volume*.

    *strict* refuses what a reverse view never produces.
    """

    def __init__(
        self, source: Source, volume: Volume, *, strict: bool, owner: Owner | None = None
    ) -> None:
        super().__init__(source, owner)
        self._volume = volume
        self._strict = strict
        self._plaintext_names = volume.features.plaintext_names
        self._dir_iv = volume.features.dir_iv and not self._plaintext_names

    def cipher_path(self, node: Node) -> bytes:
        """Return the path of *node* in the source."""
        return node.backing_path()

    # Names

    def lookup(self, parent: Node, shown_name: bytes) -> tuple[Node, Attrs]:
        """Find an entry of a directory."""
        backing = shown_name
        if not self._plaintext_names:
            [full] = self._volume.names.encrypt([shown_name], self._iv(parent))
            backing = self._volume.names.shown(full)
        if parent is self.root and backing == CONFIG_NAME:
            raise FileNotFoundError(ENOENT, "the config is no part of the plaintext")
        return self.child(parent, Child(shown_name, backing))

    def _iv(self, directory: Node) -> bytes:
        if not self._dir_iv:
            return ZERO_IV
        try:
            iv = self._read_small(directory, DIR_IV_NAME, len(ZERO_IV))
        except OSError as error:
            raise MalformedError(f"{DIR_IV_NAME.decode()}: {error.strerror}") from None
        if len(iv) != len(ZERO_IV) or iv == ZERO_IV:
            raise MalformedError(f"{DIR_IV_NAME.decode()} holds no directory IV")
        return iv

    def _read_small(self, directory: Node, name: bytes, limit: int) -> bytes:
        """Return a file's content; more than *limit* bytes come back as one more."""
        fd, _ = open_regular(self.source.dir_fd(directory), name)
        try:
            return os.read(fd, limit + 1)
        finally:
            os.close(fd)

    def entries(self, node: Node) -> list[Child]:
        """Return a snapshot of the entries that have a plain name, in backing order."""
        backing = self.source.names(node)
        if node is self.root:
            backing = [name for name in backing if name != CONFIG_NAME]
        if self._plaintext_names:
            return [Child(name, name) for name in backing]
        if self._dir_iv:
            backing = [name for name in backing if name != DIR_IV_NAME]
        iv = self._iv(node)
        full = {}
        for name in backing:
            match entry_kind(name):
                case EntryKind.SHORT:
                    # A name that should be hashed cannot be looked up as it is.
                    full[name] = name if self._volume.names.shown(name) == name else b""
                case EntryKind.LONG:
                    full[name] = self._full_name(node, name)
                case EntryKind.NAME_FILE:
                    pass
        plain = self._volume.names.decrypt(list(full.values()), iv)
        children = []
        for name, shown in zip(full, plain):
            if shown is None:
                path = os.fsdecode(join(self.cipher_path(node), name))
                log.warning("%s: left out, its name does not decrypt", path)
            else:
                children.append(Child(shown, name))
        return children

    def _full_name(self, directory: Node, entry: bytes) -> bytes:
        """Return the cipher name that *entry* is the hash of, or one of no use."""
        try:
            name_file = entry + NAME_FILE_SUFFIX
            full = self._read_small(directory, name_file, NAME_FILE_MAX)
        except (FileNotFoundError, NotRegularError):
            return b""
        # Names of other files of this directory would decrypt as well.
        return full if self._volume.names.shown(full) == entry else b""

    def is_opened_by_key(self) -> bool:
        """Tell whether the key opens anything in the root, or there is nothing to try.

        Damage is no sign of a wrong key as long as anything is whole.
        """
        names = self.source.names(self.root)
        if self._plaintext_names:
            files = (self._opens_file(name) for name in names if name != CONFIG_NAME)
            tried = islice((opens for opens in files if opens is not None), _TRIES)
            return any(answers) if (answers := list(tried)) else True
        short = [name for name in names if entry_kind(name) is EntryKind.SHORT]
        short = [name for name in short if name not in (CONFIG_NAME, DIR_IV_NAME)]
        try:
            return not short or any(
                self._volume.names.decrypt(short, self._iv(self.root))
            )
        except MalformedError:
            return True

    def _opens_file(self, name: bytes) -> bool | None:
        """Tell whether a file in the root opens; None if it has nothing to open."""
        try:
            node, attrs = self.child(self.root, Child(name, name))
            if not S_ISREG(attrs.mode) or not attrs.size:
                return None
            file = self.open(node)
            try:
                file.read(0, 1, nowait=False)
            finally:
                file.close()
        except OSError:
            return None
        except DataError:
            return False
        return True

    # Nodes and attributes

    def child(self, parent: Node, child: Child) -> tuple[Node, Attrs]:
        """Turn an entry of a listing into a node."""
        if self.is_view(parent, child.backing_name):
            raise FileNotFoundError(ENOENT, "a view is mounted there")
        status = self.source.stat_entry(parent, child.backing_name)
        node = self._make_node(parent, child.backing_name, child.shown_name, status)
        return node, self._status_attrs(node, status)

    def attrs(self, node: Node) -> Attrs:
        """Return the attributes of *node* as of now."""
        return self._status_attrs(node, self.source.stat(node))

    def _status_attrs(self, node: Node, status: os.stat_result) -> Attrs:
        size, blocks = status.st_size, status.st_blocks
        if S_ISREG(status.st_mode):
            size = apparent_plain_size(size, self._volume.content.overhead)
            blocks = blocks_of(size)
        elif S_ISLNK(status.st_mode):
            try:
                size = len(self.readlink(node))
            except DataError:
                size = 0
        return self._attrs_of(node, status, size, blocks)

    # Content

    def readlink(self, node: Node) -> bytes:
        """Return the target of a symlink; raises `AuthenticationError`."""
        return self._volume.open_link(self.source.readlink(node))

    def open(self, node: Node) -> OpenFile:
        """Open a regular file; raises `MalformedError` for a stub."""
        fd, status = self.source.open_file(node)
        if self._strict and 0 < status.st_size < SMALLEST_FILE:
            os.close(fd)
            raise MalformedError(
                f"{status.st_size} bytes are no file of a reverse view; it was cut"
            )
        return ForwardFile(
            self.cipher_path(node),
            fd,
            status,
            cipher=self._volume.content,
            holes=not self._strict,
            attrs=lambda status: self._status_attrs(node, status),
        )

    # Extended attributes

    def list_xattrs(self, node: Node) -> list[bytes]:
        """Return the plain names of the extended attributes of *node*."""
        names = []
        for name in self.source.list_xattrs(node):
            if name in ACL_NAMES:
                names.append(name)
                continue
            try:
                names.append(self._volume.names.decrypt_xattr(name))
            except BadNameError:
                path = os.fsdecode(self.cipher_path(node))
                log.debug("%s: left out the foreign attribute %s", path, name)
        return names

    def get_xattr(self, node: Node, name: bytes) -> bytes:
        """Return the value of an attribute; raises `AuthenticationError`."""
        if name in ACL_NAMES:
            return self.source.get_xattr(node, name)
        cipher_name = self._volume.names.encrypt_xattr(name)
        value = self.source.get_xattr(node, cipher_name)
        try:
            return self._volume.content.open_value(value)
        except AuthenticationError:
            # Very old gocryptfs stored base64 (section 6.2).
            try:
                return self._volume.content.open_value(self._volume.base64.decode(value))
            except MalformedError:
                raise AuthenticationError("the value does not authenticate") from None

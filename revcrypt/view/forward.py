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
from stat import S_ISLNK, S_ISREG

from revcrypt.errors import (
    BadNameError,
    DataError,
    MalformedError,
)
from revcrypt.format.names import is_config_file
from revcrypt.format.sizes import SMALLEST_FILE, apparent_plain_size
from revcrypt.format.volume import Volume
from revcrypt.view.findings import Report, log_finding
from revcrypt.view.forward_file import ForwardFile
from revcrypt.view.forward_names import ForwardNames
from revcrypt.view.nodes import Attrs, Child, Node, OpenFile, blocks_of
from revcrypt.view.source import Source
from revcrypt.view.tree import ACL_NAMES, Owner, TreeView

log = logging.getLogger(__name__)


class ForwardView(TreeView):
    """The plaintext of *source* under *volume*.

    *strict* refuses what a reverse view never produces, and puts names right that it
    would have made otherwise. *report* is told of names that are wrong. With *keeps_all*,
    an entry whose name is lost is shown under its cipher name.
    """

    def __init__(
        self,
        source: Source,
        volume: Volume,
        *,
        strict: bool,
        owner: Owner | None = None,
        report: Report = log_finding,
        keeps_all: bool = False,
    ) -> None:
        super().__init__(source, owner)
        self.volume = volume
        self.strict = strict
        self._keeps_all = keeps_all
        self.names: ForwardNames | None = None
        """How names are encrypted, unless they are not."""
        if not volume.features.plaintext_names:
            self.names = ForwardNames(
                source,
                volume.names,
                report,
                have_ivs=volume.features.dir_iv,
                heals=strict,
                keeps_all=keeps_all,
            )

    def with_report(self, report: Report) -> "ForwardView":
        """Return the same view, for somebody else to be told what is wrong."""
        return ForwardView(
            self.source,
            self.volume,
            strict=self.strict,
            owner=self._owner,
            report=report,
            keeps_all=self._keeps_all,
        )

    def cipher_path(self, node: Node) -> bytes:
        """Return the path of *node* in the source."""
        return node.backing_path()

    # Names

    def lookup(self, parent: Node, shown_name: bytes) -> tuple[Node, Attrs]:
        """Find an entry of a directory."""
        backing = shown_name
        if self.names is not None:
            backing = self.names.encrypt(parent, shown_name)
        if parent is self.root and is_config_file(backing):
            raise FileNotFoundError(ENOENT, "the config is no part of the plaintext")
        return self.child(parent, Child(shown_name, backing))

    def entries(self, node: Node) -> list[Child]:
        """Return a snapshot of the entries that have a plain name, in backing order."""
        if self.names is not None:
            return self.names.entries(node)
        names = self.source.names(node)
        if node is self.root:
            names = [name for name in names if not is_config_file(name)]
        return [Child(name, name) for name in names]

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
            size = apparent_plain_size(size, self.volume.content.overhead)
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
        return self.volume.open_link(self.source.readlink(node))

    def open(self, node: Node) -> OpenFile:
        """Open a regular file; raises `MalformedError` for a stub."""
        fd, status = self.source.open_file(node)
        if self.strict and 0 < status.st_size < SMALLEST_FILE:
            os.close(fd)
            raise MalformedError(
                f"{status.st_size} bytes are no file of a reverse view; it was cut"
            )
        return ForwardFile(
            self.cipher_path(node),
            fd,
            status,
            cipher=self.volume.content,
            holes=not self.strict,
            attrs=lambda status: self._status_attrs(node, status),
            is_paged=status.st_dev in self.mounts.paged,
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
                names.append(self.volume.names.decrypt_xattr(name))
            except BadNameError:
                path = os.fsdecode(self.cipher_path(node))
                log.debug("%s: left out the foreign attribute %s", path, name)
        return names

    def get_xattr(self, node: Node, name: bytes) -> bytes:
        """Return the value of an attribute; raises `AuthenticationError`."""
        if name in ACL_NAMES:
            return self.source.get_xattr(node, name)
        cipher_name = self.volume.names.encrypt_xattr(name)
        return self.volume.open_xattr(self.source.get_xattr(node, cipher_name))

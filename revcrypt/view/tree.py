"""What both views have in common: nodes made from a source tree, and their numbers."""

import os
from stat import S_ISDIR
from typing import NamedTuple

from revcrypt.view.distant import Distant
from revcrypt.view.mounts import MountsBelow
from revcrypt.view.nodes import (
    Attrs,
    Child,
    Device,
    Node,
    inode_number,
    inode_number_at,
    join,
    kind_of,
)
from revcrypt.view.source import Source

ACL_NAMES = (b"system.posix_acl_access", b"system.posix_acl_default")
"""Attributes that both sides show in clear (section 6.3)."""


class Owner(NamedTuple):
    """Who owns everything in a view."""

    uid: int
    gid: int


class TreeView:
    """A view of *source*. Subclasses say what is the cipher side of it.

    Everything belongs to *owner*, if one is given, and else to whom it belongs.
    """

    def __init__(self, source: Source, owner: Owner | None) -> None:
        self.source = source
        self._owner = owner
        self.mounts = MountsBelow(source.root_fd)
        self.mounts.refresh()
        status = source.root_stat
        self._device = Device(status.st_dev, b"")
        number = inode_number(self._device, status.st_ino)
        self.root = Node(None, b"", b"", self._device, status.st_ino, number)

    def cipher_path(self, node: Node) -> bytes:
        """Return the path of *node* on the encrypted side."""
        raise NotImplementedError

    def forget(self, node: Node) -> None:
        """Release what is kept for *node*."""
        self.source.forget(node)

    def close(self) -> None:
        """Release everything."""
        self.source.close()

    def ask_first(self) -> Distant:
        """Touch distant disks from now on only if they have answered lately."""
        self.source.distant = Distant(self.mounts)
        return self.source.distant

    def statvfs(self) -> os.statvfs_result:
        """Return size and usage of the source's filesystem."""
        return os.statvfs(self.source.root_fd)

    def may_wait(self, child: Child) -> bool:
        """Tell whether an entry may be on another disk, which may hang."""
        return self.mounts.may_be_mount(child.backing_name)

    def _make_node(
        self,
        parent: Node,
        backing_name: bytes,
        shown_name: bytes,
        status: os.stat_result,
    ) -> Node:
        device = parent.device
        node = Node(parent, backing_name, shown_name, device, status.st_ino, 0)
        node.kind = kind_of(status.st_mode)
        if status.st_dev != device.number or self.mounts.may_be_mount(backing_name):
            node.device = self._device_of(node, status)
        if S_ISDIR(status.st_mode):
            path = self.cipher_path(node)
            node.inode = inode_number_at(node.device, status.st_ino, path)
        else:
            node.inode = inode_number(node.device, status.st_ino)
        return node

    def _device_of(self, node: Node, status: os.stat_result) -> Device:
        assert node.parent is not None
        if self.mounts.is_mount(node.backing_path()):
            return Device.at(status.st_dev, self.cipher_path(node))
        inherited = node.parent.device
        if status.st_dev == inherited.number:
            return inherited
        # No mount, yet another device: a subvolume, or a layer of an overlay.
        return Device.at(status.st_dev, self.cipher_path(node))

    def is_view(self, node: Node, backing_name: bytes) -> bool:
        """Tell whether an entry is a view, maybe this one, which must not be touched."""
        if not self.mounts.may_be_mount(backing_name):
            return False
        path = join(node.backing_path(), backing_name)
        if not self.mounts.is_mount(path):
            # The kernel does not tell when a directory above a mount is renamed.
            self.mounts.refresh()
        return self.mounts.is_view(path)

    def _attrs_of(
        self, node: Node, status: os.stat_result, size: int, blocks: int
    ) -> Attrs:
        uid, gid = self._owner or (status.st_uid, status.st_gid)
        return Attrs(
            node.inode,
            status.st_mode,
            status.st_nlink,
            uid,
            gid,
            status.st_rdev,
            size,
            blocks,
            status.st_blksize,
            status.st_atime_ns,
            status.st_mtime_ns,
            status.st_ctime_ns,
        )

"""ReverseView: a plain tree seen as ciphertext, the same on every mount.

(Format specification, sections 3.5, 4.5 to 4.7, 5 and 6. Where this view differs from
gocryptfs on purpose: hard links, block counts, virtual files, the config.)
"""

import logging
import os
from errno import ENAMETOOLONG, ENOENT
from stat import S_IFDIR, S_IFREG, S_ISDIR, S_ISLNK, S_ISREG

from revcrypt.errors import BadNameError, NoAttributeError
from revcrypt.format import derive
from revcrypt.format.derive import Purpose
from revcrypt.format.names import (
    DIR_IV_NAME,
    NAME_FILE_SUFFIX,
    NAME_MAX,
    ZERO_IV,
    EntryKind,
    entry_kind,
    is_config_file,
)
from revcrypt.format.sizes import cipher_size
from revcrypt.format.volume import Volume
from revcrypt.view.exclude import SHOWN, Exclude, Verdict
from revcrypt.view.files import BytesFile
from revcrypt.view.name_cache import DirNames, NameCache
from revcrypt.view.nodes import (
    Attrs,
    Child,
    EmptyDirNode,
    Node,
    OpenFile,
    VirtualNode,
    blocks_of,
    join,
)
from revcrypt.view.reverse_file import ReverseFile
from revcrypt.view.shown_config import ShownConfig
from revcrypt.view.source import Source
from revcrypt.view.tree import ACL_NAMES, Owner, TreeView

LINK_MAX = 4095
"""The longest target that the kernel takes from FUSE."""

log = logging.getLogger(__name__)


class ReverseView(TreeView):
    """The encrypted view of *source* under *volume*, an AES-SIV volume.

    *config* is shown as `gocryptfs.conf` in the root, and its recovery files beside it.
    What *exclude* hides does not exist.
    """

    def __init__(
        self,
        source: Source,
        volume: Volume,
        config: ShownConfig | None,
        *,
        exclude: Exclude | None = None,
        owner: Owner | None = None,
    ) -> None:
        super().__init__(source, owner)
        self._exclude = exclude
        self._volume = volume
        self._plaintext_names = volume.features.plaintext_names
        self._dir_iv = volume.features.dir_iv and not self._plaintext_names
        self._config = config
        self._names = NameCache(volume.names)

    @property
    def shows_config(self) -> bool:
        """Whether there is a config in the root of the view."""
        return self._config is not None

    def cipher_path(self, node: Node) -> bytes:
        """Return the path of *node* in the view."""
        return node.shown_path()

    def forget(self, node: Node) -> None:
        """Release what is kept for *node*."""
        super().forget(node)
        self._names.forget(node)

    # Names

    def lookup(self, parent: Node, shown_name: bytes) -> tuple[Node, Attrs]:
        """Find an entry of a directory."""
        return self.child(parent, self._resolve(parent, shown_name))

    def _resolve(self, parent: Node, shown: bytes) -> Child:
        if self._is_config(parent, shown):
            return Child(shown, b"")
        if self._plaintext_names:
            return self._real(parent, shown, shown)
        names = self._names_in(parent)
        if self._dir_iv and shown == DIR_IV_NAME:
            return Child(shown, b"", names.iv)
        match entry_kind(shown):
            case EntryKind.SHORT:
                return self._real(parent, shown, names.decrypt(shown))
            case EntryKind.LONG:
                return self._real(parent, shown, self._find(parent, names, shown))
            case EntryKind.NAME_FILE:
                entry = shown.removesuffix(NAME_FILE_SUFFIX)
                plain = self._find(parent, names, entry)
                owner = self._real(parent, entry, plain)
                return Child(shown, owner.backing_name, names.full[entry])

    def _real(self, parent: Node, shown: bytes, plain: bytes | None) -> Child:
        if (
            plain is None
            or isinstance(parent, EmptyDirNode)
            or self._is_hidden(parent, plain)
        ):
            raise FileNotFoundError(ENOENT, "no such entry")
        return Child(shown, plain)

    def _find(self, parent: Node, names: DirNames, entry: bytes) -> bytes | None:
        """Return the plain name of a hashed entry, if it exists."""
        if entry not in names.plain and not isinstance(parent, EmptyDirNode):
            names.update(self.source.names(parent))
        return names.plain.get(entry)

    def _names_in(self, directory: Node) -> DirNames:
        iv = derive.dir_iv(self.cipher_path(directory)) if self._dir_iv else ZERO_IV
        return self._names.names(directory, iv)

    def _is_config(self, parent: Node, shown: bytes) -> bool:
        return (
            parent is self.root and self._config is not None and self._config.shows(shown)
        )

    def _is_hidden(self, parent: Node, plain: bytes) -> bool:
        """Tell whether an entry of the source has no place in the view."""
        if parent is not self.root:
            return False
        # Whoever reads a backup takes such a name for its config.
        if self._plaintext_names and is_config_file(plain):
            return True
        return self._config is not None and self._config.hides(plain)

    def entries(self, node: Node) -> list[Child]:
        """Return a snapshot: entries of the source in its order, then virtual files."""
        plain = [] if isinstance(node, EmptyDirNode) else self.source.names(node)
        if node is self.root:
            plain = [name for name in plain if not self._is_hidden(node, name)]
        if self._plaintext_names:
            children = [Child(name, name) for name in plain]
        else:
            children = self._list_encrypted(node, plain)
        if node is self.root and self._config is not None:
            children += [Child(name, b"") for name in self._config.names()]
        return children

    def _list_encrypted(self, node: Node, plain: list[bytes]) -> list[Child]:
        names = self._names_in(node)
        names.update(plain)
        children = [Child(names.shown[name], name) for name in plain]
        virtual = [
            Child(shown + NAME_FILE_SUFFIX, name, names.full[shown])
            for shown, name, _ in children
            if shown in names.full
        ]
        if self._dir_iv:
            children.append(Child(DIR_IV_NAME, b"", names.iv))
        return children + virtual

    # Nodes and attributes

    def child(self, parent: Node, child: Child) -> tuple[Node, Attrs]:
        """Turn an entry of a listing into a node."""
        shown, plain, content = child
        if content is not None:
            if plain:
                self._look_at(parent, plain)
            node: Node = VirtualNode(parent, plain, shown, content)
            return node, self.attrs(node)
        if self._is_config(parent, shown):
            assert self._config is not None
            content, status = self._config.read(shown)
            node = VirtualNode(parent, b"", shown, content)
            return node, self._status_attrs(node, status)
        entry = self._look_at(parent, plain)
        if entry is None:
            node = EmptyDirNode(parent, plain, shown)
            return node, self.attrs(node)
        node = self._make_node(parent, plain, shown, entry)
        return node, self._status_attrs(node, entry)

    def _look_at(self, parent: Node, plain: bytes) -> os.stat_result | None:
        """Return the status of an entry, or None for a directory that is shown empty.

        Raises `FileNotFoundError` for what is hidden.
        """
        is_simple = self._exclude is None and parent is not self.root
        if is_simple and not self.mounts.may_be_mount(plain):
            return self.source.stat_entry(parent, plain)  # `judge` would not do more.
        verdict, status = self.judge(parent, plain)
        if verdict.hidden:
            raise FileNotFoundError(ENOENT, "no such entry")
        return status

    def judge(self, parent: Node, plain: bytes) -> tuple[Verdict, os.stat_result | None]:
        """Return whether an entry of the source is hidden, and its status if it is not.

        The status is None for a directory that is shown empty, too. What is hidden
        because of its path is never touched: it may be on a disk that hangs.
        """
        if self._is_hidden(parent, plain):
            return Verdict(hidden=True, rule="the config of the view"), None
        exclude = self._exclude
        is_untouchable = self._is_untouchable(parent, plain)
        if exclude is None:
            status = None if is_untouchable else self.source.stat_entry(parent, plain)
            return SHOWN, status
        path = join(parent.backing_path(), plain)
        verdict = exclude.judge_path(path)
        if verdict.hidden:
            return verdict, None
        if is_untouchable:
            return exclude.judge_unknown(path), None
        try:
            status = self.source.stat_entry(parent, plain)
        except OSError:
            verdict = exclude.judge_unknown(path)
            if verdict.hidden:
                return verdict, None
            raise
        verdict = exclude.judge(path, self.source, parent, plain, status)
        if exclude.one_file_system and self._is_elsewhere(path, status):
            hidden = verdict.hidden or not S_ISDIR(status.st_mode)
            return Verdict(hidden, verdict.rule or "one-file-system"), None
        return verdict, status

    def _is_untouchable(self, parent: Node, plain: bytes) -> bool:
        """Tell whether an entry is a view, or shown empty and may not answer."""
        if not self.mounts.may_be_mount(plain):
            return False
        is_limited = self._exclude is not None and self._exclude.one_file_system
        path = join(parent.backing_path(), plain)
        may_hang = is_limited and self.mounts.may_hang(path)
        return may_hang or self.is_view(parent, plain)

    def _is_elsewhere(self, path: bytes, status: os.stat_result) -> bool:
        """Tell whether an entry is not of the source's own filesystem."""
        if self.mounts.is_mount(path):
            return True
        # Files of an overlay have devices of their own.
        is_dir = S_ISDIR(status.st_mode)
        return is_dir and status.st_dev != self.source.root_stat.st_dev

    def attrs(self, node: Node) -> Attrs:
        """Return the attributes of *node* as of now."""
        if isinstance(node, EmptyDirNode):
            return self._empty_dir_attrs(node)
        if not isinstance(node, VirtualNode):
            return self._status_attrs(node, self.source.stat(node))
        assert node.parent is not None
        if self._is_config(node.parent, node.shown_name):
            assert self._config is not None
            node.content, status = self._config.read(node.shown_name)
            return self._status_attrs(node, status)
        return self._virtual_attrs(node, node.parent)

    def _empty_dir_attrs(self, node: EmptyDirNode) -> Attrs:
        assert node.parent is not None
        if self._is_untouchable(node.parent, node.backing_name):
            # Its directory stands in for it.
            mode = S_IFDIR | 0o555
            return self.attrs(node.parent)._replace(inode=node.inode, mode=mode, nlink=2)
        status = self.source.stat_entry(node.parent, node.backing_name)
        return self._status_attrs(node, status)._replace(nlink=2)

    def _virtual_attrs(self, node: VirtualNode, parent: Node) -> Attrs:
        """Return the attributes of a file that follows its owner."""
        name = node.backing_name
        if name and not self._is_untouchable(parent, name):
            status = self.source.stat_entry(parent, name)
            owner = self._status_attrs(node, status)
        else:
            owner = self.attrs(parent)
        return owner._replace(
            inode=node.inode,
            mode=S_IFREG | 0o444,
            nlink=1,
            rdev=0,
            size=len(node.content),
            blocks=blocks_of(len(node.content)),
        )

    def _status_attrs(self, node: Node, status: os.stat_result) -> Attrs:
        size, blocks = status.st_size, status.st_blocks
        if isinstance(node, VirtualNode):
            size = len(node.content)
            blocks = blocks_of(size)
        elif S_ISREG(status.st_mode):
            # Ciphertext has no holes, whatever the source has: programs that look for
            # holes would otherwise leave out the header.
            size = cipher_size(size)
            blocks = blocks_of(size)
        elif S_ISLNK(status.st_mode):
            # procfs and some others give no size.
            size = self._volume.sealed_link_size(size or self._target_size(node))
        return self._attrs_of(node, status, size, blocks)

    def _target_size(self, node: Node) -> int:
        try:
            return len(self.source.readlink(node))
        except OSError:
            return 0  # Whoever reads the link gets the error.

    def _link_id(self, node: Node, status: os.stat_result) -> bytes | None:
        """Return what the ids and nonces of an object with several names begin with."""
        if status.st_nlink > 1 and not S_ISDIR(status.st_mode):
            return derive.link_id(node.device.tag, node.source_inode)
        return None

    # Content

    def readlink(self, node: Node) -> bytes:
        """Return the encrypted target of a symlink."""
        link_id = self._link_id(node, self.source.stat(node))
        if link_id is None:
            nonce = derive.symlink_nonce(self.cipher_path(node))
        else:
            nonce = derive.linked_iv(link_id, Purpose.SYMLINK_NONCE)
        target = self._volume.seal_link(nonce, self.source.readlink(node))
        if len(target) > LINK_MAX:
            raise OSError(ENAMETOOLONG, "the encrypted link target is too long")
        return target

    def open(self, node: Node) -> OpenFile:
        """Open a regular file; its ciphertext stays consistent while it is written."""
        path = self.cipher_path(node)
        if isinstance(node, VirtualNode):
            attrs = self.attrs(node)
            return BytesFile(path, node.content, attrs)
        fd, status = self.source.open_file(node)
        link_id = self._link_id(node, status)
        if link_id is None:
            ids = derive.file_ids(path)
        else:
            ids = derive.linked_file_ids(link_id)
        return ReverseFile(
            path,
            fd,
            status,
            cipher=self._volume.sealer,
            ids=ids,
            attrs=lambda status: self._status_attrs(node, status),
            is_paged=status.st_dev in self.mounts.paged,
        )

    # Extended attributes

    def list_xattrs(self, node: Node) -> list[bytes]:
        """Return the encrypted names of the extended attributes of *node*."""
        if isinstance(node, VirtualNode | EmptyDirNode):
            return []
        mode = self.source.stat(node).st_mode
        names = []
        for name in self.source.list_xattrs(node):
            if name in ACL_NAMES and self._owner is not None:
                continue  # It names owners, too.
            shown = name if name in ACL_NAMES else self._volume.names.encrypt_xattr(name)
            # The kernel keeps user.* from everything but files and directories.
            if shown is not name and not (S_ISREG(mode) or S_ISDIR(mode)):
                continue
            if len(shown) > NAME_MAX:
                log.warning(
                    "%s: an attribute is left out, its encrypted name is too long",
                    os.fsdecode(self.cipher_path(node)),
                )
                continue
            names.append(shown)
        return names

    def get_xattr(self, node: Node, name: bytes) -> bytes:
        """Return the encrypted value of an attribute."""
        if isinstance(node, VirtualNode | EmptyDirNode):
            raise NoAttributeError("virtual files have no attributes")
        if name in ACL_NAMES:
            if self._owner is not None:
                raise NoAttributeError("an ACL names other owners")
            return self.source.get_xattr(node, name)
        try:
            plain = self._volume.names.decrypt_xattr(name)
        except BadNameError:
            raise NoAttributeError("not an encrypted attribute") from None
        value = self.source.get_xattr(node, plain)
        link_id = self._link_id(node, self.source.stat(node))
        if link_id is None:
            nonce = derive.xattr_nonce(self.cipher_path(node), name)
        else:
            nonce = derive.linked_iv(link_id, Purpose.XATTR_NONCE, name)
        return self._volume.sealer.seal_value(nonce, value)

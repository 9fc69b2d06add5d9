"""What a reverse view would show, and what it cannot: a walk without a mount."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from stat import S_ISDIR, S_ISLNK, S_ISREG

from revcrypt.format.names import NAME_MAX
from revcrypt.format.volume import Volume
from revcrypt.view.exclude import SHOWN, Verdict
from revcrypt.view.nodes import Attrs, Child, EmptyDirNode, Node, join
from revcrypt.view.reverse import LINK_MAX, ReverseView

PATH_MAX = 4096
"""The longest path that Linux takes (limits.h), its end included."""


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of the source. *problems* keep it, or some of it, from being shown.

    *attrs* are those in the view, and None if it is hidden or cannot be looked at.
    *plain_size* is in bytes, and 0 for all but regular files.
    """

    path: bytes
    verdict: Verdict
    attrs: Attrs | None = None
    plain_size: int = 0
    problems: list[str] = field(default_factory=list)


class Survey:
    """Walks *view* as a client would; *volume* is the one that it shows.

    The key does not matter: all sizes and lengths are the same for every key.
    """

    def __init__(self, view: ReverseView, volume: Volume) -> None:
        self._view = view
        self._names = volume.names

    def items(self) -> Iterator[Item]:
        """Yield everything below the root, without what is in hidden directories."""
        pending = [self._view.root]
        while pending:
            directory = pending.pop()
            try:
                children = self._view.entries(directory)
            except OSError as error:
                text = f"cannot be listed: {error.strerror}"
                yield Item(directory.backing_path(), SHOWN, problems=[text])
                continue
            below = []
            for child in children:
                if child.content is not None or not child.backing_name:
                    continue  # It exists only in the view.
                try:
                    item, node = self._look_at(directory, child)
                except FileNotFoundError:
                    continue  # It has gone since.
                yield item
                is_dir = item.attrs is not None and S_ISDIR(item.attrs.mode)
                if node is not None and is_dir and not isinstance(node, EmptyDirNode):
                    below.append(node)
            pending += reversed(below)

    def _look_at(self, parent: Node, child: Child) -> tuple[Item, Node | None]:
        view = self._view
        path = join(parent.backing_path(), child.backing_name)
        try:
            verdict, status = view.judge(parent, child.backing_name)
            if verdict.hidden:
                return Item(path, verdict), None
            node, attrs = view.child(parent, child)
        except FileNotFoundError:
            raise
        except OSError as error:
            text = f"cannot be looked at: {error.strerror}"
            return Item(path, SHOWN, problems=[text]), None
        is_file = S_ISREG(attrs.mode)
        plain_size = status.st_size if is_file and status is not None else 0
        problems = list(self._problems(parent, node, attrs))
        return Item(path, verdict, attrs, plain_size, problems), node

    def _problems(self, parent: Node, node: Node, attrs: Attrs) -> Iterator[str]:
        view = self._view
        if S_ISLNK(attrs.mode) and attrs.size > LINK_MAX:
            yield f"the link target is too long, {attrs.size} bytes when encrypted"
        length = len(view.cipher_path(node)) + 1
        if length > PATH_MAX:
            yield f"the path is too long for many programs, {length} bytes when encrypted"
        if isinstance(node, EmptyDirNode):
            return
        if S_ISREG(attrs.mode) and not os.access(
            node.backing_name,
            os.R_OK,
            dir_fd=view.source.dir_fd(parent),
            effective_ids=True,
        ):
            yield "cannot be read: Permission denied"
        try:
            xattrs = view.source.list_xattrs(node)
        except OSError as error:
            yield f"its extended attributes cannot be read: {error.strerror}"
            return
        for name in xattrs:
            if len(self._names.encrypt_xattr(name)) > NAME_MAX:
                yield f"an extended attribute has too long a name, {len(name)} bytes"

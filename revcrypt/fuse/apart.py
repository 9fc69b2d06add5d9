"""Objects that have the same number, although they are not the same.

Some filesystems number objects by chance, or cut numbers to 32 bits. To the kernel, all
objects of one number are one, so it would show the content of one under the name of
another. They are told apart while they are there at the same time; which of them keeps
the number depends on which is known first.
"""

from copy import copy
from stat import S_ISDIR

from revcrypt.errors import RevcryptError
from revcrypt.view.nodes import (
    Attrs,
    Node,
    NodeTable,
    View,
    VirtualNode,
    inode_number_at,
)


def tell_apart(
    view: View, nodes: NodeTable, found: Node, attrs: Attrs
) -> tuple[Node, Attrs]:
    """Return what was just found, with another number if that is another object's.

    *nodes* are those that the kernel knows.
    """
    known = nodes.get(found.inode)
    if (
        known is None
        or _is_at(known, found)
        # Numbers that depend on the path are nobody else's.
        or isinstance(found, VirtualNode)
        or S_ISDIR(attrs.mode)
        or not known.is_same_object(found)
        or not _are_two(view, known, found, attrs)
    ):
        return found, attrs
    other, path = copy(found), view.cipher_path(found)
    other.inode = inode_number_at(found.device, found.source_inode, path)
    return other, attrs._replace(inode=other.inode)


def _is_at(known: Node, found: Node) -> bool:
    return known.parent is found.parent and known.backing_name == found.backing_name


def _are_two(view: View, known: Node, found: Node, attrs: Attrs) -> bool:
    """Tell whether both are there, and are not two names of one object."""
    try:
        other = view.attrs(known)
        if attrs.nlink > 1:
            if _lasting(other) == _lasting(attrs):
                return False
            # What was written to between the two looks is one object nevertheless.
            looks = [_lasting(view.attrs(node)) for node in (found, known)]
            if looks != [_lasting(attrs), _lasting(other)]:
                return False
        # A directory above it that has moved, and is kept open, still leads to it.
        above = known.parent
        while above is not None:
            view.attrs(above)
            above = above.parent
    except (OSError, RevcryptError):
        return False  # What is known is a name that it has lost.
    return True


def _lasting(attrs: Attrs) -> Attrs:
    """Return what looking at an object does not change."""
    return attrs._replace(atime_ns=0)

"""The table of nodes: references are counted, and memory is given back."""

import sys

import pytest

from revcrypt.errors import StaleNodeError
from revcrypt.view.nodes import ROOT_INODE, Device, Node, NodeTable

DEVICE = Device(1, b"")
MANY = 10_000


def make_node(parent: Node | None, inode: int) -> Node:
    name = b"%d" % inode
    return Node(parent, name, name, DEVICE, inode, inode)


@pytest.fixture
def table() -> NodeTable:
    """A table with nothing but its root."""
    return NodeTable(make_node(None, ROOT_INODE), lambda _: None)


def test_references_are_counted(table: NodeTable) -> None:
    """A node stays until as many references are dropped as were counted."""
    node = make_node(table[ROOT_INODE], 7)
    assert table.remember(node) is table.remember(make_node(table[ROOT_INODE], 7)) is node
    assert table.forget(7, 1) is None
    assert table[7] is node
    assert table.forget(7, 1) is node
    assert table.forget(7, 1) is None
    assert len(table) == 1


def test_another_object_of_the_same_number(table: NodeTable) -> None:
    """Two objects are never taken for one."""
    table.remember(make_node(table[ROOT_INODE], 7))
    other = Node(table[ROOT_INODE], b"7", b"7", DEVICE, 8, 7)
    with pytest.raises(StaleNodeError):
        table.remember(other)


def test_room_is_given_back(table: NodeTable) -> None:
    """When the kernel has forgotten a large tree, its table is gone, too."""
    small = sys.getsizeof(table._nodes)
    for inode in range(2, MANY):
        table.remember(make_node(table[ROOT_INODE], inode))
    large = sys.getsizeof(table._nodes)
    assert large > 100 * small
    assert not table.shrink()
    shrunk = 0
    for inode in range(2, MANY):
        assert table.forget(inode, 1) is not None
        shrunk += table.shrink()
    assert 1 < shrunk < 10  # Each time costs as much as there is left.
    assert sys.getsizeof(table._nodes) < large / 50
    assert table.forget(ROOT_INODE, 1) is None
    assert len(table) == 1

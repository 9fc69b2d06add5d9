"""Two objects of one number, as they are told apart."""

from revcrypt.fuse.apart import tell_apart
from revcrypt.view.nodes import NodeTable, kind_of
from tests.view.trees import FakeFile, FakeView, fake_attrs


def test_only_the_number_is_another() -> None:
    """What was found keeps all else, such as what kind of object it is."""
    attrs = fake_attrs(10, size=2)
    files = {b"a": FakeFile(b"a", fake_attrs(10, size=1)), b"b": FakeFile(b"bb", attrs)}
    view = FakeView(files)
    nodes = NodeTable(view.root, view.forget)
    nodes.remember(view.lookup(view.root, b"a")[0])
    found, _ = view.lookup(view.root, b"b")
    found.kind = kind_of(attrs.mode)
    other, told = tell_apart(view, nodes, found, attrs)
    assert other.inode == told.inode != found.inode
    assert other.kind == found.kind
    assert (other.parent, other.shown_name) == (found.parent, found.shown_name)

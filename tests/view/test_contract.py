"""The contract: a plain view of a copy of an encrypted view equals the source."""

import os
from collections.abc import Mapping
from pathlib import Path
from random import Random
from stat import S_ISDIR
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revcrypt.format.config import Features
from tests.support import Entry, snapshot
from tests.view.trees import (
    ALL_FEATURES,
    find,
    forward_view,
    picture,
    reverse_view,
    walk,
    write_out,
)

FORBIDDEN = {b".", b"..", b"gocryptfs.conf", b".gocryptfs.reverse.conf"}
LETTERS = bytes(set(range(1, 256)) - {ord("/")})

names = (
    st.lists(st.sampled_from(LETTERS), min_size=1, max_size=40).map(bytes)
    | st.sampled_from([15, 16, 31, 32, 47, 48, 175, 176, 239, 240, 255]).map(b"n".__mul__)
    | st.sampled_from([b"gocryptfs.diriv", b"gocryptfs.longname.x", b"-", b" ", b"\n"])
).filter(lambda name: name not in FORBIDDEN)
sizes = st.integers(0, 100) | st.sampled_from([4095, 4096, 4097, 8192, 8193, 20_000])
targets = names.map(lambda name: b"../" + name)
values = st.dictionaries(
    st.text("abc.", min_size=1, max_size=20).map(lambda name: b"user." + name.encode()),
    st.binary(max_size=50),
    max_size=2,
)


class File(tuple):
    """A file of a generated tree: size, mode, attributes."""

    __slots__ = ()


files = st.tuples(sizes, st.integers(0, 0o7777), values).map(File)
trees = st.recursive(
    st.dictionaries(names, files | targets, max_size=4),
    lambda below: st.dictionaries(names, files | targets | below, max_size=4),
    max_leaves=8,
)


def plant(directory: bytes, tree: Mapping[bytes, object]) -> None:
    """Make a generated tree; hard links, times and owners are derived from it."""
    for number, (name, thing) in enumerate(tree.items()):
        path = directory + b"/" + name
        if isinstance(thing, bytes):
            os.symlink(thing, path)
        elif isinstance(thing, File):
            size, mode, xattrs = thing
            Path(os.fsdecode(path)).write_bytes(Random(size + number).randbytes(size))
            for attribute, value in xattrs.items():
                os.setxattr(path, attribute, value)
            os.chown(path, 1000 + number, 2000 + number)
            os.chmod(path, mode)
        else:
            assert isinstance(thing, Mapping)
            os.mkdir(path)
            plant(path, thing)
        os.utime(path, ns=(0, 10**18 + number * 1001), follow_symlinks=False)


def comparable(entries: Mapping[bytes, Entry]) -> dict[bytes, tuple[object, ...]]:
    return {
        path: (
            entry.mode,
            entry.uid,
            entry.gid,
            entry.mtime_ns,
            entry.content,
            {os.fsencode(name): value for name, value in entry.xattrs.items()},
        )
        for path, entry in entries.items()
    }


@pytest.mark.parametrize("features", ALL_FEATURES.values(), ids=ALL_FEATURES)
@settings(max_examples=25, deadline=None)
@given(tree=trees)
def test_a_copy_of_the_view_shows_the_source(
    features: Features, tree: Mapping[bytes, object]
) -> None:
    """Encrypted, copied object by object and decrypted, any tree is what it was."""
    with TemporaryDirectory() as base:
        plain, copy = Path(base, "plain"), Path(base, "copy")
        plain.mkdir()
        copy.mkdir()
        plant(os.fsencode(plain), tree)
        with reverse_view(plain, features) as view:
            write_out(view, copy)
        with forward_view(copy, features) as view:
            shown = {
                path: (
                    attrs.mode,
                    attrs.uid,
                    attrs.gid,
                    attrs.mtime_ns,
                    content,
                    dict(xattrs),
                )
                for path, (attrs, content, xattrs) in picture(view).items()
            }
            sizes = {
                node.shown_path(): attrs.size
                for node, attrs in walk(view)
                if not S_ISDIR(attrs.mode)
            }
            for path in shown:
                assert find(view, path)[0].shown_path() == path
        assert shown == comparable(snapshot(plain))
        assert sizes == {path: len(shown[path][4]) for path in sizes}


@pytest.mark.parametrize("features", ALL_FEATURES.values(), ids=ALL_FEATURES)
@settings(max_examples=25, deadline=None)
@given(data=st.data(), size=st.integers(0, 30_000))
def test_random_reads_through_both_views(
    features: Features, data: st.DataObject, size: int
) -> None:
    """read(a, n) of the plain view is source[a:a+n], for every slice."""
    slices = data.draw(
        st.lists(st.tuples(st.integers(0, 32_000), st.integers(1, 32_000)), min_size=1)
    )
    with TemporaryDirectory() as base:
        plain, copy = Path(base, "plain"), Path(base, "copy")
        plain.mkdir()
        copy.mkdir()
        source = Random(size).randbytes(size)
        (plain / "file").write_bytes(source)
        with reverse_view(plain, features) as view:
            write_out(view, copy)
        with forward_view(copy, features) as view:
            file = view.open(find(view, b"file")[0])
            for offset, length in slices:
                piece = file.read(offset, length, nowait=False)
                assert piece == source[offset : offset + length]
            file.close()

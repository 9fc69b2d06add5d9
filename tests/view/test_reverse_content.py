"""File content in the encrypted view (sections 3, 4.10 and 5)."""

import os
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revcrypt.format.config import Features
from tests.view.trees import (
    ALL_FEATURES,
    ENCRYPTED,
    PLAINTEXT,
    at,
    cipher_size,
    content,
    look,
    reverse_view,
    seal,
    unseal,
)

SIZES = [0, 1, 4095, 4096, 4097, 8191, 8192, 8193, 9000, 20_480, 131_072, 262_145]
LONG = b"L" * 176


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def bytes_of(size: int) -> bytes:
    return Random(size).randbytes(size)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tree with a file of every interesting size."""
    tree = tmp_path_factory.mktemp("content")
    for size in SIZES:
        write(tree / "sizes" / str(size), bytes_of(size))
    return tree


VECTORS = [
    (
        ENCRYPTED,
        b"hello.txt",
        b"x",
        (
            "000270aaab02fdd720312e1e339196d03d20d8f0422ea29cf884663bb0c1a6465a31764b959b08b8"
            "6cfd375b8c2b4b4275cb17"
        ),
    ),
    (
        ENCRYPTED,
        b"dir/sub/file",
        b"The quick brown fox\n",
        (
            "00021784b188b94912cb0bb156b37c357549827b2d67f57329dfa4e7dc5c5fb6aa1c62c34484dadc"
            "2847d6f3379f720cbcd99003bd3ccb4fe9ae71a803a7769a3414f13efa57"
        ),
    ),
    (
        ENCRYPTED,
        LONG,
        b"long name 176",
        (
            "00021f7994af57cf5ed92ede5c420584d4c706f4184177d3c6c837437debfb1084a0ec828fa1b570"
            "3ce9f0d1cd9a794db6616ee5606905ed7d41e00050ab3d"
        ),
    ),
    (
        PLAINTEXT,
        b"dir/sub/file",
        b"The quick brown fox\n",
        (
            "00021b859aaae17a0b957b0fe8337fbd84af63e84e3cf998821eb1a083c130c9ef7bfac3bf6ef10f"
            "c49813a491dc8cc3b8136a7b9063d8b4edc4b0416170a0e2650bca0e7ddf"
        ),
    ),
]


@pytest.mark.parametrize(("features", "path", "plain", "sealed"), VECTORS)
def test_content_is_the_specification_s(
    tmp_path: Path, features: Features, path: bytes, plain: bytes, sealed: str
) -> None:
    """Small files encrypt to exactly the bytes that gocryptfs shows."""
    write(tmp_path / os.fsdecode(path), plain)
    with reverse_view(tmp_path, features) as view:
        assert content(view, at(view, path)).hex() == sealed


def test_content_of_two_blocks_is_the_specification_s(tmp_path: Path) -> None:
    """A file of more than one block encrypts to exactly the bytes of the vector."""
    write(tmp_path / "five", bytes(i % 251 for i in range(5000)))
    with reverse_view(tmp_path) as view:
        sealed = content(view, at(view, b"five"))
    assert len(sealed) == 5082
    assert sha256(sealed).hexdigest() == (
        "78dc4b84f3dfd5b2419537ef224c456deee635b218c0c7032d98d015d5c5dcd4"
    )


@pytest.mark.parametrize("size", SIZES)
def test_size_is_what_can_be_read(tree: Path, size: int) -> None:
    """Attributes, open file and bytes agree on the size, and on the blocks occupied."""
    with reverse_view(tree) as view:
        node = at(view, b"sizes/%d" % size)
        attrs, file = view.attrs(node), view.open(node)
        sealed = content(view, node)
        assert attrs.size == file.size == len(sealed) == cipher_size(size)
        assert attrs.blocks == -(-attrs.size // 512)
        assert sealed == seal(bytes_of(size), node.shown_path())
        file.close()


@pytest.mark.parametrize("piece", [1, 17, 18, 19, 4096, 4128, 4146, 65_536])
def test_pieces_make_up_the_whole(tree: Path, piece: int) -> None:
    """Reading piece by piece gives the same bytes, whatever the size of the pieces."""
    with reverse_view(tree) as view:
        node = at(view, b"sizes/8193")
        assert content(view, node, piece) == seal(bytes_of(8193), node.shown_path())


@settings(max_examples=60, deadline=None)
@given(data=st.data(), size=st.sampled_from(SIZES))
def test_any_slice_is_a_slice_of_the_whole(
    tree: Path, data: st.DataObject, size: int
) -> None:
    """read(a, n) is whole[a:a+n] for every slice, in any order on one handle."""
    near = st.sampled_from([0, 18, 4146, 8274]).flatmap(
        lambda edge: st.integers(max(0, edge - 20), edge + 20)
    )
    offsets = near | st.integers(0, cipher_size(size) + 5000)
    lengths = st.integers(1, 40) | st.integers(1, 150_000)
    slices = data.draw(st.lists(st.tuples(offsets, lengths), min_size=1, max_size=8))
    with reverse_view(tree) as view:
        node = at(view, b"sizes/%d" % size)
        whole = seal(bytes_of(size), node.shown_path())
        file = view.open(node)
        for offset, length in slices:
            piece = file.read(offset, length, nowait=False)
            assert piece == whole[offset : offset + length]
        file.close()


def test_a_sparse_file_has_no_holes(tmp_path: Path) -> None:
    """Holes of the source are sealed like any zeros and count as blocks."""
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(100_000)
    with reverse_view(tmp_path) as view:
        shown = look(view, at(view, b"sparse"))
    assert (tmp_path / "sparse").stat().st_blocks == 0
    assert shown.attrs.blocks == -(-cipher_size(100_000) // 512)
    assert unseal(shown.content or b"") == bytes(100_000)


# Hard links


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """Return a tree of one file and one symlink with three names each."""
    write(tmp_path / "a", bytes_of(9000))
    os.symlink("target", tmp_path / "la")
    for name in ("b", "dir/c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        os.link(tmp_path / "a", tmp_path / name)
        link = tmp_path / os.path.dirname(name) / ("l" + os.path.basename(name))
        os.link(tmp_path / "la", link, follow_symlinks=False)
    return tmp_path


@pytest.mark.parametrize("features", ALL_FEATURES.values(), ids=ALL_FEATURES)
@pytest.mark.parametrize("names", [(b"a", b"b", b"dir/c"), (b"la", b"lb", b"dir/lc")])
def test_all_names_of_a_file_show_the_same(
    linked: Path, features: Features, names: tuple[bytes, ...]
) -> None:
    """Hard links show the same bytes and number, whichever name is opened first."""
    seen = set()
    for order in (names, names[::-1]):
        with reverse_view(linked, features) as view:
            for name in order:
                shown = look(view, at(view, name))
                seen.add((shown.attrs, shown.content))
    assert len(seen) == 1
    assert [attrs.nlink for attrs, _ in seen] == [3]


def test_a_file_of_several_names_decrypts(linked: Path) -> None:
    """The bytes of a hard-linked file say by themselves how to decrypt them."""
    with reverse_view(linked) as view:
        node = at(view, b"dir/c")
        sealed = content(view, node)
        assert unseal(sealed) == bytes_of(9000)
        assert sealed != seal(bytes_of(9000), node.shown_path())


def test_two_files_of_several_names_have_ids_of_their_own(linked: Path) -> None:
    """Equal files that are not the same file never share an id or a nonce."""
    write(linked / "x", bytes_of(9000))
    os.link(linked / "x", linked / "y")
    with reverse_view(linked) as view:
        a, x = (content(view, at(view, name)) for name in (b"a", b"x"))
    assert (a[2:18], a[18:34]) != (x[2:18], x[18:34])
    assert not {a[2:18], a[18:34]} & {x[2:18], x[18:34]}


def test_a_file_that_is_left_with_one_name_goes_by_its_path(linked: Path) -> None:
    """With one link left, a file shows what every file at that path shows."""
    with reverse_view(linked) as view:
        node = at(view, b"a")
        (linked / "b").unlink()
        (linked / "dir" / "c").unlink()
        assert content(view, node) == seal(bytes_of(9000), node.shown_path())


def test_an_open_file_keeps_its_ids(linked: Path) -> None:
    """Ids do not change under an open file that loses its other names."""
    with reverse_view(linked) as view:
        file = view.open(at(view, b"a"))
        half = file.read(0, 5000, nowait=False)
        (linked / "b").unlink()
        (linked / "dir" / "c").unlink()
        rest = file.read(5000, 100_000, nowait=False)
        file.close()
    assert unseal(half + rest) == bytes_of(9000)

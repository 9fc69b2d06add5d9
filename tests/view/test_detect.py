"""What a master key opens: the features of a tree, found out from the tree itself."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from revcrypt.format.config import Features
from revcrypt.format.names import NameCipher
from revcrypt.format.volume import Volume
from revcrypt.view.detect import detect
from tests.cli.rescuing import WRONG, Gocryptfs
from tests.support import KEY
from tests.view.detecting import FORMATS, VIEWS, id_of, make_plain, pull, sampled
from tests.view.trees import hashed

all_formats = pytest.mark.parametrize("features", FORMATS, ids=id_of)
all_views = pytest.mark.parametrize("features", VIEWS, ids=id_of)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A plain tree of a few files, directories and a link."""
    return make_plain(tmp_path)


@pytest.fixture
def cipher(tmp_path: Path) -> Path:
    """An empty directory."""
    path = tmp_path / "cipher"
    path.mkdir()
    return path


def found(directory: Path, key: bytes = KEY) -> Features | None:
    """Return what is found out about an encrypted directory."""
    with sampled(directory) as (source, sample):
        features = detect(source, key, sample)
        if features is not None:
            # Or it would be overruled as soon as it is written into a config.
            assert sample.fits(key, features)
        return features


def same_names(features: Features | None) -> Features | None:
    """Return *features* without the length from which on names are hashed.

    Of that, a tree tells only as much as its own names need.
    """
    return features and replace(features, long_name_max=255)


# Whole trees


@all_formats
def test_forward_directories(features: Features, plain: Path, cipher: Path) -> None:
    """Every combination that the format allows is told from every other one."""
    Gocryptfs(features).write(plain, cipher)
    assert same_names(found(cipher)) == features
    assert found(cipher, WRONG) is None


@all_views
def test_copies_of_views(features: Features, plain: Path, cipher: Path) -> None:
    """So is every combination that a reverse view may have."""
    pull(plain, cipher, features)
    assert same_names(found(cipher)) == features
    assert found(cipher, WRONG) is None
    with sampled(cipher) as (_, sample):
        assert sample.is_in_place()


@all_formats
def test_one_file(features: Features, tmp_path: Path, cipher: Path) -> None:
    """A single file of a single byte is enough."""
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "file").write_text("x")
    Gocryptfs(features, seed=1).write(tmp_path / "one", cipher)
    assert same_names(found(cipher)) == features


# Trees without content


ENCRYPTED_VIEWS = [features for features in VIEWS if not features.plaintext_names]


@pytest.mark.parametrize("features", ENCRYPTED_VIEWS, ids=id_of)
@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.mkdir(),
        lambda path: path.touch(),
        lambda path: path.symlink_to("target"),
        os.mkfifo,
    ],
    ids=["directories", "empty files", "links", "fifos"],
)
def test_names_alone(
    features: Features, make: Callable[[Path], None], tmp_path: Path, cipher: Path
) -> None:
    """Where there is no content at all, names tell how they are encrypted."""
    (tmp_path / "plain").mkdir()
    for name in ("one", "two", "three"):
        make(tmp_path / "plain" / name)
    pull(tmp_path / "plain", cipher, features)
    assert found(cipher) == features
    assert found(cipher, WRONG) is None


def test_nothing(cipher: Path) -> None:
    """An empty tree tells nothing, and neither do empty files with plain names."""
    with sampled(cipher) as (source, sample):
        assert not sample
        assert detect(source, KEY, sample) is None
        assert sample.is_in_place() is None
    (cipher / "empty").touch()
    assert found(cipher) is None


# Damaged trees


@all_views
def test_damaged_contents(features: Features, plain: Path, cipher: Path) -> None:
    """One file that is still whole is enough, among many that are not."""
    pull(plain, cipher, features)
    files = [
        path for path in cipher.rglob("*") if path.is_file() and not path.is_symlink()
    ]
    big = sorted(path for path in files if path.stat().st_size > 300)
    for path in big[1:]:
        path.write_bytes(bytes(path.stat().st_size))
    assert same_names(found(cipher)) == features


@pytest.mark.parametrize("features", ENCRYPTED_VIEWS[:2], ids=id_of)
def test_lost_directory_ivs(features: Features, plain: Path, cipher: Path) -> None:
    """In a copy of a view, a lost `gocryptfs.diriv` does not hide what names are."""
    pull(plain, cipher, features)
    for path in cipher.rglob("gocryptfs.diriv"):
        path.unlink()
    assert same_names(found(cipher)) == features
    with sampled(cipher) as (_, sample):
        assert sample.is_in_place()


def test_foreign_names(plain: Path, cipher: Path) -> None:
    """What others have put into a directory does not hide what it is."""
    pull(plain, cipher, Features())
    for number in range(10):
        (cipher / f"added {number}").write_bytes(os.urandom(200))
    assert same_names(found(cipher)) == Features()


# Long names


@pytest.mark.parametrize("longest", [*range(62, 256, 24), 85, 86, 255])
def test_long_name_max(longest: int, tmp_path: Path, cipher: Path) -> None:
    """From a tree with names of all lengths it follows which of them are hashed."""
    (tmp_path / "plain").mkdir()
    for size in range(1, 256, 8):
        (tmp_path / "plain" / ("x" * size)).touch()
    pull(tmp_path / "plain", cipher, Features(long_name_max=longest))
    features = found(cipher)
    assert features is not None

    def hashes(features: Features, size: int) -> bool:
        names: NameCipher = Volume.open(KEY, features).names
        [full] = names.encrypt([b"x" * size], bytes(range(16)))
        return names.shown(full) != full

    expected = Features(long_name_max=longest)
    for size in range(1, 256):
        assert hashes(features, size) == hashes(expected, size)


def test_made_up_long_names(tmp_path: Path, cipher: Path) -> None:
    """A few names that others have made up do not make all the others be lost."""
    (tmp_path / "plain").mkdir()
    for size in (5, 20, 40, 60, 100, 170):
        for letter in "abc":
            (tmp_path / "plain" / (letter * size)).touch()
    pull(tmp_path / "plain", cipher, Features(long_name_max=150))
    for full in (b"A" * 22, b"A" * 64):
        entry = os.fsdecode(hashed(full))
        (cipher / entry).touch()
        (cipher / f"{entry}.name").write_bytes(full)
    (cipher / ("A" * 214)).touch()
    # A name of 100 bytes has 150 characters; the next longer ones there are have 235.
    assert found(cipher) == Features(long_name_max=234)

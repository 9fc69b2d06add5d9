"""What a config says is held against the data, and only overruled if it is wrong."""

import string
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revcrypt.format.config import Features
from tests.cli.rescuing import Gocryptfs
from tests.support import KEY
from tests.view.detecting import FORMATS, VIEWS, id_of, make_plain, pull, sampled

names = st.text(string.ascii_letters + "-_ .é", min_size=1, max_size=40).filter(
    lambda name: name not in (".", "..", "gocryptfs.conf")
)
trees = st.recursive(
    st.binary(max_size=200),
    lambda below: st.dictionaries(names, below, max_size=4),
    max_leaves=12,
).filter(lambda tree: isinstance(tree, dict))


def make(directory: Path, tree: dict[str, object]) -> None:
    for name, below in tree.items():
        if isinstance(below, bytes):
            (directory / name).write_bytes(below)
        else:
            assert isinstance(below, dict)
            (directory / name).mkdir()
            make(directory / name, below)


@settings(max_examples=150, deadline=None)
@given(tree=trees, features=st.sampled_from(FORMATS), is_view=st.booleans())
def test_right_features_fit(
    tree: dict[str, object], features: Features, is_view: bool
) -> None:
    """Whatever a tree looks like, its own features are never found not to fit."""
    with TemporaryDirectory() as directory:
        plain, cipher = Path(directory, "plain"), Path(directory, "cipher")
        plain.mkdir()
        cipher.mkdir()
        make(plain, tree)
        if is_view and features in VIEWS:
            pull(plain, cipher, features)
        else:
            Gocryptfs(features, seed=len(tree)).write(plain, cipher)
        with sampled(cipher) as (_, sample):
            if sample:
                assert sample.fits(KEY, features)


@pytest.mark.parametrize("features", FORMATS, ids=id_of)
def test_wrong_features_do_not_fit(features: Features, tmp_path: Path) -> None:
    """None of the other combinations is taken for the right one."""
    cipher = tmp_path / "cipher"
    cipher.mkdir()
    Gocryptfs(features).write(make_plain(tmp_path), cipher)
    with sampled(cipher) as (_, sample):
        fitting = [f for f in FORMATS if sample.fits(KEY, f)]
    assert fitting == [features]

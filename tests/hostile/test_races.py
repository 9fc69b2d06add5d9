"""A user who swaps what is his for links to what is not, while a view is read."""

import os
from collections import Counter
from pathlib import Path

import pytest

from revcrypt.format.config import Features
from tests.cli.rescuing import make_config
from tests.counts import Counted
from tests.hostile import racing
from tests.hostile.racing import Reader, race
from tests.mount.big_tree import REVERSE_CONFIG_NAME
from tests.mount.processes import arguments, patched
from tests.support import Mounts
from tests.view.trees import at, reverse_view, unseal

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else"),
]

LOOKS = 2450
NAMES = {"encrypted": Features(), "plaintext": Features(plaintext_names=True)}


def make_source(directory: Path, features: Features) -> Path:
    """Make the user's tree, with a config that the key of tests opens."""
    source = racing.build(directory)
    config = source / os.fsdecode(REVERSE_CONFIG_NAME)
    config.write_bytes(make_config(features))
    return source


def make_reader(view: Path, source: Path, features: Features) -> Reader:
    """Return who looks at *view*, and knows by what names."""
    paths = ["home", "home/a", "home/a/b"]
    paths += [f"home/a/b/{name}" for name in ("file", "other", "link")]
    with reverse_view(source, features) as direct:
        shown = [at(direct, path.encode()).shown_name for path in paths]
    names = {Path(path).name: name for path, name in zip(paths, shown, strict=True)}
    return Reader(view, names, unseal)


@pytest.mark.parametrize("names", NAMES)
def test_swapped_for_links(
    names: str, mounts: Mounts, swaps: Path, counted: Counted
) -> None:
    """Directories and files that are swapped for links lead nowhere: no foreign byte.

    Nor a foreign name, size, owner, attribute or link target. Who opens paths is misled.
    """
    source = make_source(mounts.directory, NAMES[names])
    view = mounts.reverse(source)
    reader = make_reader(view, source, NAMES[names])
    seen = race(swaps, reader, view, source, LOOKS)
    print(seen.naive, seen.outcomes)
    assert seen.foreign == []
    assert seen.naive > LOOKS // 50
    outcomes = Counter[str]()
    for (way, outcome), times in seen.outcomes.items():
        outcomes[way if outcome == "ours" else outcome] += times
    assert all(outcomes[way] > 10 for way in reader.ways)
    # Swapped before it was looked up, and between that and its use.
    assert outcomes["ENOTDIR"] + outcomes["ELOOP"] > LOOKS // 10
    assert outcomes["ESTALE"] + outcomes["EACCES"] > 0
    counted("swaps of directories and files for symlinks", seen.swaps)


FOLLOWING = """
from revcrypt.view import source
source._DIR_FLAGS &= ~os.O_NOFOLLOW
source._check = lambda *_: None
"""


def test_a_view_that_follows_links_is_caught(mounts: Mounts, swaps: Path) -> None:
    """The race would show it, if directories were opened without care."""
    features = NAMES["plaintext"]
    source = make_source(mounts.directory, features)
    view = mounts.mountpoint("view")
    words = [*arguments(mounts, "--foreground"), source, view]
    mounts.start(*patched(FOLLOWING, *words), log=mounts.directory / "log")
    reader = make_reader(view, source, features)
    assert race(swaps, reader, view, source, LOOKS).foreign

"""A source whose permissions change, shown by who must heed them."""

import os
import subprocess
import sys
from collections import Counter
from errno import errorcode
from pathlib import Path

import pytest

from tests.counts import Counted
from tests.hostile.backup import RSYNC, pull, restore
from tests.hostile.racing import forget_names
from tests.mount.processes import arguments
from tests.rescue.trees import assert_same, tree_at
from tests.support import REVCRYPT, Mounts, run, snapshot

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up its powers"),
]

POWERLESS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner")
"""Root who is no more than any user: what others have forbidden, he cannot do."""
OWNER = 1000
LOOKS = 500
EACH = 21
"""Changes during a look. It is odd, so that half of them begin with what is closed."""
TOGGLE = """
import os, sys
done = 0
while os.read(0, 1):
    for _ in range(int(sys.argv[2])):
        os.chmod(sys.argv[1], 0o755 if done % 2 else 0)
        done += 1
        for _ in range(400):
            pass  # Let somebody look.
print(done)
"""


@pytest.fixture
def owned(plain: Path) -> Path:
    """A source of somebody else's directories and files."""
    for name in ("changing", "staying", "changing/below"):
        (plain / name).mkdir()
        for number in range(5):
            (plain / name / f"file {number}").write_text(f"content {number}")
    for path in plain.rglob("*"):
        os.chown(path, OWNER, OWNER)
    return plain


def powerless_view(mounts: Mounts, plain: Path) -> Path:
    """Mount a view whose daemon heeds permissions."""
    mounts.init(plain, "--plaintext-names")
    view = mounts.mountpoint("view")
    words = [*arguments(mounts, "--foreground", "-q"), plain, view]
    mounts.start(*POWERLESS, *REVCRYPT, *words, log=mounts.directory / "log")
    return view


CHANGES: dict[str, tuple[str, int]] = {
    "a directory cannot be read": ("changing", 0o711),
    "a directory cannot be searched": ("changing", 0o744),
    "a directory is closed": ("changing", 0),
    "a file is closed": ("changing/file 1", 0o600),
}


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_is_deleted(change: str, mounts: Mounts, owned: Path) -> None:
    """What cannot be read any more is an error, and stays in the copy until it can."""
    view = powerless_view(mounts, owned)
    copy = pull(mounts, view)
    before = snapshot(copy)
    name, mode = CHANGES[change]
    usual = (owned / name).stat().st_mode
    (owned / "staying" / "file 2").write_text("changed")
    (owned / name).chmod(mode)
    # A client that does not know what it has got already.
    run("timeout", "60", *RSYNC, "--ignore-times", f"{view}/", copy, status=23)
    found = snapshot(copy)
    assert found.keys() == before.keys()
    assert sum(found[path].content != before[path].content for path in found) == 1
    (owned / name).chmod(usual)
    pull(mounts, view)
    assert_same(tree_at(restore(mounts, copy)), tree_at(owned))


def test_changing_all_the_time(mounts: Mounts, owned: Path, counted: Counted) -> None:
    """A directory is whole, or an error: never empty, and never a part of it."""
    view = powerless_view(mounts, owned)
    whole = set(os.listdir(view / "changing"))
    outcomes = Counter[str]()
    words = [sys.executable, "-c", TOGGLE, owned / "changing", str(EACH)]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdin is not None
        for _ in range(LOOKS):
            forget_names(view)
            process.stdin.write(b".")
            try:
                assert set(os.listdir(view / "changing")) == whole
                content = (view / "changing" / "file 1").read_bytes()
            except OSError as error:
                outcomes[errorcode[error.errno or 0]] += 1
            else:
                assert len(content) == 18 + 32 + len("content 1")
                outcomes["whole"] += 1
        told, _ = process.communicate(timeout=60)
    assert outcomes.keys() == {"EACCES", "whole"}
    assert min(outcomes.values()) > LOOKS // 50, outcomes
    counted("changes of permissions while it is read", int(told))

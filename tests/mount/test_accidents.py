"""Accidents: a view that is not there must look broken, not empty."""

import os
import subprocess
from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from tests.mount.processes import (
    SECONDS,
    arguments,
    assert_broken,
    foreground,
    make_source,
    patched,
)
from tests.support import Mounts, revcrypt

pytestmark = pytest.mark.fuse


@pytest.fixture
def plain(mounts: Mounts) -> Path:
    """A small source whose names are not encrypted."""
    return make_source(mounts)


def test_killed(mounts: Mounts, plain: Path) -> None:
    """A killed daemon leaves a broken mount, which the next one replaces."""
    process, view = foreground(mounts, plain)
    process.kill()
    process.wait(timeout=SECONDS)
    assert_broken(view)
    again = [*arguments(mounts, "-q"), os.fspath(plain), os.fspath(view)]
    revcrypt(*again)
    assert os.listdir(view)


FAIL = """
def fail(*args, **kwargs):
    raise RuntimeError("an accident")
async def fail_later(*args, **kwargs):
    fail()
"""


@pytest.mark.parametrize("handler", ["releasedir", "release", "statfs"])
def test_accident_in_the_loop(handler: str, mounts: Mounts, plain: Path) -> None:
    """An exception that nobody expected leaves a broken mount and a failure."""
    view = mounts.mountpoint("view")
    words = (*arguments(mounts, "--foreground"), plain, view)
    patch = f"{FAIL}\nOperations.{handler} = fail_later"
    process = mounts.start(*patched(patch, *words))
    provoke = {
        "releasedir": ["ls", view],
        "release": ["cat", view / "file"],
        "statfs": ["stat", "-f", view],
    }
    subprocess.run(provoke[handler], capture_output=True, timeout=SECONDS, check=False)
    assert process.wait(timeout=SECONDS) not in (ExitCode.OK, ExitCode.INTERRUPTED)
    assert_broken(view)
    assert process.stderr is not None
    assert "broken on purpose" in process.stderr.read()


@pytest.mark.parametrize("function", ["detach", "announce"])
def test_accident_at_the_beginning(function: str, mounts: Mounts, plain: Path) -> None:
    """What goes wrong before the mount answers is told, and leaves the mount broken."""
    view = mounts.mountpoint("view")
    patch = f"{FAIL}\nbackground.Child.{function} = fail"
    command = patched(patch, *arguments(mounts), plain, view)
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert result.returncode == ExitCode.OTHER
    assert "an accident" in result.stderr
    assert_broken(view)

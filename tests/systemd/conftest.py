"""Machines to test services on, booted in a moment and thrown away after each test."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support import PASSPHRASE, revcrypt
from tests.systemd import tree
from tests.systemd.machine import ROOT, Boot, Machine

REQUIRED = os.environ.get("REVCRYPT_REQUIRE_SYSTEMD") == "1"
UNIT = ROOT / "systemd/revcrypt@.service"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests of this directory where they cannot run, unless required."""
    missing = tree.missing_for_systemd()
    if missing is None or REQUIRED:
        return
    for item in items:
        if item.get_closest_marker("systemd"):
            item.add_marker(pytest.mark.skip(reason=missing))


@pytest.fixture(scope="session")
def debian() -> Path:
    """Return the tree of a small Debian."""
    missing = tree.missing_for_systemd()
    assert missing is None, missing
    return tree.build()


@pytest.fixture(scope="session")
def plaindir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory to show, with a config in it."""
    path = tmp_path_factory.mktemp("data")
    (path / "sub").mkdir()
    for number in range(20):
        (path / "sub" / f"file {number}").write_bytes(bytes([number]) * 1000 * number)
    revcrypt("init", "-q", "--scrypt-n=10", path, stdin=PASSPHRASE)
    return path


@pytest.fixture
def boot(debian: Path, plaindir: Path, tmp_path: Path) -> Iterator[Boot]:
    """Boot machines, which show *plaindir* as /srv/data, and shut them down."""
    with ExitStack() as stack:

        def boot(files: Mapping[str, str]) -> Machine:
            binds = {"/srv/data": plaindir, f"/usr/lib/systemd/system/{UNIT.name}": UNIT}
            for number, (path, text) in enumerate(files.items()):
                binds[path] = tmp_path / f"file {number}"
                binds[path].write_text(text)
            machine = Machine(debian, tmp_path, binds)
            stack.callback(machine.close)
            return machine

        yield boot


@pytest.fixture
def machine(boot: Boot) -> Machine:
    """Return a machine that runs."""
    return boot({})

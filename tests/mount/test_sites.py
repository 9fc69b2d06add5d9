"""`revcrypt mount`: what a file says is mounted, by whichever passphrase it names."""

import json
import os
from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from tests.mount.processes import make_source
from tests.support import REVCRYPT, Mounts, is_mounted, revcrypt, run, snapshot

pytestmark = pytest.mark.fuse


class Site:
    """A source, a file that describes its view, and a place for credentials."""

    def __init__(self, mounts: Mounts) -> None:
        self.mounts = mounts
        self.source = make_source(mounts)
        self.path = mounts.directory / "view.toml"
        self.view = self.future_mountpoint("view")
        self.credentials = mounts.directory / "credentials"
        self.credentials.mkdir()

    def future_mountpoint(self, name: str) -> Path:
        """Return where something will be mounted, which does not exist yet."""
        path = self.mounts.mountpoint(name)
        path.rmdir()
        return path

    def write(self, **settings: object) -> None:
        """Write the file."""
        given = {"source": str(self.source), "mountpoint": str(self.view)} | settings
        lines = [f"{key} = {json.dumps(value)}\n" for key, value in given.items()]
        self.path.write_text("".join(lines))
        self.path.chmod(0o600)

    def set_credential(self, passphrase: str) -> None:
        """Give the service a passphrase."""
        (self.credentials / "passphrase").write_text(passphrase + "\n")

    def mount(self, status: int = ExitCode.OK) -> str:
        """Mount as a service does; return what it says."""
        environment = os.environ | {"CREDENTIALS_DIRECTORY": str(self.credentials)}
        command = ("mount", self.path)
        return revcrypt(*command, status=status, env=environment).stderr

    @property
    def passphrase(self) -> str:
        """The right one."""
        return self.mounts.passfile.read_text().strip()


@pytest.fixture
def described(mounts: Mounts) -> Site:
    return Site(mounts)


def test_by_path(described: Site) -> None:
    """A path that is relative is one from here; the mountpoint is made, with parents."""
    (described.mounts.directory / "new").mkdir()
    view = described.future_mountpoint("new/view")
    view.parent.rmdir()
    passfile = str(described.mounts.passfile)
    described.write(mountpoint=str(view), passfile=passfile, quiet=True)
    script = 'cd "$1" && shift && exec "$@"'
    command = (*REVCRYPT, "mount", "./view.toml")
    run("sh", "-c", script, "sh", described.mounts.directory, *command)
    assert is_mounted(view)
    reference = described.mounts.reverse(described.source, "reference")
    assert snapshot(view) == snapshot(reference)
    assert b"file" in snapshot(view)


def test_options(described: Site) -> None:
    """What the options ask for is done."""
    (described.source / "tmp").mkdir()
    (described.source / "object.o").touch()
    passfile = str(described.mounts.passfile)
    filters = {"exclude": ["/tmp"], "exclude-wildcard": "*.o", "fsname": "a name"}
    described.write(passfile=passfile, **filters)
    described.mount()
    assert sorted(os.listdir(described.view)) == ["file", "gocryptfs.conf"]
    assert run("findmnt", "-n", "-o", "SOURCE", described.view).stdout == "a name\n"


@pytest.mark.parametrize("forward", [False, True])
def test_credential(forward: bool, described: Site) -> None:
    """Without a passfile, the passphrase is the credential of the service."""
    expected = (described.source / "file").read_bytes()
    if forward:
        view = described.mounts.reverse(described.source, "encrypted")
        described.write(source=str(view), forward=True)
    else:
        described.write()
    described.set_credential(described.passphrase)
    described.mount()
    content = (described.view / "file").read_bytes()
    assert (content == expected) == forward
    assert len(content) >= len(expected)


def test_wrong_credential(described: Site) -> None:
    """A wrong credential is a wrong passphrase, and nothing else is tried."""
    described.write()
    described.set_credential("wrong")
    assert "passphrase" in described.mount(ExitCode.PASSPHRASE_WRONG)
    assert not is_mounted(described.view)


def test_no_credential(described: Site) -> None:
    """A service without a passphrase fails at once, and asks nobody."""
    described.write()
    assert "empty passphrase" in described.mount(ExitCode.PASSPHRASE_UNREADABLE)
    described.set_credential("")
    assert "empty passphrase" in described.mount(ExitCode.PASSPHRASE_UNREADABLE)
    assert not is_mounted(described.view)


@pytest.mark.parametrize("kind", ["passfile", "extpass", "masterkey"])
def test_file_before_credential(kind: str, described: Site) -> None:
    """What the file says about the passphrase goes before the credential."""
    described.set_credential("wrong")
    passfile = str(described.mounts.passfile)
    value = passfile if kind == "passfile" else f"cat '{passfile}'"
    if kind == "masterkey":
        value = str(described.mounts.directory / "key")
        Path(value).write_text("01" * 32)
    described.write(**{kind: value})
    described.mount()
    assert "file" in os.listdir(described.view)


def test_twice(described: Site) -> None:
    """A second mount of the same is refused, and does not disturb the first."""
    described.write(passfile=str(described.mounts.passfile))
    described.mount()
    before = snapshot(described.view)
    assert "mountpoint already" in described.mount(ExitCode.MOUNTPOINT)
    assert snapshot(described.view) == before


def test_mountpoint_that_cannot_be_made(described: Site) -> None:
    """A mountpoint below a file is an error, which names it."""
    view = described.mounts.passfile / "view"
    passfile = str(described.mounts.passfile)
    described.write(mountpoint=str(view), passfile=passfile)
    said = described.mount(ExitCode.MOUNTPOINT)
    assert f"cannot create mountpoint {view}" in said

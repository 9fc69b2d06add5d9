"""Servers on loopback, which end with the test that has started them."""

import os
import shlex
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support import run

SECONDS = 30
EXAMPLE = Path(__file__).parent.parent / "docs" / "rsyncd.conf"
NOT_HERE = ("auth users", "secrets file", "hosts allow")
"""What the example says of the client, which is this machine here."""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
    return port


@contextmanager
def server(*command: str | Path, port: int) -> Iterator[None]:
    """Run a server that stays in the foreground, as soon as it takes connections."""
    words = list(map(os.fspath, command))
    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as process:
        try:
            _wait_until_listening(port, process)
            yield
        finally:
            process.terminate()
            process.wait(SECONDS)


def _wait_until_listening(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise AssertionError(f"{process.args!r} has ended")


# rsync


@contextmanager
def rsync_daemon(
    directory: Path, view: Path, before: str, chroot: str = "yes"
) -> Iterator[str]:
    """Run an rsync daemon with the module of the documentation; yield its address.

    *before* is the command that it runs before each transfer.
    """
    config, port = directory / "rsyncd.conf", free_port()
    settings = {"path": str(view), "use chroot": chroot, "pre-xfer exec": before}
    config.write_text("".join(_changed(EXAMPLE.read_text(), settings)))
    command = ["rsync", "--daemon", "--no-detach", f"--config={config}"]
    options = ["--address=127.0.0.1", f"--port={port}", f"--log-file={config}.log"]
    with server(*command, *options, port=port):
        yield f"rsync://127.0.0.1:{port}/data/"


def _changed(text: str, settings: dict[str, str]) -> Iterator[str]:
    """Yield the lines of a configuration, with some settings changed."""
    left = set(settings)
    for line in text.splitlines(keepends=True):
        name = line.partition(" =")[0]
        if name in settings:
            left.remove(name)
            yield f"{name} = {settings[name]}\n"
        elif name not in NOT_HERE:
            yield line
    assert not left


# ssh

SSHD = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/authorized_keys
PidFile none
UsePAM no
# What is above in the path of a temporary directory belongs to everybody.
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
AllowTcpForwarding yes
PermitTTY yes
Subsystem sftp internal-sftp
"""
SSH = """\
Host {names}
HostName 127.0.0.1
Port {port}
User root
UserKnownHostsFile {directory}/known_hosts
GlobalKnownHostsFile none
IdentitiesOnly yes
IdentityAgent none
BatchMode yes
ExitOnForwardFailure yes
LogLevel ERROR
IdentityFile {directory}/key-%n
"""


class Sshd(NamedTuple):
    """Where a server listens, and the configuration with which ssh finds it."""

    port: int
    config: Path


@contextmanager
def sshd(directory: Path, keys: dict[str, str]) -> Iterator[Sshd]:
    """Run an sshd, which ssh finds under each of the names in *keys*.

    Each name is root's on this machine, with a key of its own that has these options.
    """
    directory.mkdir()
    # Debian's service makes it before it starts sshd.
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    port = free_port()
    host = _new_key(directory / "host_key")
    (directory / "known_hosts").write_text(f"[127.0.0.1]:{port} {host}\n")
    lines = [f"{keys[name]} {_new_key(directory / f'key-{name}')}\n" for name in keys]
    (directory / "authorized_keys").write_text("".join(lines))
    config = directory / "sshd_config"
    config.write_text(SSHD.format(port=port, directory=directory))
    client = directory / "ssh_config"
    client.write_text(SSH.format(names=" ".join(keys), port=port, directory=directory))
    log = f"{directory}/log"
    with server("/usr/sbin/sshd", "-D", "-f", config, "-E", log, port=port):
        yield Sshd(port, client)


def _new_key(path: Path) -> str:
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path)
    return path.with_name(f"{path.name}.pub").read_text().strip()


def forced(command: Sequence[str | Path]) -> str:
    """Return the options of a key that can do nothing but run *command*."""
    words = shlex.join(map(os.fspath, command))
    return f'restrict,command="{words}"'

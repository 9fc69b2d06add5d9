"""All clients, and the table of what they do, which is in `docs/reliability.md`.

`python -m tests.clients.catalogue` prints it.
"""

import re
from collections.abc import Mapping

from tests.clients.borg import Borg
from tests.clients.client import Client
from tests.clients.copies import Cp, Sftp
from tests.clients.file_server import MmapServer, SendfileServer
from tests.clients.rclone import Rclone
from tests.clients.restic import Restic
from tests.clients.rsnapshot import Rsnapshot
from tests.clients.rsync import RsyncDaemon, RsyncPullShell, RsyncSsh
from tests.clients.tar import Tar
from tests.support import run

CLIENTS: dict[str, type[Client]] = {
    "rsync from a daemon": RsyncDaemon,
    "rsync over ssh, rrsync": RsyncSsh,
    "rsync over ssh, pull-shell": RsyncPullShell,
    "rsnapshot": Rsnapshot,
    "restic": Restic,
    "borg": Borg,
    "rclone": Rclone,
    "tar": Tar,
    "cp": Cp,
    "sftp": Sftp,
    "file server, mmap": MmapServer,
    "file server, sendfile": SendfileServer,
}

HEAD = """\
| client | package | version | tells by what to read again | generations | does not keep |
|---|---|---|---|---|---|
"""


def table(versions: Mapping[str, str]) -> str:
    """Return the table, with the *versions* of packages."""
    rows = (_row(name, client, versions) for name, client in CLIENTS.items())
    return HEAD + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(name: str, client: type[Client], versions: Mapping[str, str]) -> list[str]:
    return [
        name,
        client.package or "tests",
        versions[client.package] if client.package else "-",
        client.reads_again or "nothing, reads all",
        "yes" if client.generations else "no",
        ", ".join(client.keeps.missing()) or "-",
    ]


def installed() -> dict[str, str]:
    """Return the versions of the packages that are installed, as their authors count."""
    packages = {client.package for client in CLIENTS.values() if client.package}
    command = ("dpkg-query", "-W", "-f", "${Package} ${Version}\n", *packages)
    found = (line.split() for line in run(*command).stdout.splitlines())
    return {package: re.sub(r"^\d+:|[-+].*$", "", version) for package, version in found}


if __name__ == "__main__":
    print(table(installed()), end="")

"""Views on a machine: what describes them, and what must be true of them."""

from tests.support import PASSPHRASE
from tests.systemd.machine import Machine

PASSFILE = "/etc/revcrypt/passfile"
FUSE = "fuse.revcrypt"
BROKEN = "Transport endpoint is not connected"


def mountpoint(name: str = "data") -> str:
    """Return where a view is."""
    return f"/run/revcrypt/{name}"


def unit(name: str = "data") -> str:
    """Return the service of a view."""
    return f"revcrypt@{name}.service"


def describe(
    machine: Machine, name: str = "data", *lines: str, source: str = "/srv/data"
) -> None:
    """Say on a machine that *source* has a view."""
    settings = (f'source = "{source}"', f'mountpoint = "{mountpoint(name)}"', *lines)
    machine.write(f"/etc/revcrypt/{name}.toml", "\n".join(settings) + "\n")


def describe_with_passfile(
    machine: Machine, name: str = "data", *lines: str, source: str = "/srv/data"
) -> None:
    """Say on a machine that *source* has a view, with a passphrase in a file."""
    machine.write(PASSFILE, PASSPHRASE + "\n", mode=0o600)
    describe(machine, name, f'passfile = "{PASSFILE}"', *lines, source=source)


def start(machine: Machine, name: str = "data") -> str:
    """Start the service of a view; return what its files are."""
    machine.systemctl("start", unit(name))
    return digest(machine, mountpoint(name))


def digest(machine: Machine, path: str) -> str:
    """Return a line for each file of a view, with its content's checksum."""
    command = "find -type f -print0 | sort -z | xargs -0 sha256sum"
    lines = machine.run("env", "-C", path, "sh", "-c", command).stdout
    assert len(lines.splitlines()) > 20, lines
    return lines


def listing(machine: Machine, user: str, status: int = 0) -> str:
    """Return what a user finds in a view, if `ls` ends with *status*."""
    become = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups")
    return machine.run(*become, "ls", mountpoint(), status=status).stdout


def check_serving(machine: Machine, name: str, expected: str) -> None:
    """Check that one view is mounted, by an active service, and shows what it should."""
    assert machine.mounts(mountpoint(name)) == [FUSE]
    assert machine.property(unit(name), "ActiveState") == "active"
    assert digest(machine, mountpoint(name)) == expected


def check_failed(machine: Machine, name: str, status: str, message: str) -> None:
    """Check that a service has given up with a reason, and left nothing mounted."""
    messages = machine.messages(unit(name))
    assert any(message in line for line in messages), messages
    assert machine.property(unit(name), "ActiveState") == "failed"
    assert machine.property(unit(name), "ExecMainStatus") == status
    assert machine.property(unit(name), "NRestarts") == "0"
    assert machine.mounts(mountpoint(name)) == []

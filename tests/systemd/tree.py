"""The Debian tree that the machines of these tests boot: built once, never changed."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

TREE = Path(__file__).parents[2] / "build/systemd-tree"
PACKAGES = ("systemd", "systemd-sysv", "dbus", "fuse3", "python3", "rsync")
"""python3 brings the libraries that any Python of the host is linked with."""

TOOLS = ("debootstrap", "systemd-nspawn", "nsenter", "setpriv")


def missing_for_systemd() -> str | None:
    """Say what booting a machine lacks here."""
    if os.geteuid() != 0:
        return "only root can boot a machine"
    for device in ("/dev/fuse", "/dev/autofs"):
        if not os.path.exists(device):
            return f"{device} is missing"
    for program in TOOLS:
        if shutil.which(program) is None:
            return f"{program} is not installed"
    return None


def build(directory: Path = TREE) -> Path:
    """Return the tree in *directory*, which is built if it is missing or another one.

    It is of the host's own release, so that what pip has compiled here runs there.
    """
    recipe = " ".join((platform.freedesktop_os_release()["VERSION_CODENAME"], *PACKAGES))
    stamp = directory / "etc/revcrypt-recipe"
    if stamp.exists() and stamp.read_text() == recipe:
        return directory
    half_built = directory.with_name(f"{directory.name}.new")
    for path in (half_built, directory):
        if path.exists():
            shutil.rmtree(path)
    half_built.parent.mkdir(exist_ok=True)
    _debootstrap(half_built, recipe.split()[0])
    (half_built / "etc/revcrypt-recipe").write_text(recipe)
    half_built.rename(directory)
    return directory


def _debootstrap(directory: Path, suite: str) -> None:
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    result = subprocess.run(
        [*command, suite, directory],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1800,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-2000:]
    shutil.rmtree(directory / "var/cache/apt/archives")


if __name__ == "__main__":
    print(f"the tree for machines is {build()}")

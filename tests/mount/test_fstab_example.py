"""fstab.example, word for word, in a copy-on-write copy of this system."""

import os
from pathlib import Path

import pytest

from tests.mount.own_root import ROOT, in_own_root

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a root of its own"),
]

LINES = [
    line.split()
    for line in (ROOT / "fstab.example").read_text().splitlines()
    if line and not line.startswith("#")
]

SET_UP = r"""
mkdir -p /home/somebody/cache /srv/data /srv/backup
cp /srv/fstab.example /etc/fstab
echo 'Signature: 8a477f597d28d172789f06886806bc55' > /home/somebody/cache/CACHEDIR.TAG
echo cached > /home/somebody/cache/cached
echo '*.o' > /etc/revcrypt/home.exclude
for name in root home data; do echo "secret of $name" > /etc/revcrypt/$name.pass; done
echo letter > /home/somebody/letter
chmod 700 /home/somebody; chmod 600 /home/somebody/letter
echo content > /srv/data/file
init() { revcrypt init -q --scrypt-n 10 "$@"; }
cd /etc/revcrypt
init --plaintext-names --config root.conf --passfile root.pass /
init --config home.conf --passfile home.pass /home
init --passfile data.pass /srv/data
cd /
"""


def test_lines_are_of_our_type() -> None:
    """What is tested below is all that the file has."""
    assert [line[1] for line in LINES] == [
        "/run/revcrypt/root",
        "/run/revcrypt/home",
        "/run/revcrypt/data",
        "/mnt/restored",
    ]
    assert {line[2] for line in LINES} == {"fuse.revcrypt"}


def test_at_boot(tmp_path: Path) -> None:
    """`mount -a` mounts both lines without `noauto`, and a second one nothing more."""
    out = in_own_root(
        tmp_path,
        SET_UP
        + r"""
        mount -a -t fuse.revcrypt
        mount -a -t fuse.revcrypt
        findmnt -rn -t fuse.revcrypt -o TARGET,SOURCE
        head -c 2 /run/revcrypt/root/etc/fstab | od -An -tx1
        cd /run/revcrypt/root
        ls -A proc home var/cache 2>&1 || true
        ls etc/revcrypt
        cd /
        stat -c %U:%G:%a /run/revcrypt/home /run/revcrypt/home/gocryptfs.conf
        install -d -o backup /srv/backup/home
        setpriv --reuid backup --regid backup --clear-groups \
            rsync -r /run/revcrypt/home/ /srv/backup/home
        cd /srv/backup; mkdir -p /mnt/restored
        revcrypt forward -q --passfile /etc/revcrypt/home.pass home /mnt/restored
        cd /mnt/restored; find . -type f | sort; cat somebody/letter; cd /
        umount /mnt/restored
        setpriv --reuid nobody --regid nogroup --clear-groups \
            ls /run/revcrypt/home 2>&1 || true
        umount /run/revcrypt/root /run/revcrypt/home
        """,
    )
    assert out.splitlines() == [
        "/run/revcrypt/root root",
        "/run/revcrypt/home /home",
        " 00 02",
        "ls: cannot access 'var/cache': No such file or directory",
        "home:",
        "",
        "proc:",
        "data.pass",
        "home.conf",
        "home.exclude",
        "home.pass",
        "root:root:755",
        "root:root:400",
        "./somebody/cache/CACHEDIR.TAG",
        "./somebody/letter",
        "letter",
        "ls: cannot access '/run/revcrypt/home': Permission denied",
    ]


def test_on_demand_and_back(tmp_path: Path) -> None:
    """The line for an automount, pulled, and the line that makes the copy readable."""
    out = in_own_root(
        tmp_path,
        SET_UP
        + r"""
        mount /run/revcrypt/data
        rsync -a /run/revcrypt/data/ /srv/backup/data
        mount /mnt/restored
        cat /mnt/restored/file
        findmnt -rn -t fuse.revcrypt -o TARGET,SOURCE
        umount /mnt/restored /run/revcrypt/data
        """,
    )
    assert out.splitlines() == [
        "content",
        "/run/revcrypt/data /srv/data",
        "/mnt/restored /srv/backup/data",
    ]

"""docs/from-encfs.md: its steps, as they stand, and what it says about EncFS."""

import os
from pathlib import Path

import pytest

from tests.mount.own_root import ROOT, in_own_root

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a root of its own"),
]

NOTE = (ROOT / "docs" / "from-encfs.md").read_text()


def steps() -> str:
    """Return the commands of the section that is to be followed step by step."""
    section = NOTE.split("## Step by step")[1]
    lines = [line for line in section.splitlines() if line.startswith("    ")]
    assert len(lines) == 4
    # Server and backup host are one machine here.
    return "\n".join(lines).replace(" server:", " ")


def test_step_by_step(tmp_path: Path) -> None:
    """Next to a running EncFS mount, the steps make a backup that can be restored."""
    out = in_own_root(
        tmp_path,
        r"""
        mkdir -p /srv/data /mnt/view /backup/data.new /mnt/plain
        head -c 10000 /dev/urandom > /srv/data/one
        cp /srv/data/one /srv/data/other
        echo word | encfs --reverse --standard --stdinpass /srv/data /mnt/view > /dev/null
        find /mnt/view -type f -printf '%s\n'
        find /mnt/view -type f -exec sha256sum {} + | cut -d' ' -f1 | uniq | wc -l
        echo a long passphrase > /root/data.pass
        """
        + steps()
        + r"""
        find /backup/data.new -size +9000c -exec sha256sum {} + | cut -d' ' -f1 |
            uniq | wc -l
        revcrypt forward --passfile /root/data.pass /backup/data.new /mnt/plain
        ls -A /mnt/plain
        cmp /mnt/plain/one /srv/data/one && cmp /mnt/plain/other /srv/data/other
        umount /mnt/plain /run/revcrypt/data /mnt/view
        """,
    )
    assert out.splitlines() == [
        # EncFS keeps the sizes, shows equal files as equal, and not its own config.
        *["10000", "10000", "1"],
        # revcrypt does not.
        *["2", "one", "other"],
    ]

"""The quick start of README.md, word for word, up to the restored file."""

import os
import re
from pathlib import Path

import pytest

from tests.mount.own_root import ROOT, in_own_root

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a root of its own"),
]


def block(name: str) -> str:
    """Return the code below the heading comment *name*."""
    marker = re.escape(f"<!-- quick start: {name} -->")
    found = re.search(
        rf"{marker}\n```\w*\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL
    )
    assert found is not None
    return found[1]


def server() -> str:
    """Return the block for the server, for a machine without editor and systemd."""
    text = block("server")
    for words, instead in (
        ("editor ", "echo a long passphrase > "),
        ("systemctl enable --now revcrypt@data", "revcrypt mount data"),
    ):
        assert words in text
        text = text.replace(words, instead)
    return text


def ssh() -> str:
    """Return what makes a stand-in for ssh, with the forced command and its user."""
    command = re.match(r'restrict,command="(.*)" ssh-', block("authorized_keys"))
    assert command is not None
    return f"""
cat > /usr/local/bin/ssh <<'EOF'
#!/bin/sh
[ "$1 $2 $3" = "-l backup server" ] || exit 99
shift 3
export SSH_ORIGINAL_COMMAND="$*"
exec setpriv --reuid backup --regid backup --clear-groups {command[1]}
EOF
chmod +x /usr/local/bin/ssh
"""


def test_quick_start(tmp_path: Path) -> None:
    """Set up, pulled as an ordinary user, changed, pulled again, restored."""
    out = in_own_root(
        tmp_path,
        r"""
        umask 022
        mkdir -p /srv/data/private /backup
        echo letter > /srv/data/private/letter
        chmod 600 /srv/data/private/letter; chmod 700 /srv/data/private
        chown nobody /srv/data/private/letter
        """
        + server()
        + ssh()
        + block("backup host")
        + r"""
        grep -rl letter /backup /run/revcrypt/data || echo nothing readable
        echo second > /srv/data/private/another
        """
        + block("backup host")
        + r"""
        umount /run/revcrypt/data
        """
        + block("backup host").replace("\n", " && exit 1 || echo refused with $?\n")
        + r"""
        cp -a /srv/data /srv/original
        find /srv/data -mindepth 1 -delete
        """
        + block("restore").replace(
            "restore", "restore --passfile /etc/revcrypt/data.pass"
        )
        + r"""
        cat /srv/data/private/*
        stat -c %U:%a /srv/data/private /srv/data/private/letter
        rsync -aHAXni --checksum --delete /srv/original/ /srv/data/
        """,
    )
    assert [line for line in out.splitlines() if ": " not in line] == [
        "nothing readable",
        "refused with 12",
        "second",
        "letter",
        "root:700",
        "nobody:600",
    ]

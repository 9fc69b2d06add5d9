"""`setuid=` and `drop_privileges` of mount.fuse3: root mounts, somebody else serves."""

import os
from pathlib import Path

import pytest

from tests.mount.own_fstab import FILES, said

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else"),
]


def test_setuid(tmp_path: Path) -> None:
    """`setuid=` makes a user serve what root mounts."""
    assert said(
        tmp_path,
        r"""
        line setuid=nobody
        mount /mnt/view
        options
        as nobody ls /mnt/view
        status ls /mnt/view
        daemon=$(daemon)
        mount -a
        mount -o remount /mnt/view
        mounts
        umount /mnt/view
        ended "$daemon"
        echo ended
        """,
    ) == [
        "ro,nosuid,nodev,relatime,user_id=65534,group_id=65534",
        *FILES,
        *("2", "1", "ended"),
    ]


DROP = "setuid=nobody,drop_privileges"


@pytest.mark.parametrize(
    ("options", "listing"),
    [
        ("", []),
        (",fsname=/srv/data", []),
        (",allow_other,default_permissions", FILES),
        (",allow_other,default_permissions,fsname=/srv/data", FILES),
    ],
)
def test_drop_privileges(options: str, listing: list[str], tmp_path: Path) -> None:
    """With `drop_privileges`, a user without any rights serves what root has mounted."""
    assert said(
        tmp_path,
        rf"""
        echo user_allow_other >> /etc/fuse.conf
        line {DROP},ro,nosuid,nodev{options}
        mount /mnt/view
        as nobody ls /mnt/view
        as backup ls /mnt/view || true
        daemon=$(daemon)
        grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/$daemon/status
        # mount.fuse3 mounts before it asks us, so the source must be told apart by it.
        {"mount -a" if "fsname" in options else ""}
        mounts
        umount /mnt/view
        ended "$daemon"
        echo ended
        """,
    ) == [
        *FILES,
        *listing,
        *("CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"),
        *("1", "ended"),
    ]


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        ("rw", "nodev,nosuid,ro"),
        ("ro", "nodev,nosuid"),
        ("ro,nosuid", "nodev"),
        ("ro,nosuid,nodev,allow_other", "default_permissions"),
    ],
)
def test_drop_privileges_unsafely(options: str, missing: str, tmp_path: Path) -> None:
    """A mount that mount.fuse3 has made without what every view has is not served."""
    assert said(
        tmp_path,
        rf"""
        line {DROP},{options}
        status mount /mnt/view
        grep -o '/mnt/view is mounted without .*' /run/said
        grep -c 'hint: .*unmount what is there' /run/said
        status as nobody ls /mnt/view
        pgrep -u nobody || echo nobody serves
        umount /mnt/view
        mounts
        """,
    ) == ["10", f"/mnt/view is mounted without {missing}", "1", "2", "nobody serves", "0"]

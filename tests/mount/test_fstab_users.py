"""Lines of /etc/fstab with the program by name, for root and for ordinary users."""

import os
from pathlib import Path

import pytest

from tests.mount.own_fstab import FILES, said

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else"),
]

OPTIONS = "ro,nosuid,nodev,noexec,relatime,user_id=65534,group_id=65534"


def test_by_name(tmp_path: Path) -> None:
    """`fuse.revcrypt` finds an installed program, also without any environment."""
    assert said(
        tmp_path,
        r"""
        line rw,noatime
        env -i /bin/mount /mnt/view
        ls /mnt/view
        env -i /bin/mount -o remount /mnt/view
        env -i /bin/mount -a
        mounts
        ls /mnt/view
        daemon=$(daemon)
        umount /mnt/view
        ended "$daemon"
        echo ended
        status mount -o remount /mnt/view
        """,
    ) == [*FILES, "1", *FILES, "ended", "10"]


def test_remount_without_a_line(tmp_path: Path) -> None:
    """A view that is in no fstab can be remounted; the options are the kernel's."""
    assert said(
        tmp_path,
        r"""
        cd /etc/revcrypt
        revcrypt reverse -q --allow-other --passfile pass /srv/data /mnt/view
        status mount -o remount /mnt/view
        status mount -o remount,ro /mnt/view
        mounts
        options
        ls /mnt/view
        umount /mnt/view
        status mount -o remount /mnt/view
        """,
    ) == [
        *("0", "0", "1"),
        "ro,nosuid,nodev,relatime,user_id=0,group_id=0,default_permissions,allow_other",
        *FILES,
        "32",
    ]


def test_user(tmp_path: Path) -> None:
    """With `user`, one user mounts and unmounts, and nobody else can look inside."""
    assert said(
        tmp_path,
        r"""
        line user,noauto
        as nobody mount /mnt/view
        options
        as nobody ls /mnt/view
        as nobody mount /mnt/view
        mounts
        daemon=$(daemon)
        status ls /mnt/view
        status as backup umount /mnt/view
        mounts
        as nobody umount /mnt/view
        mounts
        ended "$daemon"
        echo ended
        status as backup mount /mnt/view
        mounts
        """,
    ) == [
        OPTIONS,
        *FILES,
        *("1", "2", "32", "1", "0", "ended", "23", "0"),
    ]


def test_user_lets_others_in(tmp_path: Path) -> None:
    """A user's `allow_other` needs `user_allow_other` in fuse.conf, and is told so."""
    assert said(
        tmp_path,
        r"""
        line user,allow_other
        status as nobody mount /mnt/view
        grep -o 'hint: .* needs user_allow_other in /etc/fuse.conf' /run/said
        mounts
        echo user_allow_other >> /etc/fuse.conf
        as nobody mount /mnt/view
        options
        as backup ls /mnt/view
        status as backup cat /mnt/view/file
        status as nobody cat /mnt/view/file
        as nobody umount /mnt/view
        """,
    ) == [
        "19",
        "hint: --allow-other needs user_allow_other in /etc/fuse.conf",
        "0",
        f"{OPTIONS},default_permissions,allow_other",
        *FILES,
        *("1", "0"),
    ]


def test_user_without_a_line(tmp_path: Path) -> None:
    """A user needs no fstab, but a mountpoint that is his."""
    assert said(
        tmp_path,
        r"""
        mkdir /mnt/root
        reverse="revcrypt reverse -q --passfile /etc/revcrypt/pass /srv/data"
        status as nobody $reverse /mnt/root
        grep -o 'hint: the mountpoint must be yours' /run/said
        as nobody $reverse /mnt/view
        as nobody ls /mnt/view
        as nobody mkdir /tmp/mine
        as nobody $reverse /tmp/mine
        as nobody ls /tmp/mine
        as nobody fusermount3 -u /tmp/mine
        as nobody fusermount3 -u /mnt/view
        mounts
        """,
    ) == ["19", "hint: the mountpoint must be yours", *FILES, *FILES, "0"]


def test_user_after_a_crash(tmp_path: Path) -> None:
    """A user needs nobody's help to replace a dead mount of his."""
    assert said(
        tmp_path,
        r"""
        line user,noauto
        as nobody mount /mnt/view
        daemon=$(daemon)
        kill -KILL "$daemon"
        ended "$daemon"
        status as nobody ls /mnt/view
        as nobody mount /mnt/view
        mounts
        as nobody ls /mnt/view
        as nobody umount /mnt/view
        """,
    ) == ["2", "1", *FILES]

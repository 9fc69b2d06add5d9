"""mount(8), umount(8) and the tools that list mounts, as root uses them with fstab."""

import os

import pytest

from revcrypt.errors import ExitCode
from tests.mount.fstab import EVERYTHING, Fstab, limited, shown
from tests.mount.processes import end_of
from tests.support import Mounts, daemons, is_mounted, revcrypt, run, snapshot

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts by fstab"),
]

PASSFILE = "passfile=/etc/revcrypt/pass"


# Listed, and unmounted


@pytest.mark.parametrize("name", [None, "me@here:data"])
def test_listed(name: str | None, fstab: Fstab) -> None:
    """`findmnt` and `mount` show the type, and the source's real path or its name."""
    view = fstab.view("ro" if name is None else f"fsname={name}")
    source = str(fstab.moved("/srv/data")) if name is None else name
    [mount] = shown(view)
    assert (mount["source"], mount["fstype"]) == (source, "fuse.revcrypt")
    table = limited("mount", "-t", "fuse.revcrypt").stdout
    assert f"{source} on {view} type fuse.revcrypt (ro,nosuid,nodev," in table


def test_df(mounts: Mounts, fstab: Fstab) -> None:
    """`df` says about the view what it says about the source."""
    # Nobody else uses a filesystem of our own, so nothing changes in between.
    whole = mounts.mountpoint("srv/whole")
    run("mount", "-t", "tmpfs", "-o", "size=9m,nr_inodes=1234", "none", whole)
    mounts.init(whole)
    (whole / "file").write_bytes(bytes(1_000_000))
    view = fstab.add(f"/srv/whole /mnt/view fuse.revcrypt reverse,{PASSFILE} 0 0")
    fstab.mount(view)
    for columns in ("size,used,avail,pcent", "itotal,iused,iavail,ipcent"):
        numbers = limited("df", f"--output={columns}", view, whole).stdout.splitlines()
        assert numbers[1] == numbers[2]
    assert "1234" in numbers[1]


@pytest.mark.parametrize("command", ["umount", "umount --lazy", "fusermount3 -u"])
def test_unmounted(command: str, fstab: Fstab) -> None:
    """`umount` works, the daemon ends, and the line can be mounted again."""
    view = fstab.view("ro")
    [pid] = daemons(view)
    with end_of(pid):
        limited(*command.split(), view)
    assert not is_mounted(view)
    fstab.mount(view)
    assert sorted(os.listdir(view)) == EVERYTHING


# Again


@pytest.mark.parametrize(
    ("source", "option"),
    [
        ("/srv/data", "ro"),
        ("/srv/data", "fsname=me@here:data"),
        ("/srv/data", r"fsname=a\,\040b"),
        ("/srv/data/", "ro"),
        ("/srv//data/.", "ro"),
        ("/srv/link", "ro"),
        ("/srv/link/", "fsname=data"),
    ],
)
def test_mount_all_twice(source: str, option: str, fstab: Fstab) -> None:
    """`mount -a` mounts once, however the source is written and the view is named."""
    fstab.moved("/srv/link").symlink_to("data")
    view = fstab.add(f"{source} /mnt/view fuse.revcrypt reverse,{PASSFILE},{option} 0 0")
    fstab.mount("-a")
    [pid] = daemons(view)
    fstab.mount("-a")
    fstab.mount(view)
    assert len(shown(view)) == 1
    assert daemons(view) == [pid]
    assert sorted(os.listdir(view)) == EVERYTHING


@pytest.mark.parametrize("words", ["remount", "remount,ro", "remount,rw", "rw,remount"])
def test_remount(words: str, fstab: Fstab) -> None:
    """A remount succeeds, mounts no second view, and changes nothing."""
    view = fstab.view("ro")
    [before] = shown(view)
    [pid] = daemons(view)
    fstab.mount("-o", words, view)
    assert shown(view) == [before]
    assert daemons(view) == [pid]
    assert sorted(os.listdir(view)) == EVERYTHING


def test_mounted_otherwise(fstab: Fstab, mounts: Mounts) -> None:
    """What was mounted without fstab can be remounted, and `mount -a` knows it."""
    fstab.moved("/srv/link").symlink_to("data")
    reverse = ("reverse", "-q", f"--passfile={mounts.passfile}", fstab.moved("/srv/link"))
    view = fstab.add(f"/srv/data /mnt/view fuse.revcrypt reverse,{PASSFILE} 0 0")
    named = fstab.add(f"/srv/data /mnt/named fuse.revcrypt reverse,{PASSFILE},noauto 0 0")
    revcrypt(*reverse, view)
    revcrypt(*reverse, "--fsname=other", named)
    fstab.mount("-a")
    fstab.mount("-o", "remount", view)
    fstab.mount("-o", "remount", named)
    sources = [[mount["source"] for mount in shown(path)] for path in (view, named)]
    assert sources == [[str(fstab.moved("/srv/data"))], ["other"]]


def test_remount_of_nothing(fstab: Fstab) -> None:
    """What is not mounted cannot be remounted, and a remount does not mount it."""
    view = fstab.view("ro")
    limited("umount", view)
    said = fstab.mount("-o", "remount", view, status=ExitCode.MOUNTPOINT).stderr
    assert f"{view} is not a view" in said
    assert not is_mounted(view)
    limited("mount", "-t", "tmpfs", "none", view)
    fstab.mount("-o", "remount", view, status=ExitCode.MOUNTPOINT)
    assert [mount["fstype"] for mount in shown(view)] == ["tmpfs"]


def test_two_views(fstab: Fstab) -> None:
    """Two views of one source show the same, to the byte."""
    first = fstab.view("ro")
    second = fstab.add(f"/srv/data /mnt/second fuse.revcrypt reverse,{PASSFILE} 0 0")
    fstab.mount("-a")
    assert sorted(os.listdir(second)) == EVERYTHING
    assert snapshot(second) == snapshot(first)


def test_read_only_source(mounts: Mounts, fstab: Fstab) -> None:
    """A source that cannot be written to is as good."""
    source = mounts.mountpoint("srv/frozen")
    run("mount", "--bind", fstab.moved("/srv/data"), source)
    run("mount", "-o", "remount,bind,ro", source)
    view = fstab.add(f"/srv/frozen /mnt/frozen fuse.revcrypt reverse,{PASSFILE} 0 0")
    fstab.mount(view)
    assert snapshot(view) == snapshot(fstab.view("ro"))


def test_mountpoint_inside_the_source(fstab: Fstab) -> None:
    """A view can be mounted inside what it shows, where it is an empty directory."""
    view = fstab.add(f"/srv/data /srv/data/in fuse.revcrypt reverse,{PASSFILE} 0 0")
    fstab.mount("-a")
    fstab.mount("-a")
    assert len(shown(view)) == 1
    assert set(limited("find", view, "-printf", r"%P\n").stdout.split()) == {
        *EVERYTHING,
        "directory/file",
        "in",
    }

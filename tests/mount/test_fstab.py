"""Lines of fstab: what may be in them, and what the mount then looks like."""

import os

import pytest

from revcrypt.errors import ExitCode
from tests.mount.fstab import AS_NOBODY, EVERYTHING, Fstab, limited, shown
from tests.support import KEY, Mounts, is_mounted, run, snapshot

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts by fstab"),
]

ALWAYS = {"ro", "nosuid", "nodev"}


# Both directions


def test_there_and_back(fstab: Fstab) -> None:
    """A line with `reverse` shows a view; one without makes a pulled copy readable."""
    source, copy = fstab.moved("/srv/data"), fstab.moved("/srv/copy")
    view = fstab.view("ro")
    run("cp", "-a", view, copy)
    line = "/srv/copy /mnt/plain fuse.revcrypt passfile=/etc/revcrypt/pass 0 0"
    plain = fstab.add(line)
    fstab.mount(plain)
    config = [b".gocryptfs.reverse.conf"]
    assert snapshot(plain) == snapshot(source, leave_out=config)
    assert (view / "letter").read_bytes() != b"dear diary"


def test_encrypted_names(mounts: Mounts, fstab: Fstab) -> None:
    """The same with encrypted names, and with a config that is kept elsewhere."""
    source, copy = fstab.moved("/srv/data"), fstab.moved("/srv/copy")
    (source / ".gocryptfs.reverse.conf").unlink()
    mounts.init(source, f"--config={fstab.moved('/etc/revcrypt/conf')}")
    view = fstab.view("config=/etc/revcrypt/conf")
    run("cp", "-a", view, copy)
    assert not {"directory", "letter"} & set(os.listdir(copy))
    (copy / "gocryptfs.conf").unlink()
    options = "config=/etc/revcrypt/conf,passfile=/etc/revcrypt/pass"
    plain = fstab.add(f"/srv/copy /mnt/plain fuse.revcrypt {options} 0 0")
    fstab.mount(plain)
    assert snapshot(plain) == snapshot(source)


# Words that are not for revcrypt


def test_generic_words(fstab: Fstab) -> None:
    """What is for mount(8), systemd or other filesystems does no harm."""
    view = fstab.view(
        "defaults,auto,nofail,_netdev,user,users,nouser,owner,group,relatime,noatime,"
        "diratime,nodiratime,strictatime,lazytime,sync,async,dirsync,iversion,mand,nomand,"
        "silent,loud,comment=for\\040us,x-gvfs-show,x-systemd.automount,X-anything=1,"
        "x-systemd.requires-mounts-for=/srv/data,x-systemd.idle-timeout=60"
    )
    assert sorted(os.listdir(view)) == EVERYTHING


@pytest.mark.parametrize(
    ("words", "noexec"),
    [
        ("ro", False),
        ("rw,dev,suid,exec", False),
        ("defaults", False),
        ("user", True),
        ("users,dev,suid,exec", False),
        ("nosuid,nodev,noexec", True),
    ],
)
def test_always_read_only(words: str, noexec: bool, fstab: Fstab) -> None:
    """Whatever the line says, the view is ro, nosuid and nodev; noexec is as it says."""
    [mount] = shown(fstab.view(words))
    options = set(mount["options"].split(","))
    assert options >= ALWAYS
    assert ("noexec" in options) is noexec
    assert not options & {"rw", "dev", "suid", "exec"}


def test_noauto(fstab: Fstab) -> None:
    """`mount -a` leaves out the line with `noauto`, and makes a missing mountpoint."""
    options = "reverse,x-mount.mkdir,passfile=/etc/revcrypt/pass"
    view = fstab.add(f"/srv/data /mnt/a/b fuse.revcrypt {options} 0 0")
    later = fstab.add(f"/srv/data /mnt/later fuse.revcrypt {options},noauto 0 0")
    fstab.mount("-a")
    assert sorted(os.listdir(view)) == EVERYTHING
    assert not later.exists()
    fstab.mount(later)
    assert sorted(os.listdir(later)) == EVERYTHING


# Options of revcrypt


def test_left_out(fstab: Fstab) -> None:
    """Filters add up, and a value may have a comma."""
    source = fstab.moved("/srv/data")
    for name in ("a.o", "b.tmp", "c,d", "e f"):
        (source / name).touch()
    fstab.moved("/etc/revcrypt/patterns").write_text("*.tmp\n")
    view = fstab.view(
        r"exclude=/c\,d,exclude=e\040f,exclude=directory,exclude-wildcard=*.o,"
        "exclude-from=/etc/revcrypt/patterns"
    )
    assert sorted(os.listdir(view)) == ["gocryptfs.conf", "letter"]


def test_one_file_system(mounts: Mounts, fstab: Fstab) -> None:
    """Another filesystem below the source is an empty directory, if the line says so."""
    directory = fstab.moved("/srv/data/directory")
    run("mount", "-t", "tmpfs", "none", directory)
    mounts._mountpoints.insert(0, directory)
    (directory / "other").touch()
    assert os.listdir(fstab.view("ro") / "directory") == ["other"]
    line = "/srv/data /mnt/one fuse.revcrypt reverse,passfile=/etc/revcrypt/pass"
    one = fstab.add(f"{line},one-file-system 0 0")
    fstab.mount(one)
    assert os.listdir(one / "directory") == []


def test_owner_and_others(fstab: Fstab) -> None:
    """`force_owner` shows everything as somebody's, whom `allow_other` lets in."""
    [mount] = shown(view := fstab.view("force_owner=nobody:12"))
    assert {(view / name).lstat().st_uid for name in EVERYTHING} == {65534}
    assert {(view / name).lstat().st_gid for name in EVERYTHING} == {12}
    assert "allow_other" in mount["options"].split(",")


def test_allow_other(fstab: Fstab) -> None:
    """Without `allow_other` only root gets in; with it, others as far as modes allow."""
    line = "/srv/data /mnt/others fuse.revcrypt reverse,passfile=/etc/revcrypt/pass"
    others = fstab.add(f"{line},allow_other 0 0")
    fstab.mount(others)
    as_nobody = ("env", "-C", others, *AS_NOBODY)
    assert set(limited(*as_nobody, "ls", ".").stdout.split()) == set(EVERYTHING)
    limited(*as_nobody, "cat", "letter")
    limited(*as_nobody, "cat", "gocryptfs.conf", status=1)
    limited("env", "-C", fstab.view("ro"), *AS_NOBODY, "ls", ".", status=2)


def test_extpass(fstab: Fstab) -> None:
    """A program and its argument, with a blank between them, give the passphrase."""
    command = rf"/bin/cat\040{fstab.moved('/etc/revcrypt/pass')}"
    view = fstab.add(f"/srv/data /mnt/view fuse.revcrypt reverse,extpass={command} 0 0")
    fstab.mount(view)
    assert sorted(os.listdir(view)) == EVERYTHING


def test_no_config(fstab: Fstab) -> None:
    """Without a config, master key and kind of names can be in the line."""
    fstab.moved("/srv/data/.gocryptfs.reverse.conf").unlink()
    options = f"reverse,plaintextnames,no-show-config,masterkey={KEY.hex()}"
    view = fstab.add(f"/srv/data /mnt/view fuse.revcrypt {options} 0 0")
    fstab.mount(view)
    assert sorted(os.listdir(view)) == ["directory", "letter"]


@pytest.mark.parametrize(
    ("word", "status", "reason"),
    [
        ("frobnicate", ExitCode.USAGE, "-frobnicate"),
        ("excldue=/tmp", ExitCode.USAGE, "-exclude"),
        ("password=correct", ExitCode.USAGE, "-password is not available: every user"),
        (
            "passphrase=correct",
            ExitCode.USAGE,
            "-passphrase is not available: every user",
        ),
        ("auto_unmount", ExitCode.USAGE, "-auto_unmount is not available"),
        ("passfile", ExitCode.USAGE, "passfile"),
        ("force_owner=nobody", ExitCode.USAGE, "force_owner"),
        ("exclude-from=/etc/revcrypt/none", ExitCode.FILTER, "/etc/revcrypt/none"),
    ],
)
def test_refused(word: str, status: ExitCode, reason: str, fstab: Fstab) -> None:
    """What cannot be done is refused by name, and nothing is mounted."""
    options = f"reverse,passfile=/etc/revcrypt/pass,{word},nofail"
    view = fstab.add(f"/srv/data /mnt/view fuse.revcrypt {options} 0 0")
    said = fstab.mount(view, status=status).stderr
    assert said.startswith("revcrypt: error: ")
    assert reason in said
    assert not is_mounted(view)

"""Paths in lines of fstab: blanks, commas, backslashes and worse."""

import os
from pathlib import Path

import pytest

from tests.mount.fstab import EVERYTHING, Fstab, escape, limited, shown

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts by fstab"),
]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("a b", r"a\040b"),
        ("a,b", r"a\,b"),
        ("a,b", r"a\134,b"),
        (",,a,b", r"\,\,a\,b"),
        ("a, b", r"a\,\040b"),
        ("a\\b", r"a\134b"),
        ("a\\b", r"a\b"),
        ("a\\b", r"a\134\134b"),
        ("a\\,b", r"a\134\134\134,b"),
        ("a\tb", r"a\011b"),
        ("a\nb", r"a\012b"),
        ("#a", "#a"),
        ("a=b=c", "a=b=c"),
        ('"a"b', '"a"b'),
        ("it's $(touch x) `false`;&|<>*?", r"it's\040$(touch\040x)\040`false`;&|<>*?"),
        ("Größe ☃", r"Größe\040☃"),
        ("\udcff\udcfe\udce4", "\udcff\udcfe\udce4"),
    ],
)
def test_passfile(name: str, written: str, fstab: Fstab) -> None:
    """A passphrase file can have any name, if fstab says it as fstab(5) wants it."""
    etc = fstab.moved("/etc/revcrypt")
    (etc / "pass").rename(etc / name)
    options = f"reverse,passfile=/etc/revcrypt/{written},noatime"
    view = fstab.add(f"/srv/data /mnt/view fuse.revcrypt {options} 0 0")
    fstab.mount(view)
    assert sorted(os.listdir(view)) == EVERYTHING


def test_comma_in_octal(fstab: Fstab) -> None:
    """An octal comma ends an option: mount(8) has decoded it when we see it."""
    etc = fstab.moved("/etc/revcrypt")
    (etc / "pass").rename(etc / "a,b")
    options = r"reverse,passfile=/etc/revcrypt/a\054b"
    view = fstab.add(f"/srv/data /mnt/view fuse.revcrypt {options} 0 0")
    assert "unknown option -b" in fstab.mount(view, status=1).stderr


PATHS = [
    "with space",
    "with, comma,ro,",
    "back\\slash",
    "tab\there",
    "it's = $HOME",
    "Größe ☃",
    "#hash",
]


@pytest.mark.parametrize("name", [*PATHS, "\udcff\udcfe"])
def test_source(name: str, fstab: Fstab) -> None:
    """A source can have any name; a second `mount -a` knows it again."""
    source = fstab.moved("/srv") / name
    fstab.moved("/srv/data").rename(source)
    options = "reverse,passfile=/etc/revcrypt/pass"
    view = fstab.add(f"/srv/{escape(name)} /mnt/view fuse.revcrypt {options} 0 0")
    fstab.mount("-a")
    fstab.mount("-a")
    assert sorted(os.listdir(view)) == EVERYTHING
    assert len(shown(view)) == 1


@pytest.mark.parametrize("name", PATHS)
def test_mountpoint(name: str, fstab: Fstab) -> None:
    """A mountpoint can have any name, too."""
    options = "reverse,passfile=/etc/revcrypt/pass"
    view = fstab.add(f"/srv/data /mnt/{escape(name)} fuse.revcrypt {options} 0 0")
    assert view.name == name
    fstab.mount("-a")
    try:
        fstab.mount("-a")
        assert sorted(os.listdir(view)) == EVERYTHING
        assert len(shown(view)) == 1
    finally:
        # What cleans up after tests does not know all the ways to write a name.
        limited("umount", view)


def test_empty_environment(fstab: Fstab) -> None:
    """As systemd has it: no PATH, no HOME, no locale."""
    source, options = fstab.moved("/srv/Größe"), "reverse,passfile=/etc/revcrypt/pass"
    fstab.moved("/srv/data").rename(source)
    view = fstab.add(f"/srv/Größe /mnt/Ärger fuse.revcrypt {options} 0 0")
    limited("env", "-i", "/bin/mount", "-T", fstab.path, view)
    assert sorted(os.listdir(view)) == EVERYTHING


@pytest.mark.parametrize("variable", ["LC_ALL=C", "LC_ALL=POSIX", "LC_ALL=tlh", "HOME="])
def test_odd_environment(variable: str, fstab: Fstab) -> None:
    """A locale does not decide what a path is."""
    source, etc = fstab.moved("/srv/Größe"), fstab.moved("/etc/revcrypt")
    fstab.moved("/srv/data").rename(source)
    Path(etc / "pass").rename(etc / "Schlüssel")
    options = "reverse,passfile=/etc/revcrypt/Schlüssel"
    view = fstab.add(f"/srv/Größe /mnt/Ärger fuse.revcrypt {options} 0 0")
    limited("env", "-i", variable, "/bin/mount", "-T", fstab.path, view)
    assert sorted(os.listdir(view)) == EVERYTHING

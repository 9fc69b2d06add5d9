"""The commands of docs/recovery.md, word for word, from the first key to the last."""

import os
import re
from pathlib import Path

import pytest

from tests.mount.own_root import ROOT, in_own_root

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a root of its own"),
]

TEXT = (ROOT / "docs" / "recovery.md").read_text()


def block(name: str) -> str:
    """Return the code below the comment *name*."""
    marker = re.escape(f"<!-- recovery: {name} -->")
    found = re.search(rf"{marker}\n```sh\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None, name
    return found[1]


def used(*names: str, typed: str = "") -> str:
    """Return code, with what is *typed* at each of its commands of revcrypt."""
    text = "".join(block(name) for name in names)
    text = text.replace("openssl req ", "openssl req -passout pass:of-the-key ")
    text = text.replace("openssl cms ", "openssl cms -passin pass:of-the-key ")
    if typed:
        text = re.sub(
            r"^revcrypt ", f"echo {typed} | revcrypt ", text, flags=re.MULTILINE
        )
    return text


def test_readme_has_the_same_commands() -> None:
    """What README shows of it is what is run here."""
    readme = " ".join((ROOT / "README.md").read_text().split())
    for name in ("key", "check", "restore"):
        assert " ".join(block(name).split()) in readme
    assert block("add").splitlines()[0] in readme


def pull(to: str) -> str:
    """Return what makes a copy of the view."""
    return f"""
revcrypt reverse -q --config /etc/revcrypt/data.conf \
    --passfile /etc/revcrypt/data.pass /srv/data /run/view
rsync -aHAX --delete /run/view/ {to}/
umount /run/view
"""


def test_every_block_is_run() -> None:
    """There is no command in the text that this does not run."""
    names = set(re.findall(r"<!-- recovery: (.+) -->", TEXT))
    source = (ROOT / "tests" / "mount" / "test_recovery_doc.py").read_text()
    assert names
    assert [name for name in names if f'"{name}"' not in source] == []
    assert TEXT.count("```sh\n") == len(names)


def test_the_whole_story(tmp_path: Path) -> None:
    """Sealed, checked, lost, restored in each way, rotated, and a key replaced."""
    out = in_own_root(
        tmp_path,
        r"""
        umask 022
        cd /home
        mkdir -p /srv/data /srv/other /backup /run/view
        echo letter > /srv/data/letter
        install -m 600 /dev/null /etc/revcrypt/data.pass
        echo long passphrase > /etc/revcrypt/data.pass
        revcrypt init -q --scrypt-n 10 --config /etc/revcrypt/data.conf \
            --passfile /etc/revcrypt/data.pass /srv/data
        """
        + used("key")
        + used("add", typed="long passphrase")
        + pull("/backup/data")
        + used("check", typed="of-the-key")
        + "mv /srv/data /srv/original; rm -r /etc/revcrypt/data.conf*\n"
        + used("restore", typed="of-the-key")
        + "diff -r /srv/original /srv/data && echo restored\n"
        + used("config", typed="of-the-key")
        + "revcrypt ls --passfile /etc/revcrypt/data.pass "
        "--config /etc/revcrypt/data.conf /backup/data | sed 's/^/a new config opens /'\n"
        + used("openssl").rstrip()
        + " > text; sed -n 's/^master key: //p' text > key\n"
        + used("gocryptfs").rstrip()
        + " < key > log 2>&1\n"
        + "cat /mnt/data/letter | sed 's/^/gocryptfs shows a /'; umount /mnt/data\n"
        + used("no passphrase")
        + "revcrypt reverse -q --config /etc/revcrypt/other.conf "
        "--masterkey /etc/revcrypt/other.key /srv/other /run/view\n"
        "ls /run/view | grep -c recovery; umount /run/view\n"
        + used("rotate without")
        + pull("/backup/data")
        + "ls /backup/data | grep recovery | sed 's/^/after the next pull: /'\n"
        + "cp -a /backup/data /backup/snapshot\n"
        + used("rotate")
        + pull("/backup/data")
        + used("old epoch", typed="of-the-key")
        + "cat /srv/as-it-was/letter | sed 's/^/as it was: /'\n"
        + "mkdir second; cd second\n"
        + used("key").replace("of Ada", "of Grace").replace("rsa:3072", "rsa:2048")
        + "cp recovery.crt.pem ../second.crt.pem; cd ..\n"
        + used("archives", typed="of-the-key")
        + used("replace", typed="long passphrase")
        + "revcrypt recovery list --config /etc/revcrypt/data.conf\n",
    )
    lines = out.splitlines()
    assert "/backup/data/gocryptfs.conf.recovery.p7m opens, and is whole" in lines
    assert "the master key is the right one: it opens /backup/data" in lines
    for line in (
        "restored",
        "a new config opens letter",
        "gocryptfs shows a letter",
        "2",
        "as it was: letter",
        "after the next pull: gocryptfs.conf.recovery.p7m",
        "after the next pull: gocryptfs.conf.recovery.pem",
    ):
        assert line in lines
    listed = out.split("data.conf.recovery.p7m is opened by")[-1]
    assert "CN=recovery of Grace" in listed.split("epoch-1")[0]
    assert "CN=recovery of Ada" not in listed.split("epoch-1")[0]
    assert "CN=recovery of Grace" in listed.split("epoch-1")[1]


def test_paper_and_passphrases(tmp_path: Path) -> None:
    """Printed, rehearsed, restored from the lines, and two new passphrases."""
    out = in_own_root(
        tmp_path,
        r"""
        umask 077
        mkdir -p /srv/data /backup /run/view
        echo letter > /srv/data/letter
        echo long passphrase > /etc/revcrypt/data.pass
        echo another passphrase > /etc/revcrypt/new.pass
        revcrypt init -q --scrypt-n 10 --config /etc/revcrypt/data.conf \
            --passfile /etc/revcrypt/data.pass /srv/data
        """
        + pull("/backup/data")
        + used("paper")
        + "sed -n '/class=\"key\"/,/pre>/ s/.*\\([1-8]: [0-9a-f ]*\\).*/\\1/p' "
        "/dev/shm/key.html > /home/lines; rm /dev/shm/key.html; wc -l < /home/lines\n"
        + used("drill").rstrip()
        + " < /home/lines\n"
        + used("from paper").rstrip()
        + " < /home/lines\n"
        + "diff -r /srv/data /srv/from-paper && echo restored\n"
        + used("passwd")
        + opens("/etc/revcrypt/new.pass")
        + used("forgotten").rstrip()
        + " < /home/lines\n"
        + opens("/etc/revcrypt/data.pass"),
    )
    lines = out.splitlines()
    for line in (
        "8",
        "verdict: PASSED",
        "restored",
        "new.pass opens letter",
        "data.pass opens letter",
    ):
        assert line in lines
    assert "opened with the master key" in out


def opens(passfile: str) -> str:
    """Return what shows that a passphrase opens the config of the server."""
    words = f"--passfile {passfile} --config /etc/revcrypt/data.conf /backup/data"
    return f"revcrypt ls {words} | sed 's/^/{os.path.basename(passfile)} opens /'\n"

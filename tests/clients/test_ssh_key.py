"""What can be done with a key that may pull, and nothing else: with a real sshd."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.counts import Counted
from tests.mount.pulling import describe
from tests.servers import Sshd, forced, sshd
from tests.support import REVCRYPT, Mounts, snapshot

pytestmark = [
    pytest.mark.clients,
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="sshd logs in as root"),
]

SECRET = "what nobody may have"
RSYNC = ["rsync", "-a", "--rsh=ssh -F {config}"]
SSH = ["ssh", "-F", "{config}"]
ATTEMPTS: dict[str, tuple[list[str], str]] = {
    "run a program": ([*SSH, "{key}", "cat", "{outside}/secret"], ""),
    "get a shell": ([*SSH, "{key}"], "cat {outside}/secret"),
    "get a terminal": ([*SSH, "-tt", "{key}", "cat", "{outside}/secret"], ""),
    "run more than rsync": (
        [
            *RSYNC,
            "--rsync-path=cat {outside}/secret >&2; rsync",
            "{key}:{view}/",
            "{loot}/",
        ],
        "",
    ),
    "sftp": (["sftp", "-b", "-", *SSH[1:], "{key}"], "get {outside}/secret {loot}/"),
    "scp": (["scp", "-F", "{config}", "{key}:{outside}/secret", "{loot}/"], ""),
    "old scp": (["scp", "-O", "-F", "{config}", "{key}:{outside}/secret", "{loot}/"], ""),
    "leave by a path": ([*RSYNC, "{key}:{outside}/secret", "{loot}/"], ""),
    "leave by ..": ([*RSYNC, "{key}:{view}/../outside/secret", "{loot}/"], ""),
    "leave by a list": (
        [*RSYNC, "--files-from=:{outside}/list", "{key}:/", "{loot}/"],
        "",
    ),
    "write": ([*RSYNC, "{loot}/file", "{key}:{outside}/"], ""),
    "write a log": (
        [*RSYNC, "--remote-option=--log-file={outside}/log", "{key}:{view}/", "{loot}/"],
        "",
    ),
    "remove": (
        [*RSYNC, "--remove-source-files", "{key}:{outside}/secret", "{loot}/"],
        "",
    ),
    "reach a port": ([*SSH, "-W", "127.0.0.1:{port}", "{key}"], ""),
}


class Place:
    """A view, an sshd, and what is outside of the view."""

    def __init__(self, directory: Path, view: Path, ssh: Sshd) -> None:
        self.source = directory / "source"
        self.outside, self.loot = directory / "outside", directory / "loot"
        self._values: dict[str, object] = {
            "view": view,
            "outside": self.outside,
            "loot": self.loot,
            **ssh._asdict(),
        }

    def attempt(self, name: str, key: str) -> tuple[int, list[str]]:
        """Try something; return the status, and what harm it has done."""
        self._tidy()
        before = snapshot(self.source), snapshot(self.outside)
        words, stdin = ATTEMPTS[name]
        values = self._values | {"key": key}
        said = subprocess.run(
            [word.format(**values) for word in words],
            input=stdin.format(**values),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        got = [said.stdout, said.stderr]
        got += [path.read_text() for path in self.loot.rglob("secret")]
        harm = {
            "read": SECRET in "".join(got),
            "changed": (snapshot(self.source), snapshot(self.outside)) != before,
            "reached": "SSH-2.0" in said.stdout,
        }
        return said.returncode, [what for what, done in harm.items() if done]

    def _tidy(self) -> None:
        for path in (self.outside, self.loot):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir()
        secret = self.outside / "secret"
        secret.write_text(SECRET)
        (self.outside / "list").write_text(f"{secret}\n")
        (self.loot / "file").touch()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A mounted view, and keys that may do this and that."""
    directory = tmp_path_factory.mktemp("key")
    source, site = directory / "source", directory / "view.toml"
    source.mkdir()
    (source / "file").write_text("content")
    with closing(Mounts(directory)) as mounts:
        mounts.init(source)
        view = mounts.reverse(source)
        describe(site, mounts, source, view)
        keys = {
            "rrsync": forced(["rrsync", "-ro", view]),
            "pull-shell": forced([*REVCRYPT, "pull-shell", site]),
            "anything": "",
        }
        with sshd(directory / "ssh", keys) as ssh:
            yield Place(directory, view, ssh)


@pytest.mark.parametrize(
    ("key", "attempt"),
    [
        *(("rrsync", attempt) for attempt in ATTEMPTS),
        # The rest is rrsync's to refuse, which it runs.
        *(("pull-shell", attempt) for attempt in ("get a shell", "sftp", "reach a port")),
    ],
)
def test_refused(key: str, attempt: str, place: Place, counted: Counted) -> None:
    """A key that may pull can do nothing else."""
    counted("attempts with a key that may only pull", 1)
    status, harm = place.attempt(attempt, key)
    assert harm == []
    assert status != 0


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_would_work(attempt: str, place: Place) -> None:
    """With a key that may do anything, each attempt does its harm."""
    _, harm = place.attempt(attempt, "anything")
    assert harm != []

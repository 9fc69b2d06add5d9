"""`revcrypt path` where what it is asked for exists, and where it has to."""

import os
from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from revcrypt.format.config import Features
from revcrypt.format.content import Cipher
from tests.cli.rescuing import REVERSE_CONFIG, Case, Gocryptfs, rescue
from tests.support import Mounts, run, walk
from tests.view.trees import ALL_FEATURES, forward_view, reverse_view
from tests.view.trees import walk as walk_view

LONG = "L" * 176


@pytest.fixture(params=ALL_FEATURES)
def full(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    """A copy of some files, some of them with long names."""
    case = Case(tmp_path, ALL_FEATURES[request.param])
    (case.plain / LONG / "sub").mkdir(parents=True)
    for name in (f"{LONG}/{LONG}b", f"{LONG}/sub/a", "new\nline", "odd \udcff"):
        (case.plain / name).touch()
    (case.plain / "link").symlink_to("target")
    case.pull()
    return case


def test_everything(full: Case) -> None:
    """Every path of a tree is mapped, in both directions, from either side."""
    with reverse_view(full.plain, full.features) as view:
        pairs = {
            node.backing_path(): view.cipher_path(node)
            for node, _ in walk_view(view)
            if not node.shown_name.endswith((b".name", b".diriv", b".conf"))
        }
    plain, cipher = list(pairs), list(pairs.values())
    assert len(plain) == 7
    for directory in (full.plain, full.copy):
        words = ("-0", full.masterkey, directory)
        assert rescue("path", "encrypt", *words, "--", *plain).nul_lines == cipher
        assert rescue("path", "decrypt", *words, "--", *cipher).nul_lines == plain


@pytest.mark.parametrize("cipher", [Cipher.AES_GCM, Cipher.AES_SIV])
def test_forward_directory(cipher: Cipher, tmp_path: Path) -> None:
    """In a directory that no view has made, all but the last name has to exist."""
    case = Case(tmp_path)
    (case.plain / "dir" / LONG).mkdir(parents=True)
    (case.plain / "dir" / LONG / "file").touch()
    (case.plain / REVERSE_CONFIG).unlink()
    case.copy.mkdir()
    features = Features(cipher=cipher)
    Gocryptfs(features).write(case.plain, case.copy)
    wanted = ["dir", f"dir/{LONG}", f"dir/{LONG}/file"]
    with forward_view(case.copy, features) as view:
        shown = {node.shown_path(): node.backing_path() for node, _ in walk_view(view)}
    expected = [shown[path.encode()] for path in wanted]
    words = (case.masterkey, "-q", case.copy)
    assert rescue("path", "encrypt", *words, *wanted).lines == expected
    said = rescue("path", "decrypt", *words, "--", *expected)
    assert said.lines == [path.encode() for path in wanted]
    [new] = rescue("path", "encrypt", *words, "dir/new").lines
    assert new.startswith(expected[0] + b"/")
    words = ("path", "encrypt", *words, "missing/file", "dir")
    said = rescue(*words, status=ExitCode.FINDINGS)
    assert said.lines == expected[:1]
    assert "missing/file: there is nothing of this name" in said.stderr


@pytest.mark.fuse
@pytest.mark.parametrize("options", [[], ["-xchacha"], ["-longnamemax=100"]], ids=str)
def test_gocryptfs(options: list[str], mounts: Mounts) -> None:
    """Paths are those under which gocryptfs itself has written the files."""
    cipher = mounts.directory / "cipher"
    cipher.mkdir()
    passfile = f"--passfile={mounts.passfile}"
    run("gocryptfs", "-init", "-q", "-scryptn=10", passfile, *options, cipher)
    plain = mounts.gocryptfs(cipher, "plain")
    # By their sizes the encrypted files can be told from each other.
    wanted = ["a", "dir/b", f"dir/{LONG}", "dir/deep/c", f"dir/{'m' * 100}"]
    (plain / "dir" / "deep").mkdir(parents=True)
    for number, path in enumerate(wanted):
        (plain / path).write_bytes(bytes(1000 + number))
    mounts.unmount(plain)
    overhead = 18 + (40 if "-xchacha" in options else 32)
    by_size = {os.stat(os.fsencode(cipher) + b"/" + f).st_size: f for f in walk(cipher)}
    expected = [by_size[1000 + number + overhead] for number in range(len(wanted))]
    assert rescue("path", "encrypt", passfile, cipher, *wanted).lines == expected
    # One encrypted name in 64 begins with a dash.
    said = rescue("path", "decrypt", passfile, cipher, "--", *expected)
    assert said.lines == [path.encode() for path in wanted]


def test_errors_do_not_stop(full: Case) -> None:
    """What has no other side is told, and the rest is done."""
    for directory in (full.plain, full.copy):
        words = ("path", "encrypt", full.masterkey, directory)
        bad = ["x" * 256, "../out"]
        said = rescue(*words, *bad, LONG, status=ExitCode.FINDINGS)
        assert len(said.lines) == 1
        lines = said.stderr.splitlines()
        assert [line.split(": ")[2] for line in lines] == bad


def test_stdin_with_nul(full: Case) -> None:
    """With -0, paths with newlines in them come and go."""
    words = ("-0", full.masterkey, full.plain)
    given = b"new\nline\0odd \xff\0"
    encrypted = rescue("path", "encrypt", *words, stdin=given).stdout
    assert rescue("path", "decrypt", *words, stdin=encrypted).stdout == given

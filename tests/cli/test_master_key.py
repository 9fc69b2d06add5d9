"""Master keys: where they may come from, and what happens with the wrong one."""

import os
from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from tests.certificates import person
from tests.cli.refusals import refused
from tests.support import KEY, Mounts, is_mounted, revcrypt, run, write_secret
from tests.view.trees import reverse_view, write_out

WRONG = KEY[::-1].hex()


@pytest.fixture
def mountpoint(tmp_path: Path) -> Path:
    """An empty directory."""
    path = tmp_path / "mountpoint"
    path.mkdir()
    return path


def test_a_key_as_an_argument(tmp_path: Path) -> None:
    """A key given where a file is expected works, with a warning that does not repeat it.

    Whoever is in need has no time to find out that it should have been a file.
    """
    (tmp_path / "source").mkdir()
    (tmp_path / "copy").mkdir()
    (tmp_path / "source" / "file").write_text("content")
    with reverse_view(tmp_path / "source") as view:
        write_out(view, tmp_path / "copy")
    digits = KEY.hex()
    grouped = "-".join(digits[i : i + 8] for i in range(0, 64, 8))
    for text in (digits, grouped):
        result = revcrypt("cat", f"--masterkey={text}", tmp_path / "copy", "file")
        assert result.stdout == "content"
        assert "all users of this machine can see" in result.stderr
        assert digits[:8] not in result.stderr


def test_flags_do_not_contradict_the_config(
    tmp_path: Path, mountpoint: Path, mounts: Mounts
) -> None:
    """An option about the format that the config denies is refused, not ignored."""
    plain = tmp_path / "plain"
    plain.mkdir()
    mounts.init(plain, "--plaintext-names")
    words = ("reverse", f"--passfile={mounts.passfile}", "--long-name-max=99")
    assert "contradict" in refused(ExitCode.USAGE, *words, plain, mountpoint)
    key = tmp_path / "key"
    write_secret(key, WRONG)
    words = ("reverse", f"--masterkey={key}", "--long-name-max=100")
    assert "contradict" in refused(ExitCode.USAGE, *words, plain, mountpoint)


@pytest.mark.fuse
@pytest.mark.parametrize("names", ["--long-name-max=255", "--plaintext-names"])
def test_a_wrong_key_opens_nothing(names: str, mounts: Mounts) -> None:
    """A master key of another directory is told from an empty backup."""
    plain = mounts.directory / "plain"
    plain.mkdir()
    (plain / "file").write_text("content")
    mounts.init(plain, names)
    pulled = mounts.directory / "pulled"
    run("rsync", "-a", f"{mounts.reverse(plain, 'view', names)}/", pulled)
    shown = mounts.mountpoint("shown")
    words = ("forward", "--masterkey=-", "-q", pulled, shown)
    said = revcrypt(*words, status=ExitCode.MASTER_KEY, stdin=WRONG).stderr
    assert "opens nothing" in said
    assert not is_mounted(shown)
    # Whoever insists may look at what a damaged directory still has.
    revcrypt(words[0], "--lenient", *words[1:], stdin=WRONG)
    assert is_mounted(shown)


@pytest.mark.fuse
@pytest.mark.parametrize("names", ["--long-name-max=255", "--plaintext-names"])
def test_an_empty_directory_opens_with_any_key(names: str, mounts: Mounts) -> None:
    """Where nothing tells a wrong key, it is taken for the right one."""
    plain = mounts.directory / "plain"
    plain.mkdir()
    mounts.init(plain, names)
    pulled = mounts.directory / "pulled"
    run("rsync", "-a", f"{mounts.reverse(plain)}/", pulled)
    shown = mounts.mountpoint("shown")
    revcrypt("forward", "--masterkey=-", "-q", pulled, shown, stdin=WRONG)
    assert os.listdir(shown) == []


@pytest.mark.fuse
def test_an_unproven_config_is_told(mounts: Mounts) -> None:
    """A view by master key shows a config that may hold another key, and says so."""
    plain = mounts.directory / "plain"
    plain.mkdir()
    mounts.init(plain)
    view = mounts.mountpoint("view")
    result = revcrypt("reverse", "--masterkey=-", "-q", plain, view, stdin=WRONG)
    assert "nothing proves that this is the key of" in result.stderr


@pytest.mark.fuse
def test_a_key_that_is_known_to_be_another_one_shows_nothing(
    mounts: Mounts,
) -> None:
    """The next pull would replace the whole backup by what nobody can open."""
    plain = mounts.directory / "plain"
    plain.mkdir()
    mounts.init(plain)
    person("ada").write(mounts.directory)
    certificate = mounts.directory / "ada.crt.pem"
    revcrypt(
        "recovery",
        "add",
        f"--config={plain}",
        f"--passfile={mounts.passfile}",
        certificate,
    )
    view = mounts.mountpoint("view")
    result = revcrypt(
        "reverse",
        "--masterkey=-",
        "-q",
        plain,
        view,
        stdin=WRONG,
        status=ExitCode.MASTER_KEY,
    )
    assert "this is not the master key that the backup has now" in result.stderr
    assert not is_mounted(view)

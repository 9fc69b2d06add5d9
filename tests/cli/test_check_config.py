"""`revcrypt check-config`: it says what a mount would do, and fails where it would."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from tests.cli.refusals import checked, refused
from tests.support import KEY, PASSPHRASE, is_mounted, revcrypt, write_secret


class Place:
    """A plain directory with a config, a passfile, and what is said about them."""

    def __init__(self, plain: Path) -> None:
        self.source = plain
        self.directory = plain.parent
        self.view = self.directory / "view"
        self.passfile = self.directory / "passfile"
        write_secret(self.passfile, PASSPHRASE + "\n")
        self.path = self.directory / "view.toml"
        self.settings: dict[str, object] = {
            "source": str(plain),
            "mountpoint": str(self.view),
            "passfile": str(self.passfile),
        }

    def write(self, **settings: object) -> Path:
        """Write the file with *settings*, too; those that are None are left out."""
        keys = {name.replace("_", "-"): value for name, value in settings.items()}
        lines = [
            f"{key} = {json.dumps(value)}\n"
            for key, value in (self.settings | keys).items()
            if value is not None
        ]
        self.path.write_text("".join(lines))
        self.path.chmod(0o600)
        return self.path

    def describe(self, **settings: object) -> dict[str, list[str]]:
        """Return what check-config says, by label."""
        result = revcrypt("check-config", self.write(**settings))
        assert not self.view.exists()
        said: dict[str, list[str]] = {}
        for line in result.stdout.splitlines():
            label, text = line.split(":", 1)
            said.setdefault(label, []).append(text.strip())
        return said


@pytest.fixture
def place(plain: Path) -> Place:
    return Place(plain)


# What it says


def test_full_example(place: Place) -> None:
    """Everything that the mount would do is told, and nothing of it is done."""
    filters = {
        "exclude": ["tmp", "/var/cache"],
        "exclude_wildcard": "*.o",
        "exclude_larger_than": "2G",
        "exclude_caches": True,
        "exclude_special": False,
        "one_file_system": True,
    }
    (place.source / "tmp").mkdir()
    (place.source / "var" / "cache").mkdir(parents=True)
    path = place.write(
        **filters,
        allow_user=["nobody", 12345],
        allow_group="root",
        force_owner="nobody:7",
    )
    result = revcrypt("check-config", path)
    assert result.stderr == ""
    assert (
        result.stdout
        == f"""\
file:       {path}
source:     {place.source}, plain
mountpoint: {place.view}
config:     {place.source}/.gocryptfs.reverse.conf, AES_SIV, encrypted names
secret:     the passphrase in {place.passfile}
visible to: root, nobody, 12345, group root
owner:      nobody:7 (65534:7)
left out:   exclude=tmp
left out:   exclude=/var/cache
left out:   exclude-wildcard=*.o
left out:   exclude-larger-than=2G
left out:   exclude-caches
left out:   one-file-system
"""
    )
    assert not place.view.exists()
    assert not is_mounted(place.view)


def test_secrets(place: Place) -> None:
    """Where the secret would come from is told, but not what it is."""
    keyfile = place.directory / "key"
    write_secret(keyfile, KEY.hex())
    more = place.directory / "more"
    more.write_text("more\n")
    for settings, expected in (
        ({}, f"the passphrase in {place.passfile}"),
        ({"passfile": [str(place.passfile), str(more)]}, f"{place.passfile}, {more}"),
        ({"passfile": None, "extpass": "echo secret"}, "that echo secret prints"),
        ({"passfile": None}, "the credential “passphrase”"),
        ({"passfile": None, "masterkey": str(keyfile)}, f"the master key in {keyfile}"),
    ):
        said = place.describe(**settings)
        [secret] = said["secret"]
        assert secret.endswith((expected, f"{expected} of the service"))
        text = json.dumps(said)
        assert PASSPHRASE not in text
        assert KEY.hex() not in text


def test_who_may_see_it(place: Place) -> None:
    """Who would get in is told as it will be."""
    for settings, expected in (
        ({}, "only the user who mounts"),
        ({"allow_other": True}, "everybody, as far as owner and mode allow"),
        ({"force_owner": "1:2"}, "everybody, as far as owner and mode allow"),
        ({"allow_other": True, "allow_user": "nobody"}, "root, nobody"),
        ({"allow_group": ["7", "8"]}, "root, group 7, group 8"),
    ):
        assert place.describe(**settings)["visible to"] == [expected]


def test_forward(place: Place, cipher: Path) -> None:
    """A readable mount is called that."""
    said = place.describe(source=str(cipher), forward=True)
    assert said["source"] == [f"{cipher}, encrypted"]
    assert said["config"] == [f"{cipher}/gocryptfs.conf, AES_SIV, encrypted names"]


def test_warning(place: Place) -> None:
    """What is probably a mistake is told, but is none of the file's."""
    result = revcrypt("check-config", place.write(exclude="/missing"))
    assert "exclude=/missing: there is no such path" in result.stderr
    assert "exclude=/missing" in result.stdout


# Where it fails


def spoil_config(place: Place) -> dict[str, object]:
    """Write something else where the config is."""
    config = place.directory / "config"
    config.write_text("no JSON")
    return {"config": str(config)}


def bad_filter(place: Place) -> dict[str, object]:
    """Write a file with a pattern that means nothing."""
    patterns = place.directory / "patterns"
    patterns.write_text("fine\n[a\n")
    return {"exclude_from": str(patterns)}


def key_file(place: Place) -> dict[str, object]:
    """Give both kinds of secret."""
    keyfile = place.directory / "key"
    write_secret(keyfile, KEY.hex())
    return {"masterkey": str(keyfile)}


Mistake = Callable[[Place], dict[str, object]]
MISTAKES: dict[str, tuple[ExitCode, str, Mistake]] = {
    "missing source": (
        ExitCode.SOURCE,
        "/missing does not exist",
        lambda _: {"source": "/missing"},
    ),
    "no directory": (
        ExitCode.SOURCE,
        "not a directory",
        lambda place: {"source": str(place.passfile)},
    ),
    "missing config": (
        ExitCode.CONFIG_UNREADABLE,
        "/missing",
        lambda _: {"config": "/missing"},
    ),
    "no config": (ExitCode.CONFIG_UNREADABLE, "/config: ", spoil_config),
    "missing passfile": (
        ExitCode.PASSPHRASE_UNREADABLE,
        "/missing",
        lambda place: {"passfile": [str(place.passfile), "/missing"]},
    ),
    "missing key file": (
        ExitCode.MASTER_KEY,
        "/missing",
        lambda _: {"passfile": None, "masterkey": "/missing"},
    ),
    "two secrets": (ExitCode.USAGE, "--masterkey excludes", key_file),
    "two programs": (ExitCode.USAGE, "exclude each other", lambda _: {"extpass": "echo"}),
    "unknown user": (ExitCode.USAGE, "'nosuch'", lambda _: {"allow_user": ["nosuch"]}),
    "unknown group": (ExitCode.USAGE, "'nosuch'", lambda _: {"allow_group": ["nosuch"]}),
    "no group": (ExitCode.USAGE, "names no group", lambda _: {"force_owner": "nobody"}),
    "number": (ExitCode.USAGE, "--long-name-max is 5", lambda _: {"long_name_max": 5}),
    "contradiction": (
        ExitCode.USAGE,
        "format contradict",
        lambda _: {"plaintext_names": True},
    ),
    "pattern": (ExitCode.FILTER, "patterns:2", bad_filter),
    "missing filters": (
        ExitCode.FILTER,
        "/missing",
        lambda _: {"filter_from": ["/missing"]},
    ),
    "everything": (ExitCode.FILTER, "leaves out everything", lambda _: {"exclude": "/"}),
    "overlap": (
        ExitCode.MOUNTPOINT,
        " overlap",
        lambda place: {"mountpoint": str(place.directory), "nonempty": True},
    ),
}


@pytest.mark.parametrize("command", ["check-config", "mount"])
@pytest.mark.parametrize(("status", "reason", "mistake"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes(
    command: str, status: ExitCode, reason: str, mistake: Mistake, place: Place
) -> None:
    """A mistake is found beforehand, with the status that the mount would end with."""
    path = place.write(**mistake(place))
    said = refused(status, command, path)
    assert reason in said
    assert KEY.hex() not in said
    assert not is_mounted(place.view)


def test_key_in_the_file(place: Place) -> None:
    """A key that somebody has written into the file itself is not repeated."""
    path = place.write(passfile=None, masterkey=KEY.hex())
    for command in ("check-config", "mount"):
        said = refused(ExitCode.CONFIG_INVALID, command, path)
        assert KEY.hex() not in said
        checked(said)

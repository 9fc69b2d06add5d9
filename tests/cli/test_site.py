"""Files that say what to mount: what reaches the mount, and what is refused."""

import os
from pathlib import Path

import pytest

from revcrypt.cli import site
from revcrypt.cli.filters import Filters
from revcrypt.cli.main import make_parser
from revcrypt.errors import ExitCode, UserError
from revcrypt.format.content import Cipher
from tests.cli.parsing import Parsed
from tests.cli.refusals import refused
from tests.support import KEY, write_secret

PLACES = 'source = "/source"\nmountpoint = "/mountpoint"\n'

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give away files")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a file is to be."""
    path = tmp_path / "view.toml"
    path.touch(mode=0o600)
    return path


def run(path: Path | str, *options: str) -> None:
    """Run `revcrypt mount`, in this process."""
    arguments = make_parser().parse_args(["mount", *options, str(path)])
    assert arguments.run(arguments) == ExitCode.OK


# What reaches the mount

FULL = f"""
# A comment.
{PLACES}
config = "/config"
passfile = ["/first", "/second"]
fsname = "name with = and, comma"
nonempty = true
quiet = true
debug = false
allow-other = true
allow-user = ["nobody", 12345]
allow-group = "root"
force-owner = "7:8"
no-show-config = true
exclude = ["/a", "--b", "c d"]
exclude-wildcard = "*.o"
exclude-from = []
filter-from = ["/rules"]
exclude-if-present = [".nobackup", ".skip"]
exclude-larger-than = 1000
exclude-caches = true
exclude-nodump = [true]
exclude-special = false
one-file-system = true
"""


def test_everything(path: Path, parsed: Parsed) -> None:
    """Text, lists, numbers, true and false reach the mount as on the command line."""
    path.write_text(FULL)
    run(path)
    request = parsed.mount
    assert request is not None
    assert parsed.direction == "reverse"
    assert (request.source, request.mountpoint) == ("/source", "/mountpoint")
    assert (request.config.path, request.config.is_default) == ("/config", False)
    assert request.secrets == ["/first", "/second"]
    assert request.shown_source == b"name with = and, comma"
    assert (request.nonempty, request.quiet, request.debug) == (True, True, False)
    assert request.allow_other
    assert (request.users, request.groups) == ({65534, 12345}, {0})
    assert request.owner == (7, 8)
    assert not parsed.show_config
    assert parsed.left_out == Filters(
        exclude=["/a", "--b", "c d"],
        exclude_wildcard=["*.o"],
        filter_from=["/rules"],
        exclude_if_present=[".nobackup", ".skip"],
        exclude_larger_than="1000",
        exclude_caches=True,
        exclude_nodump=True,
        one_file_system=True,
    )


@pytest.mark.parametrize("foreground", [True, False])
def test_least(foreground: bool, path: Path, parsed: Parsed) -> None:
    """Without more, it is as on the command line, but the mountpoint is made."""
    path.write_text(PLACES)
    run(path, *(["--foreground"] if foreground else []))
    request = parsed.mount
    assert request is not None
    assert request.create
    assert request.foreground is foreground
    assert request.config.path == "/source/.gocryptfs.reverse.conf"
    assert request.config.is_default
    assert (request.allow_other, *request.users, *request.groups) == (False,)
    assert request.owner is None
    assert parsed.show_config
    assert parsed.left_out == Filters()


@pytest.mark.parametrize("forward", ["true", "false"])
def test_direction(forward: str, path: Path, parsed: Parsed) -> None:
    """`forward` is what the two subcommands are on the command line."""
    path.write_text(f"{PLACES}forward = {forward}")
    run(path)
    assert parsed.mount is not None
    expected = "gocryptfs.conf" if forward == "true" else ".gocryptfs.reverse.conf"
    assert parsed.direction == ("forward" if forward == "true" else "reverse")
    assert parsed.mount.config.path == f"/source/{expected}"


def test_master_key(path: Path, parsed: Parsed) -> None:
    """A number reaches an option that takes one, and a choice one that takes that."""
    keyfile = path.with_name("key")
    write_secret(keyfile, KEY.hex())
    more = f'masterkey = "{keyfile}"\nlong-name-max = 100\ncipher = "xchacha"\n'
    path.write_text(f"{PLACES}forward = true\n{more}")
    run(path)
    assert parsed.mount is not None
    master_key, features, *_ = parsed.mount.open_key()
    assert master_key == KEY
    assert features.long_name_max == 100
    assert features.cipher is Cipher.XCHACHA20_POLY1305
    assert parsed.mount.secrets == [str(keyfile)]


def test_name(path: Path, parsed: Parsed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name without a slash is that of a file in one directory, others are paths."""
    monkeypatch.setattr(site, "DIRECTORY", str(path.parent))
    monkeypatch.chdir(path.parent)
    path.write_text(PLACES)
    for name in ("view", "./view.toml", path):
        parsed.mount = None
        run(name)
        assert parsed.mount is not None
    with pytest.raises(UserError, match=r"/view\.toml\.toml: No such file"):
        run("view.toml")


# What is refused


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('mountpoint = "/m"', "source must be given"),
        ('source = "/s"', "mountpoint must be given"),
        ('source = "s"\nmountpoint = "/m"', "source must be given, as an absolute"),
        ('source = "/s"\nmountpoint = "m"', "mountpoint must be given, as an absolute"),
        ('source = "/s"\nmountpoint = ""', "mountpoint"),
        ('source = ["/s"]\nmountpoint = "/m"', "source"),
        ('source = "/s"\nmountpoint = 7', "mountpoint"),
        ("PLACES frobnicate = 1", "unknown key frobnicate"),
        ("PLACES frobnicate = true", "unknown key frobnicate"),
        ("PLACES allow_other = true", "unknown key allow_other"),
        ("PLACES exclud = '/a'", "unknown key exclud"),
        ("PLACES plaindir = '/a'", "unknown key plaindir"),
        ("PLACES alow-other = false", "unknown key alow-other"),
        ("PLACES exclud = []", "unknown key exclud"),
        ("PLACES 'one file' = true", "unknown key one file"),
        ("PLACES 'config=/a' = true", "unknown key config=/a"),
        ("PLACES lenient = true", "unknown key lenient"),
        ("PLACES forward = true\nexclude = '/a'", "unknown key exclude"),
        ("PLACES forward = 1", "forward is either true or false"),
        ("PLACES forward = 'true'", "forward is either true or false"),
        ("PLACES passphrase = 'horse'", "passphrase has no place here"),
        ("PLACES foreground = true", "foreground has no place here"),
        ("PLACES foreground = false", "foreground has no place here"),
        ("PLACES help = true", "help has no place here"),
        ("PLACES h = true", "h has no place here"),
        ("PLACES 'größe' = true", "größe has no place here"),
        ("PLACES '' = true", " has no place here"),
        ("PLACES exclude = 1.5", "exclude is neither"),
        ("PLACES exclude = 0x8000000000000000", "exclude is too large a number"),
        ("PLACES exclude = 0x" + "F" * 5000, "exclude is too large a number"),
        ("PLACES exclude = " + "9" * 5000, "is no TOML"),
        ("PLACES exclude = 1979-05-27", "exclude is neither"),
        ("PLACES exclude = [['/a']]", "exclude is neither"),
        ("PLACES [exclude]\npath = '/a'", "exclude is neither"),
        ("PLACES allow-other = 'yes'", "allow-other"),
        ("PLACES allow-other = 0", "allow-other"),
        ("PLACES config = true", "config: expected one argument"),
        ("PLACES long-name-max = 'many'", "long-name-max"),
        ("PLACES plaintext-names = true\ndeterministic-names = true", "not allowed"),
        (r'PLACES config = "a\u0000b"', "config"),
        (r'source = "/s"' + "\n" + r'mountpoint = "/m\u0000n"', "mountpoint"),
        ('PLACES config = ["/a", "/b"]', "config has one value, not 2"),
        ("PLACES PLACES", "is no TOML"),
        ("source = /s", "is no TOML"),
        ("source", "is no TOML"),
        ("PLACES exclude = " + "[" * 10_000, "is no TOML"),
    ],
)
def test_refused(text: str, reason: str, path: Path, parsed: Parsed) -> None:
    """What makes no sense is refused, the file and the key in it are named."""
    path.write_text(text.replace("PLACES", PLACES))
    with pytest.raises(UserError) as caught:
        run(path)
    assert caught.value.exit_code == ExitCode.CONFIG_INVALID
    assert str(caught.value).startswith(f"{path}")
    assert reason in str(caught.value)
    assert "horse" not in f"{caught.value} {caught.value.hint}"
    assert parsed.mount is None


def test_not_text(path: Path) -> None:
    """A file that is not UTF-8 is no TOML."""
    path.write_bytes(b'source = "\xff"')
    assert "is no TOML" in refused(ExitCode.CONFIG_INVALID, "mount", path)


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o777])
def test_others_may_write(mode: int, path: Path, parsed: Parsed) -> None:
    """A file that others could have written is not believed."""
    path.write_text(PLACES)
    path.chmod(mode)
    said = refused(ExitCode.CONFIG_INVALID, "mount", path)
    assert "may write" in said
    assert f"chmod go-w {path}" in said.splitlines()[1]
    path.chmod(mode & ~0o022)
    run(path)
    assert parsed.mount is not None


@needs_root
def test_file_of_somebody_else(path: Path) -> None:
    """A file that belongs to another user is not believed."""
    path.write_text(PLACES)
    os.chown(path, 12345, 0)
    said = refused(ExitCode.CONFIG_INVALID, "mount", path)
    assert "belongs to another user" in said
    assert f"chown root {path}" in said.splitlines()[1]


@pytest.mark.parametrize(
    "command", [["mount"], ["check-config"], ["pull-shell"], ["pull-shell", "--check"]]
)
def test_no_file(command: list[str], tmp_path: Path) -> None:
    """A file that cannot be read is named, whatever it is needed for."""
    missing = tmp_path / "missing.toml"
    for name, file, what in (
        ("no-such-view", "/etc/revcrypt/no-such-view.toml", "No such file"),
        (str(missing), str(missing), "No such file"),
        (str(tmp_path), str(tmp_path), "Is a directory"),
    ):
        said = refused(ExitCode.CONFIG_UNREADABLE, *command, name)
        assert f"cannot read {file}: {what}" in said
        assert "hint" in said

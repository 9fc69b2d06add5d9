"""Options that say what is left out, and the secrets that always are."""

import os
from pathlib import Path

import pytest

from revcrypt.cli import filters
from revcrypt.cli.filters import Filters
from revcrypt.cli.main import make_parser
from revcrypt.errors import ExitCode, FilterError
from revcrypt.view.exclude import parse_size
from tests.cli.checking import check
from tests.cli.refusals import refused
from tests.support import KEY, Mounts, is_mounted
from tests.view.test_devices import mounted, tmpfs

EVERYTHING = [
    *(
        "--exclude=a",
        "--exclude=/b c",
        "--exclude-wildcard=*.o",
        "--exclude-from=patterns",
    ),
    *("--filter-from=rules", "--exclude-if-present=.nobackup"),
    *("--exclude-larger-than=2G", "--exclude-caches", "--exclude-nodump"),
    *("--exclude-special", "--one-file-system"),
]


def parse(*options: str, command: str = "reverse") -> Filters:
    """Return the filters of a command line."""
    places = ["SOURCE", "MOUNTPOINT"] if command == "reverse" else ["SOURCE"]
    return filters.of_arguments(make_parser().parse_args([command, *options, *places]))


# Options


@pytest.mark.parametrize("command", ["reverse", "check"])
def test_options(command: str) -> None:
    """Every option is understood, wherever there are such options."""
    assert parse(command=command) == Filters()
    assert parse(*EVERYTHING, command=command) == Filters(
        exclude=["a", "/b c"],
        exclude_wildcard=["*.o"],
        exclude_from=["patterns"],
        filter_from=["rules"],
        exclude_if_present=[".nobackup"],
        exclude_larger_than="2G",
        exclude_caches=True,
        exclude_nodump=True,
        exclude_special=True,
        one_file_system=True,
    )


def test_description() -> None:
    """Every option can be told again, as it was given."""
    expected = [option.removeprefix("--") for option in EVERYTHING]
    assert list(filters.describe(parse(*EVERYTHING))) == expected
    assert list(filters.describe(Filters())) == []


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1000", 1000),
        ("500K", 500 << 10),
        ("10m", 10 << 20),
        ("2G", 2 << 30),
        ("3T", 3 << 40),
        ("1KB", 1 << 10),
        ("1KiB", 1 << 10),
        ("7B", 7),
        (" 8M\n", 8 << 20),
    ],
)
def test_sizes(text: str, size: int) -> None:
    """A size is a number of bytes, or of powers of 1024 of them."""
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "k", "-1", "1.5G", "1 K", "0x10", "1P", "1KK", "many", "1e3"]
)
def test_no_sizes(text: str, tmp_path: Path) -> None:
    """Anything else is no size, and what was given is named."""
    with pytest.raises(FilterError) as caught:
        parse_size(text)
    assert f"{text} is no size" in str(caught.value)
    option = f"--exclude-larger-than={text}"
    assert "is no size" in refused(ExitCode.FILTER, "check", tmp_path, option)


# Mistakes


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--exclude-from=/missing"], "cannot read filter file /missing: No such file"),
        (["--filter-from=/missing"], "cannot read filter file /missing: No such file"),
        (["--exclude-from=/"], "cannot read filter file /: Is a directory"),
        (["--exclude-from=FILE"], "FILE:3"),
        (["--filter-from=FILE"], "FILE:1"),
        (["--exclude-wildcard=[a"], "exclude-wildcard"),
        (["--exclude-wildcard=fine", "--exclude-wildcard=a\\"], "exclude-wildcard"),
        (["--exclude=/"], "exclude=/ leaves out everything"),
        (["--exclude="], "leaves out everything"),
        (["--exclude=a/../b"], "exclude=a/../b leads out of the source"),
        (["--exclude-if-present=a/b"], "exclude-if-present=a/b is no name"),
        (["--exclude-if-present="], "exclude-if-present= is no name"),
        (["--exclude-if-present=.."], "exclude-if-present=.. is no name"),
    ],
)
@pytest.mark.parametrize("command", ["reverse", "check"])
def test_mistakes(
    command: str, options: list[str], reason: str, plain: Path, mountpoint: Path
) -> None:
    """What means nothing stops the mount, and it is told where it was found."""
    file = plain.parent / "patterns"
    file.write_text("*.o\n# [comment\n[a\n")
    words = [option.replace("FILE", str(file)) for option in options]
    places = [plain, mountpoint] if command == "reverse" else [plain]
    said = refused(ExitCode.FILTER, command, *words, *places)
    assert reason.replace("FILE", str(file)) in said
    assert not is_mounted(mountpoint)


def test_second_file(plain: Path) -> None:
    """Of several files, the one with the mistake is named."""
    files = [plain.parent / name for name in ("first", "second")]
    for file, text in zip(files, ("- a\n", "- a\n\n+ b\n? c\n")):
        file.write_text(text)
    options = [f"--filter-from={file}" for file in files]
    said = refused(ExitCode.FILTER, "check", *options, plain)
    assert f"{files[1]}:4" in said
    assert str(files[0]) not in said


def test_mistakes_of_gocryptfs(plain: Path, mountpoint: Path) -> None:
    """The other command line has the same statuses, and none of this going forward."""
    for option, reason in (
        ("-exclude-wildcard=[a", "exclude-wildcard"),
        ("-exclude-from=/missing", "cannot read filter file /missing"),
        ("-exclude=/", "leaves out everything"),
    ):
        words = ("-reverse", option, plain, mountpoint)
        assert reason in refused(ExitCode.FILTER, *words)
    words = ("-exclude=a", plain, mountpoint)
    assert "only a reverse view" in refused(ExitCode.FILTER, *words)


# Secrets in the source


@pytest.fixture
def source(mounts: Mounts) -> Path:
    """A source with a passfile, a key file and a config that is not where it usually is.

    There is a link to it beside it, and one in it to one of its own directories.
    """
    path = mounts.directory / "source"
    (path / "keys").mkdir(parents=True)
    (path / "keys" / "file").touch()
    (path / "keys" / "passfile").write_text(mounts.passfile.read_text())
    (path / "keys" / "masterkey").write_text(KEY.hex())
    (path / "link").symlink_to("keys")
    mounts.init(path, "--plaintext-names", f"--config={path}/keys/config")
    path.with_name("link to source").symlink_to(path)
    return path


SPELLINGS = [
    "source/keys",
    "source//keys/.",
    "source/link",
    "link to source/keys",
    "link to source/link/../keys",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("root", ["source", "link to source", "source/link/.."])
def test_spellings(root: str, spelling: str, source: Path) -> None:
    """Passfile and config are left out however the paths to them are written."""
    keys = source.parent / spelling
    options = (f"--passfile={keys}/passfile", f"--config={keys}/config")
    report = check(os.fsencode(source.parent / root), "--excluded", *options)
    assert sorted(report.lines) == [
        b"- keys/config\tthe config of the view",
        b"- keys/passfile\ta passphrase or key",
    ]


@pytest.mark.fuse
@pytest.mark.parametrize("kind", ["passfile", "masterkey"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_view_without_secrets(
    spelling: str, kind: str, mounts: Mounts, source: Path
) -> None:
    """No view has its secret; it has the config as gocryptfs.conf, and all the rest."""
    keys, view = source.parent / spelling, mounts.mountpoint("view")
    options = (f"--config={keys}/config", f"--{kind}={keys}/{kind}")
    mounts.foreground("reverse", "--foreground", "-q", *options, source, view)
    expected = {"file", "passfile", "masterkey"} - {kind}
    assert set(os.listdir(view / "keys")) == expected
    for name in (kind, "config"):
        assert not os.path.lexists(view / "keys" / name)
    config = (source / "keys" / "config").read_bytes()
    assert (view / "gocryptfs.conf").read_bytes() == config


def test_secrets_elsewhere(mounts: Mounts, source: Path) -> None:
    """Of files outside the source, no namesake in it is left out."""
    config = mounts.directory / "config"
    (source / "passfile").touch()
    (source / "config").touch()
    config.write_bytes((source / "keys" / "config").read_bytes())
    options = (f"--passfile={mounts.passfile}", f"--config={config}")
    assert check(source, "--excluded", *options).lines == []


@pytest.mark.parametrize(
    ("option", "line"), [("exclude_from", b"name"), ("filter_from", b"- name")]
)
def test_a_byte_order_mark_is_no_pattern(
    option: str, line: bytes, tmp_path: Path
) -> None:
    """A file that an editor has marked as UTF-8 means what it says, as for git."""
    (tmp_path / "file").write_bytes(b"\xef\xbb\xbf" + line + b"\n")
    options = Filters(**{option: [str(tmp_path / "file")]})
    exclude = filters.make_exclude(options, str(tmp_path), ())
    assert exclude is not None
    assert exclude.judge_unknown(b"name").hidden
    assert not exclude.judge_unknown(b"other").hidden


@pytest.mark.parametrize("text", ["#*#", "", "  "])
def test_an_option_is_no_comment(text: str, tmp_path: Path) -> None:
    """What would be no pattern in a file is a mistake in an option."""
    with pytest.raises(FilterError, match="comment"):
        filters.make_exclude(Filters(exclude_wildcard=[text]), str(tmp_path), ())
    escaped = filters.make_exclude(Filters(exclude_wildcard=[r"\#*#"]), str(tmp_path), ())
    assert escaped is not None
    assert escaped.judge_unknown(b"#file#").hidden


def test_path_through_a_symlink(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A path that leads through a symlink leaves out nothing, and that is said."""
    (tmp_path / "usr" / "lib" / "modules").mkdir(parents=True)
    (tmp_path / "lib").symlink_to("usr/lib")
    for path in ("/lib/modules", "/usr/lib/modules", "/lib"):
        filters.make_exclude(Filters(exclude=[path]), str(tmp_path), ())
    [message] = caplog.messages
    assert message.startswith("exclude=/lib/modules: ")
    assert message.endswith("did you mean usr/lib/modules?")


@pytest.mark.fuse
def test_what_may_hang_is_not_looked_at(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mount is left out without a look at it, or at what is in it."""
    (tmp_path / "net").mkdir()
    with mounted(tmp_path / "net", *tmpfs()):
        looked: list[object] = []
        monkeypatch.setattr(os.path, "lexists", looked.append)
        filters.make_exclude(Filters(exclude=["net", "net/x"]), str(tmp_path), ())
    assert looked == []
    assert caplog.messages == []


@pytest.mark.fuse
def test_secrets_of_a_bind_mount(tmp_path: Path) -> None:
    """A passfile is left out, by whichever path the source is named."""
    for name in ("real/keys", "bound"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "real" / "keys" / "passfile").touch()
    with mounted(tmp_path / "bound", "--bind", tmp_path / "real"):
        secrets = [(str(tmp_path / "real" / "keys" / "passfile"), "a secret")]
        exclude = filters.make_exclude(Filters(), str(tmp_path / "bound"), secrets)
    assert exclude is not None
    assert exclude.paths == {b"keys/passfile": "a secret"}

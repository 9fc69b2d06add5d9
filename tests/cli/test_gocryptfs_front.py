"""The command line of gocryptfs: how it is parsed (format specification, section 9.1)."""

import pytest

from revcrypt import __version__
from revcrypt.cli.filters import Filters
from tests.cli.parsing import Parsed, mount_of
from tests.support import revcrypt


@pytest.mark.parametrize(
    "words",
    [
        "-reverse -fsname name SRC MNT",
        "--reverse --fsname name SRC MNT",
        "-reverse -fsname=name SRC MNT",
        "--reverse --fsname=name SRC MNT",
        "SRC MNT -reverse -fsname name",
        "SRC -reverse MNT -fsname=name",
        "-fsname name SRC -reverse MNT",
        "-reverse -fsname=name -- SRC MNT",
        "-reverse=true -fsname=other -fsname=name SRC MNT",
        "-reverse=false -reverse -fsname=name SRC MNT",
        "-o reverse,fsname=name SRC MNT",
        "SRC MNT -o reverse -o fsname=name",
        "SRC MNT -o reverse,,fsname=name,",
        "--o=reverse SRC -o=fsname=name MNT",
        "SRC MNT -o rw,reverse,fsname=name,dev,suid",
        "-o fsname=other SRC MNT -reverse -fsname=name",
    ],
)
def test_equal_command_lines(words: str, parsed: Parsed) -> None:
    """All these ask for the same mount."""
    request = mount_of(parsed, words)
    assert parsed.direction == "reverse"
    assert (request.source, request.mountpoint) == ("SRC", "MNT")
    assert request.fsname == "name"
    assert request.config.path == "SRC/.gocryptfs.reverse.conf"


def test_double_dash(parsed: Parsed) -> None:
    """After two dashes everything is a path, also what looks like an option."""
    request = mount_of(parsed, "-q -- -reverse -o")
    assert parsed.direction == "forward"
    assert (request.source, request.mountpoint) == ("-reverse", "-o")


@pytest.mark.parametrize(
    ("words", "fsname"),
    [
        (r"-o fsname=a\,b,reverse SRC MNT", "a,b"),
        (r"-o reverse -o fsname=\,\,,allow_other SRC MNT", ",,"),
        (r"-reverse -fsname=a\,b SRC MNT", r"a\,b"),
        ("-reverse -fsname a,b=c SRC MNT", "a,b=c"),
        ("-reverse -fsname= SRC MNT", ""),
        (r"-o reverse,fsname=a\\b SRC MNT", r"a\b"),
        (r"-o fsname=a\\,reverse SRC MNT", "a\\"),
        (r"-o reverse,fsname=\!a\ SRC MNT", "\\!a\\"),
        ("-reverse -fsname -q SRC MNT", "-q"),
    ],
)
def test_values(words: str, fsname: str, parsed: Parsed) -> None:
    """A value is taken as it is; only a list of mount options has escaped commas."""
    assert mount_of(parsed, words).fsname == fsname
    assert parsed.direction == "reverse"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("-fg", True),
        ("-f", True),
        ("-f=true", True),
        ("-fg=True", True),
        ("-fg=1", True),
        ("-fg=t", True),
        ("-fg=false", False),
        ("-fg -fg=0", False),
        ("-f=F", False),
        ("", False),
        ("-o fg=false -fg", True),
    ],
)
def test_booleans(words: str, expected: bool, parsed: Parsed) -> None:
    """A switch is on when it is named, or has one of Go's words for true."""
    assert mount_of(parsed, f"{words} SRC MNT").foreground is expected


@pytest.mark.parametrize(
    ("option", "field"),
    [
        ("allow_other", "allow_other"),
        ("noexec", "noexec"),
        ("nonempty", "nonempty"),
        ("f", "foreground"),
        ("fg", "foreground"),
        ("q", "quiet"),
        ("quiet", "quiet"),
        ("d", "debug"),
        ("debug", "debug"),
    ],
)
def test_switches(option: str, field: str, parsed: Parsed) -> None:
    """Every switch, and every alias, sets what it says and nothing else."""
    default = mount_of(parsed, "SRC MNT")
    request = mount_of(parsed, f"-{option} SRC MNT")
    fields = "allow_other noexec nonempty foreground quiet debug".split()
    changed = [f for f in fields if getattr(request, f) != getattr(default, f)]
    assert changed == [field]
    assert getattr(request, field) is True


@pytest.mark.parametrize("words", ["-exec -noexec", "-noexec -exec", "-o exec,noexec"])
def test_safer_one_wins(words: str, parsed: Parsed) -> None:
    """Of two options that contradict each other the safer one wins."""
    assert mount_of(parsed, f"{words} SRC MNT").noexec


@pytest.mark.parametrize(
    "option",
    "ro rw dev nodev suid nosuid exec nofail _netdev user users noauto defaults noatime "
    "relatime nosymfollow sync default_permissions user_id=0 x-systemd.automount "
    "x-systemd.idle-timeout=60 X-mount.mkdir comment=x "
    "devrandom forcedecode".split(),
)
def test_harmless(option: str, parsed: Parsed) -> None:
    """What mount(8) adds, and what a view does anyway, changes nothing."""
    request = mount_of(parsed, f"-{option} SRC MNT")
    assert (request.source, request.mountpoint) == ("SRC", "MNT")
    assert request.noexec is False


@pytest.mark.parametrize("word", ["-h", "-hh", "-help", "--help"])
def test_help(word: str) -> None:
    """Every spelling of help that gocryptfs knows shows ours."""
    assert revcrypt(word).stdout.startswith("usage: revcrypt ")


@pytest.mark.parametrize("word", ["-version", "--version"])
def test_version(word: str) -> None:
    """Scripts ask for the version before they trust a program."""
    assert revcrypt(word).stdout == f"revcrypt {__version__}\n"


def test_filters(parsed: Parsed) -> None:
    """Filters keep their order and their spelling; each may be given again."""
    words = "-e /a,-exclude b,-ew=*.o,-exclude-wildcard x,-exclude-from=F,-exclude-caches"
    mount_of(parsed, f"-reverse {words.replace(',', ' ')} SRC MNT")
    assert parsed.left_out == Filters(
        exclude=["/a", "b"],
        exclude_wildcard=["*.o", "x"],
        exclude_from=["F"],
        exclude_caches=True,
    )


def test_filters_in_a_list(parsed: Parsed) -> None:
    """In fstab, several -o add up, and a value may have commas."""
    mount_of(parsed, r"SRC MNT -o reverse,exclude=a\,b,one-file-system -o exclude=c")
    assert parsed.left_out == Filters(exclude=["a,b", "c"], one_file_system=True)
    assert parsed.show_config


def test_filters_need_a_reverse_view() -> None:
    """A forward mount cannot leave anything out, and says so."""
    assert "reverse" in revcrypt("-e", "x", "SRC", "MNT", status=29).stderr


def test_who_may_see_it(parsed: Parsed) -> None:
    """Users and groups are understood by name and by number."""
    words = "-o allow_user=nobody,allow_user=7,allow_group=root,force_owner=nobody:12"
    request = mount_of(parsed, f"SRC MNT {words}")
    assert (request.users, request.groups) == ({65534, 7}, {0})
    assert request.owner == (65534, 12)


def test_config_can_stay_hidden(parsed: Parsed) -> None:
    """The config is shown unless somebody says otherwise."""
    mount_of(parsed, "SRC MNT -o reverse,no-show-config")
    assert not parsed.show_config

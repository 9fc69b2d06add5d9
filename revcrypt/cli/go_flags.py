"""How gocryptfs reads its command line (spec, sections 9.1 to 9.3).

What would change a directory, or has no place in a read-only mount, is refused with a
reason: an option that is accepted and ignored would be a promise not kept.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

from revcrypt.cli import filters
from revcrypt.errors import UsageError

_SWITCHES = frozenset(
    "init passwd reverse aessiv xchacha plaintextnames deterministic-names raw64 hkdf "
    "longnames zerokey allow_other nonempty noexec remount fg q debug version "
    "no-show-config ignore_modes".split()
).union(filters.SWITCHES)
_DEFAULT_ON = frozenset(("raw64", "hkdf", "longnames"))
_VALUES = frozenset(
    "config masterkey fsname longnamemax scryptn force_owner".split()
).union(filters.VALUES)
_LISTS = frozenset("passfile extpass allow_user allow_group".split()).union(filters.LISTS)
_ALIASES = {
    "f": "fg",
    "quiet": "q",
    "d": "debug",
    "e": "exclude",
    "ew": "exclude-wildcard",
}

_HARMLESS = frozenset(
    # Every view is mounted ro, nosuid and nodev, and there is nothing to write late or
    # to note the access time of. The others are for mount(8) or systemd, or are what
    # the kernel says of a mount; the last two do nothing in gocryptfs either.
    "ro rw dev nodev suid nosuid exec defaults sync async dirsync atime noatime diratime "
    "nodiratime relatime norelatime strictatime nostrictatime lazytime nolazytime "
    "nosymfollow iversion noiversion mand nomand silent loud auto noauto user nouser "
    "users owner noowner group nogroup nofail _netdev comment default_permissions "
    "user_id group_id max_read devrandom forcedecode".split()
)
_HARMLESS_PREFIXES = ("x-", "X-")
REFUSED = {
    "auto_unmount": "a view that has crashed must look broken, not empty, or rsync would "
    "delete the backup; mounting again clears it",
    "acl": "without it, owner and mode of each file decide",
    "badname": "names that do not decrypt are left out, and logged",
    "cpuprofile": "revcrypt has no profiler of its own",
    "context": "use mount options of the system for SELinux labels",
    "ctlsock": "there is no control socket",
    "fido2": "revcrypt cannot ask FIDO2 tokens; give the master key instead",
    "fido2-assert-option": "revcrypt cannot ask FIDO2 tokens",
    "fsck": "use gocryptfs -fsck",
    "fusedebug": "use -debug",
    "i": "a view stays until it is unmounted",
    "idle": "a view stays until it is unmounted",
    "info": "a config is readable JSON, and its key is encrypted",
    "kernel_cache": "a view keeps pages whenever that is safe",
    "ko": "a view is always mounted ro, nosuid and nodev",
    "memprofile": "revcrypt has no profiler of its own",
    "noprealloc": "it is about writing, and views are read-only",
    "nosyslog": "use -fg to see messages on stderr",
    "notifypid": "the command returns when the mount answers",
    "noxattr": "a view always shows extended attributes",
    "openssl": "revcrypt always uses OpenSSL",
    "passphrase": "every user of this machine could read it; use passfile",
    "password": "every user of this machine could read it; use passfile",
    "serialize_reads": "reads are answered in the order in which they can be",
    "sharedstorage": "the kernel keeps attributes for a second, always",
    "speed": "use gocryptfs -speed",
    "trace": "revcrypt has no profiler of its own",
    "wpanic": "it is for testing gocryptfs itself",
}


@dataclass(slots=True)
class Options:
    """What a command line says: options by name, and paths."""

    switches: dict[str, bool] = field(
        default_factory=lambda: {name: name in _DEFAULT_ON for name in _SWITCHES}
    )
    values: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(
        default_factory=lambda: {name: [] for name in _LISTS}
    )
    paths: list[str] = field(default_factory=list)
    is_from_mount: bool = False
    """Whether there were `-o` lists, as mount(8) gives them."""


def parse(argv: Sequence[str]) -> Options:
    """Understand *argv*; raises `UsageError`."""
    options = Options()
    mount_options, rest = _split(argv)
    options.is_from_mount = bool(mount_options)
    tokens = chain(_spelled_out(mount_options), rest)
    for token in tokens:
        if token == "--":
            options.paths += tokens
        elif not token.startswith("-") or token == "-":
            options.paths.append(token)
        else:
            _take(options, token.removeprefix("-").removeprefix("-"), tokens)
    return options


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return what the lists of all `-o` in *argv* contain, and the rest of *argv*."""
    mount_options: list[str] = []
    rest: list[str] = []
    tokens = iter(argv)
    for token in tokens:
        name, equals, value = token.partition("=")
        if token == "--":
            rest += [token, *tokens]
        elif name in ("-o", "--o"):
            if not equals and (value := next(tokens, "")) == "":
                raise UsageError("-o needs a list of options")
            mount_options += filter(None, _split_list(value))
        else:
            rest.append(token)
    return mount_options, rest


def _split_list(text: str) -> list[str]:
    r"""Return the options in a list; `\,` is a comma in a value, `\\` a backslash."""
    options = [""]
    for piece in re.findall(r"\\[\\,]|,|[^\\,]+|\\", text):
        if piece == ",":
            options.append("")
        else:
            options[-1] += piece[1:] if piece in ("\\,", "\\\\") else piece
    return options


def _spelled_out(mount_options: Iterable[str]) -> Iterator[str]:
    for option in mount_options:
        if option in _VALUES | _LISTS:
            raise UsageError(f"-o {option} needs a value: {option}=…")
        yield "-" + option


def _take(options: Options, option: str, tokens: Iterator[str]) -> None:
    """Add one option, given without dashes, to *options*."""
    name, equals, value = option.partition("=")
    name = _ALIASES.get(name, name)
    if name in _HARMLESS or name.startswith(_HARMLESS_PREFIXES):
        return
    if name in REFUSED:
        raise UsageError(f"-{name} is not available: {REFUSED[name]}")
    if name in _SWITCHES:
        options.switches[name] = _boolean(name, value) if equals else True
        return
    if name not in _VALUES | _LISTS:
        known = [*_SWITCHES, *_VALUES, *_LISTS]
        close = difflib.get_close_matches(name, known, 1, cutoff=0.75)
        hint = f"did you mean -{close[0]}?" if close else "see revcrypt --help"
        raise UsageError(f"unknown option -{name}", hint=hint)
    if not equals:
        following = next(tokens, None)
        if following is None:
            raise UsageError(f"-{name} needs a value")
        value = following
    if name in _LISTS:
        options.lists[name].append(value)
    else:
        options.values[name] = value


def _boolean(name: str, value: str) -> bool:
    if value.lower() in ("1", "t", "true"):
        return True
    if value.lower() in ("0", "f", "false"):
        return False
    raise UsageError(f"-{name} is either true or false, not {value}")

"""The command line of gocryptfs, mapped to the same code (spec, sections 9.1 to 9.5).

What would change a directory, or has no place in a read-only mount, is refused with a
reason: an option that is accepted and ignored would be a promise not kept.
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from revcrypt import __version__
from revcrypt.cli import configs, init, mounting
from revcrypt.cli.configs import ConfigPath, Key
from revcrypt.cli.secrets import PassphraseSource, read_master_key
from revcrypt.errors import ExitCode, UsageError
from revcrypt.format.config import Features
from revcrypt.format.content import Cipher
from revcrypt.format.keys import MASTER_KEY_SIZE, parse_master_key
from revcrypt.format.names import LONG_NAME_MAX_LEAST, NAME_MAX

_SWITCHES = frozenset(
    "init reverse aessiv xchacha plaintextnames deterministic-names raw64 hkdf "
    "longnames zerokey allow_other nonempty noexec fg q debug version".split()
)
_DEFAULT_ON = frozenset(("raw64", "hkdf", "longnames"))
_VALUES = frozenset("config masterkey fsname longnamemax scryptn".split())
_LISTS = frozenset(("passfile", "extpass"))
_ALIASES = {"f": "fg", "quiet": "q", "d": "debug"}

_HARMLESS = frozenset(
    # Every view is mounted ro, nosuid and nodev. The last three do nothing in gocryptfs
    # either.
    "ro rw dev nodev suid nosuid exec nofail devrandom forcedecode".split()
)

_WHOLE_SOURCE = "a view shows the whole source"
_REFUSED = {
    "acl": "without it, owner and mode of each file decide",
    "badname": "names that do not decrypt are left out, and logged",
    "cpuprofile": "revcrypt has no profiler of its own",
    "context": "use mount options of the system for SELinux labels",
    "ctlsock": "there is no control socket",
    "e": _WHOLE_SOURCE,
    "ew": _WHOLE_SOURCE,
    "exclude": _WHOLE_SOURCE,
    "exclude-from": _WHOLE_SOURCE,
    "exclude-wildcard": _WHOLE_SOURCE,
    "one-file-system": _WHOLE_SOURCE,
    "fido2": "revcrypt cannot ask FIDO2 tokens; give the master key instead",
    "fido2-assert-option": "revcrypt cannot ask FIDO2 tokens",
    "force_owner": "a view shows the owners of its source",
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
    "passwd": "use gocryptfs -passwd",
    "serialize_reads": "reads are answered in the order in which they can be",
    "sharedstorage": "the kernel keeps attributes for a second, always",
    "speed": "use gocryptfs -speed",
    "trace": "revcrypt has no profiler of its own",
    "wpanic": "it is for testing gocryptfs itself",
}


@dataclass(slots=True)
class _Options:
    switches: dict[str, bool] = field(
        default_factory=lambda: {name: name in _DEFAULT_ON for name in _SWITCHES}
    )
    values: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(
        default_factory=lambda: {name: [] for name in _LISTS}
    )
    paths: list[str] = field(default_factory=list)


def run(argv: Sequence[str]) -> ExitCode:
    """Do what *argv* says in the language of gocryptfs; raises `UsageError`."""
    options = _parse(argv)
    if options.switches["version"]:
        print(f"revcrypt {__version__}")
        return ExitCode.OK
    if options.switches["init"]:
        return _init(options)
    return _mount(options)


def _parse(argv: Sequence[str]) -> _Options:
    options = _Options()
    tokens = _expanded(argv)
    for token in tokens:
        if token == "--":
            options.paths += tokens
        elif not token.startswith("-") or token == "-":
            options.paths.append(token)
        else:
            _take(options, token.removeprefix("-").removeprefix("-"), tokens)
    return options


def _expanded(argv: Sequence[str]) -> Iterator[str]:
    r"""Yield *argv* with the lists of all `-o` spelled out, in front.

    A comma inside a value is written `\,`.
    """
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
            mount_options += filter(None, re.split(r"(?<!\\),", value))
        else:
            rest.append(token)
    for option in mount_options:
        if option in _VALUES | _LISTS:
            raise UsageError(f"-o {option} needs a value: {option}=…")
        yield "-" + option.replace("\\,", ",")
    yield from rest


def _take(options: _Options, option: str, tokens: Iterator[str]) -> None:
    """Add one option, given without dashes, to *options*."""
    name, equals, value = option.partition("=")
    name = _ALIASES.get(name, name)
    if name in _HARMLESS:
        return
    if name in _REFUSED:
        raise UsageError(f"-{name} is not available: {_REFUSED[name]}")
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


def _number(options: _Options, name: str, default: int) -> int:
    text = options.values.get(name, str(default))
    if not text.isdecimal():
        raise UsageError(f"-{name} is a number, not {text}")
    return int(text)


def _features(options: _Options) -> Features:
    """Return what the flags say about the format."""
    on = options.switches
    if not on["longnames"]:
        raise UsageError("-longnames=false is not available: views need long names")
    long_name_max = _number(options, "longnamemax", 0) or NAME_MAX
    if not LONG_NAME_MAX_LEAST <= long_name_max <= NAME_MAX:
        raise UsageError(
            f"-longnamemax is {long_name_max}, not {LONG_NAME_MAX_LEAST} to {NAME_MAX}"
        )
    if on["xchacha"]:
        cipher = Cipher.XCHACHA20_POLY1305
    else:
        cipher = Cipher.AES_SIV if on["aessiv"] or on["reverse"] else Cipher.AES_GCM
    plaintext_names = on["plaintextnames"]
    return Features(
        cipher=cipher,
        plaintext_names=plaintext_names,
        dir_iv=not plaintext_names and not on["deterministic-names"],
        raw64=on["raw64"] and not plaintext_names,
        hkdf=on["hkdf"],
        long_name_max=long_name_max,
    )


def _passphrase(options: _Options) -> PassphraseSource:
    extpass = options.lists["extpass"]
    # gocryptfs splits a single value at spaces, several not at all.
    command = extpass[0].split(" ") if len(extpass) == 1 else extpass
    return PassphraseSource(options.lists["passfile"], command)


def _master_key(options: _Options) -> bytes | None:
    """Return the key that is given instead of a passphrase, if one is."""
    text = options.values.get("masterkey")
    if text is None and not options.switches["zerokey"]:
        return None
    if options.lists["passfile"] or options.lists["extpass"]:
        raise UsageError("-masterkey and -zerokey exclude -passfile and -extpass")
    if text is None:
        return bytes(MASTER_KEY_SIZE)
    return read_master_key("-") if text == "stdin" else parse_master_key(text)


def _paths(options: _Options, count: int, expected: str) -> list[str]:
    if len(options.paths) != count:
        raise UsageError(
            f"expected {expected}, got {len(options.paths)} paths",
            hint="see revcrypt --help for the commands",
        )
    return options.paths


def _init(options: _Options) -> ExitCode:
    if not options.switches["reverse"]:
        raise UsageError(
            "revcrypt creates no forward directories",
            hint="use gocryptfs -init, or add -reverse to show a plain directory",
        )
    [plaindir] = _paths(options, 1, "PLAINDIR")
    if "masterkey" in options.values or options.switches["zerokey"]:
        raise UsageError("-init makes a fresh master key; it takes none")
    return init.initialise(
        init.Request(
            plaindir=plaindir,
            config=configs.reverse_config_path(plaindir, options.values.get("config")),
            passphrase=_passphrase(options),
            features=_features(options),
            scrypt_log_n=_number(options, "scryptn", init.SCRYPT_LOG_N),
            quiet=options.switches["q"],
        )
    )


def _mount(options: _Options) -> ExitCode:
    on = options.switches
    source, mountpoint = _paths(options, 2, "CIPHERDIR MOUNTPOINT")
    find = configs.reverse_config_path if on["reverse"] else configs.forward_config_path
    config = find(source, options.values.get("config"))
    request = mounting.Request(
        source=source,
        mountpoint=mountpoint,
        config=config,
        open_key=partial(_open_key, options, config),
        fsname=options.values.get("fsname"),
        allow_other=on["allow_other"],
        noexec=on["noexec"],
        nonempty=on["nonempty"],
        foreground=on["fg"],
        quiet=on["q"],
        debug=on["debug"],
    )
    if on["reverse"]:
        return mounting.mount_reverse(request, hide_config=False)
    return mounting.mount_forward(request, lenient=False)


def _open_key(options: _Options, config: ConfigPath) -> Key:
    """Return the key; with a master key, the flags alone say how to use it."""
    master_key = _master_key(options)
    if master_key is not None:
        return Key(master_key, _features(options), is_proven=False)
    return configs.unlock(config, _passphrase(options))

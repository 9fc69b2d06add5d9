"""Options that several subcommands have, declared and understood once."""

import argparse
import os
import shlex
from typing import Any

from revcrypt.cli import configs, logs, recovery_files, secrets, users
from revcrypt.cli.configs import ConfigPath, Key
from revcrypt.cli.secrets import PassphraseSource
from revcrypt.errors import SourceError, UsageError
from revcrypt.format.config import Features
from revcrypt.format.names import LONG_NAME_MAX_LEAST, NAME_MAX

MOST_JOBS = 64
"""Each is a process of some 30 MB; more only wait for the disk."""


def add_config(parser: argparse.ArgumentParser, default: str) -> None:
    """Declare `--config`."""
    parser.add_argument(
        "--config", metavar="FILE", help=f"the config file (default: {default})"
    )


def add_passphrase(parser: argparse.ArgumentParser) -> None:
    """Declare where the passphrase comes from."""
    parser.add_argument(
        "--passfile",
        metavar="FILE",
        action="append",
        default=[],
        help="read the passphrase from the first line of FILE; "
        "several are joined (default: ask on the terminal, or read a line from stdin)",
    )
    parser.add_argument(
        "--extpass",
        metavar="COMMAND",
        help="run COMMAND and read the passphrase from its output",
    )
    parser.add_argument(
        "--passphrase-fd",
        metavar="N",
        type=secrets.descriptor,
        help="read the passphrase from a line of file descriptor N",
    )


def add_new_passphrase(parser: argparse.ArgumentParser) -> None:
    """Declare where a passphrase comes from that takes the place of another."""
    parser.add_argument(
        "--new-passfile",
        metavar="FILE",
        action="append",
        default=[],
        help="read the new passphrase from FILE (default: ask on the terminal, twice, or "
        "read a line from stdin, after that of the current one)",
    )
    parser.add_argument(
        "--new-extpass", metavar="COMMAND", help="the new one from the output of COMMAND"
    )
    parser.add_argument(
        "--new-passphrase-fd",
        metavar="N",
        type=secrets.descriptor,
        help="the new one from a line of file descriptor N",
    )


def add_master_key(parser: argparse.ArgumentParser) -> None:
    """Declare `--masterkey`."""
    parser.add_argument(
        "--masterkey",
        metavar="FILE",
        help="read the master key instead of a passphrase, from FILE or from stdin (-); "
        "KEY itself works, but all users of this machine can see it then",
    )


def add_recovery_key(parser: argparse.ArgumentParser) -> None:
    """Declare `--recovery-key`."""
    parser.add_argument(
        "--recovery-key",
        metavar="PEM",
        help="open the recovery file beside the config with this private key, instead of "
        "a passphrase",
    )


def passphrase(arguments: argparse.Namespace) -> PassphraseSource:
    """Return where the passphrase comes from, unless there is another key instead."""
    source = passphrase_source(arguments)
    if _recovery_key(arguments) is not None and (
        arguments.masterkey is not None or source.is_named
    ):
        raise UsageError("--recovery-key excludes --masterkey and a passphrase")
    has_key = getattr(arguments, "masterkey", None) is not None
    if has_key and source.is_named:
        raise UsageError("--masterkey excludes a passphrase")
    return source


def passphrase_source(arguments: argparse.Namespace) -> PassphraseSource:
    """Return where `add_passphrase` says that the passphrase comes from."""
    extpass = _program("--extpass", arguments.extpass)
    return PassphraseSource(arguments.passfile, extpass, arguments.passphrase_fd)


def new_passphrase(arguments: argparse.Namespace) -> PassphraseSource:
    """Return where `add_new_passphrase` says that the new one comes from."""
    return PassphraseSource(
        arguments.new_passfile,
        _program("--new-extpass", arguments.new_extpass),
        arguments.new_passphrase_fd,
        question="New passphrase: ",
        credential="new-passphrase",
    )


def _program(option: str, value: str | None) -> list[str]:
    """Return the words of a command line; raises `UsageError`."""
    try:
        words = shlex.split(value or "")
    except ValueError as error:
        raise UsageError(f"{option}: {str(error).lower()}") from None
    if value is not None and not words:
        raise UsageError(f"{option} names no program")
    return words


def add_name_features(parser: argparse._ActionsContainer) -> None:
    """Declare how names are encrypted."""
    names = parser.add_mutually_exclusive_group()
    names.add_argument(
        "--plaintext-names",
        action="store_true",
        help="do not encrypt names and link targets",
    )
    names.add_argument(
        "--deterministic-names",
        action="store_true",
        help="encrypt equal names equally in all directories (no gocryptfs.diriv)",
    )
    parser.add_argument(
        "--long-name-max",
        metavar="N",
        type=int,
        default=NAME_MAX,
        help="hash encrypted names longer than N, for backup hosts with short names: "
        f"{LONG_NAME_MAX_LEAST} to {NAME_MAX} (default: %(default)s)",
    )


def name_features(arguments: argparse.Namespace) -> Features:
    """Return the features of a reverse view with such names; raises `UsageError`."""
    long_name_max = arguments.long_name_max
    if not LONG_NAME_MAX_LEAST <= long_name_max <= NAME_MAX:
        raise UsageError(
            f"--long-name-max is {long_name_max}, not {LONG_NAME_MAX_LEAST} to {NAME_MAX}"
        )
    if arguments.plaintext_names and long_name_max != NAME_MAX:
        raise UsageError("--plaintext-names and --long-name-max exclude each other")
    return Features(
        plaintext_names=arguments.plaintext_names,
        dir_iv=not (arguments.plaintext_names or arguments.deterministic_names),
        raw64=not arguments.plaintext_names,
        long_name_max=long_name_max,
    )


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """Declare `--quiet`."""
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="print only warnings and errors"
    )


def set_level(arguments: argparse.Namespace) -> None:
    """Show as many messages as `add_quiet` lets the user say."""
    logs.set_level(quiet=arguments.quiet, debug=False)


def jobs(arguments: argparse.Namespace) -> int:
    """Return how many processes to use; raises `UsageError`."""
    count: int = arguments.jobs
    if not 1 <= count <= MOST_JOBS:
        raise UsageError(f"--jobs is {count}, not 1 to {MOST_JOBS}")
    return count


def add_foreground(parser: argparse.ArgumentParser) -> None:
    """Declare `--foreground`."""
    parser.add_argument(
        "-f",
        "--foreground",
        action="store_true",
        help="stay in the foreground and log to stderr",
    )


def add_site(parser: argparse.ArgumentParser) -> None:
    """Declare NAME, what a file in /etc/revcrypt is asked for by."""
    parser.add_argument(
        "name",
        metavar="NAME",
        help="the view that /etc/revcrypt/NAME.toml describes, or such a file's path",
    )


def add_mount(parser: argparse.ArgumentParser) -> None:
    """Declare what both kinds of mount have in common."""
    parser.add_argument("mountpoint", metavar="MOUNTPOINT", help="an empty directory")
    add_passphrase(parser)
    add_master_key(parser)
    add_foreground(parser)
    parser.add_argument(
        "--fsname",
        metavar="NAME",
        help="the source that mount and df show (default: its path)",
    )
    parser.add_argument(
        "--nonempty", action="store_true", help="mount over a directory with content"
    )
    parser.add_argument("--debug", action="store_true", help="log every detail")
    add_quiet(parser)
    users.add_arguments(parser)
    parser.set_defaults(create=False)


def mount(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of a `mounting.Request` that `add_mount` has declared."""
    names = "mountpoint foreground fsname nonempty create allow_other debug quiet".split()
    return {name: getattr(arguments, name) for name in names} | {
        "owner": users.parse_owner(arguments.force_owner),
        "users": users.user_ids(arguments.allow_user),
        "groups": users.group_ids(arguments.allow_group),
        "secrets": secret_files(arguments),
    }


def secret_files(arguments: argparse.Namespace) -> list[str]:
    """Return the files that hold a passphrase or key."""
    files = [*arguments.passfile]
    recovery_key = _recovery_key(arguments)
    files += [] if recovery_key is None else [recovery_key]
    key = arguments.masterkey
    if key not in (None, "-") and not secrets.is_master_key(key):
        files.append(key)
    return files


def check_key(
    arguments: argparse.Namespace, config: ConfigPath, flags: Features
) -> Features:
    """Return how the key is used, which `open_key` will return; asks for no secret.

    *flags* say so where there is no config.
    """
    passphrase(arguments)
    if arguments.masterkey is None and _recovery_key(arguments) is None:
        return configs.read(config, flags).features
    return configs.features_or(config, flags)


def open_key(arguments: argparse.Namespace, config: ConfigPath, flags: Features) -> Key:
    """Return the key by passphrase, master key or recovery key, whichever is declared."""
    source = passphrase(arguments)
    private_key = _recovery_key(arguments)
    if private_key is not None:
        cipherdir = getattr(arguments, "cipherdir", None)
        return recovery_files.open_key(private_key, config, cipherdir)
    key_file = arguments.masterkey
    if key_file is None and not source.is_named:
        key_file = secrets.master_key_credential()
    if key_file is None:
        return configs.unlock(config, source, flags)
    features = configs.features_or(config, flags)
    master_key = secrets.read_master_key(key_file)
    return Key(master_key, features, is_proven=False)


def _recovery_key(arguments: argparse.Namespace) -> str | None:
    """Return the file that `add_recovery_key` has declared; not all commands do that."""
    path: str | None = getattr(arguments, "recovery_key", None)
    return path


def check_directory(path: str) -> None:
    """Raise `SourceError` unless *path* is a directory."""
    if os.path.isdir(path):
        return
    what = "is not a directory" if os.path.exists(path) else "does not exist"
    raise SourceError(f"{path} {what}", hint="name an existing directory to show")

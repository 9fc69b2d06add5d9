"""Config files on disk: where they are, reading, unlocking, and writing a new one."""

import logging
import os
import resource
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, fields
from itertools import islice
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from revcrypt.cli import memory, replacing
from revcrypt.cli.secrets import PassphraseSource
from revcrypt.errors import (
    ConfigExistsError,
    ConfigInvalidError,
    ConfigUnreadableError,
    PassphraseWrongError,
    RecoveryError,
    UsageError,
)
from revcrypt.format import config as config_format
from revcrypt.format import keys
from revcrypt.format.config import Config, Features, Flag
from revcrypt.format.keys import ScryptParams
from revcrypt.format.names import CONFIG_NAME
from revcrypt.recovery.envelope import Envelope
from revcrypt.recovery.register import Register
from revcrypt.view.shown_config import (
    MAX_CONFIG_SIZE,
    REVERSE_CONFIG_NAME,
    ShownConfig,
)
from revcrypt.view.source import Source, open_regular

_NO_FLAGS = Features()
_LOOKED_AT = 1000
"""Entries among which to look for the directory that was meant."""

log = logging.getLogger(__name__)


class Key(NamedTuple):
    """A master key, and what it is used for.

    It *is_proven* if a config has confirmed it; otherwise it is what somebody typed, or
    what a recovery file says. There may be *others* that are as good, of other epochs.
    The *opener* is the passphrase or the private key that has given it.
    """

    master_key: bytes
    features: Features
    is_proven: bool
    others: "tuple[Key, ...]" = ()
    opener: bytes | RSAPrivateKey | None = None

    def __repr__(self) -> str:
        """Show everything but the key."""
        return f"Key({self.features}, is_proven={self.is_proven})"


@dataclass(frozen=True, slots=True)
class ConfigPath:
    """Where the config is. *is_default* if nobody said so."""

    path: str
    is_default: bool


def reverse_config_path(plaindir: str, option: str | None) -> ConfigPath:
    """Return the config of a reverse view of *plaindir*."""
    return _config_path(plaindir, REVERSE_CONFIG_NAME, option)


def forward_config_path(cipherdir: str, option: str | None) -> ConfigPath:
    """Return the config of *cipherdir*."""
    return _config_path(cipherdir, CONFIG_NAME, option)


def _config_path(directory: str, name: bytes, option: str | None) -> ConfigPath:
    default = os.path.join(directory, os.fsdecode(name))
    return ConfigPath(option or default, is_default=option is None)


def any_config_path(path: str) -> ConfigPath:
    """Return the config in a directory, plain or encrypted, or *path*, which is one."""
    if not os.path.isdir(path):
        return ConfigPath(path, is_default=False)
    reverse = reverse_config_path(path, None)
    if os.path.exists(reverse.path):
        return reverse
    return forward_config_path(path, None)


def read(config_path: ConfigPath, flags: Features = _NO_FLAGS) -> Config:
    """Return the config; raises `ConfigUnreadableError` or `ConfigInvalidError`.

    Raises `UsageError` if *flags*, where they are no defaults, contradict it.
    """
    return read_whole(config_path, flags)[1]


def read_whole(
    config_path: ConfigPath, flags: Features = _NO_FLAGS
) -> tuple[bytes, Config]:
    """Return the content of the config, too; raises as `read` does."""
    path = config_path.path
    try:
        with open(path, "rb", opener=_opener(config_path)) as file:
            data = file.read(MAX_CONFIG_SIZE)
    except OSError as error:
        raise ConfigUnreadableError(
            f"cannot read config {path}: {error.strerror}",
            hint=_what_instead(path),
        ) from None
    try:
        config = config_format.parse(data)
    except (ConfigUnreadableError, ConfigInvalidError) as error:
        hint = error.hint or "use another copy of it, or the master key (--masterkey)"
        raise type(error)(f"{path}: {error}", hint=hint) from None
    _check_flags(flags, config.features)
    return data, config


def _opener(config_path: ConfigPath) -> Callable[[str, int], int] | None:
    """Return what opens a config, None for the usual way.

    A pipe or a device is fine if somebody has named it. At the usual place it may be a
    trap of the backup host: we would wait for ever.
    """
    if not config_path.is_default:
        return None
    return lambda path, _: open_regular(None, os.path.realpath(os.fsencode(path)))[0]


def _what_instead(path: str) -> str:
    """Return what to do about a config that is not there."""
    directory, name = os.path.split(path)
    reverse, forward = os.fsdecode(REVERSE_CONFIG_NAME), os.fsdecode(CONFIG_NAME)
    if name == reverse and os.path.exists(os.path.join(directory, forward)):
        return "this directory is encrypted already; show it with revcrypt forward"
    if name == forward and os.path.exists(os.path.join(directory, reverse)):
        return "this directory holds plaintext; show it with revcrypt reverse"
    if name == reverse:
        return (
            "name it with --config; only for a new backup, create one with revcrypt "
            f"init {directory}"
        )
    near = _backup_near(directory or ".") if name == forward else None
    if near is not None:
        return f"there is one in {near}; did you mean that directory?"
    return (
        "name the config itself, with --config or instead of the directory, or give the "
        "master key with --masterkey"
    )


def _backup_near(directory: str) -> str | None:
    """Return a directory just above or below one that has the config of a backup."""
    name = os.fsdecode(CONFIG_NAME)
    near = [os.path.normpath(os.path.join(directory, ".."))]
    with suppress(OSError), os.scandir(directory) as entries:
        near += [entry.path for entry in islice(entries, _LOOKED_AT)]
    return next((p for p in near if os.path.isfile(os.path.join(p, name))), None)


def unlock(
    config_path: ConfigPath, passphrase: PassphraseSource, flags: Features = _NO_FLAGS
) -> Key:
    """Return the key in a config.

    Raises `PassphraseWrongError` or `ScryptCostError` besides what `read` raises.
    """
    config = read(config_path, flags)
    if Flag.FIDO2 in config.flags:
        raise ConfigInvalidError(
            f"{config_path.path}: it needs a FIDO2 token, which revcrypt cannot ask",
            hint="give the master key instead: --masterkey",
        )
    if not config.has_passphrase:
        raise PassphraseWrongError(
            f"{config_path.path} has no passphrase",
            hint="the master key opens it (--masterkey), or a recovery key",
        )
    secret = passphrase.read(new=False)
    master_key = open_with(config, secret)
    return Key(master_key, config.features, is_proven=True, opener=secret)


def open_with(config: Config, secret: bytes) -> bytes:
    """Return the master key in *config*, which the passphrase *secret* opens.

    Raises `PassphraseWrongError` or `ScryptCostError`.
    """
    kek = keys.derive_kek(secret, config.scrypt, memory_limit=memory_limit())
    master_key = keys.unwrap(config.encrypted_key, kek, hkdf=config.features.hkdf)
    memory.lock()
    return master_key


def wrap(master_key: bytes, secret: bytes, scrypt: ScryptParams, *, hkdf: bool) -> bytes:
    """Return *master_key* as a config stores it that the passphrase *secret* opens."""
    kek = keys.derive_kek(secret, scrypt, memory_limit=memory_limit())
    memory.lock()
    nonce = os.urandom(keys.wrap_nonce_size(hkdf=hkdf))
    return keys.wrap(master_key, kek, nonce=nonce, hkdf=hkdf)


def memory_limit() -> int:
    """Return how many bytes this process can allocate without harm."""
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    limits = [] if soft == resource.RLIM_INFINITY else [soft]
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            limits += [
                int(line.split()[1]) * 1024
                for line in lines
                if line.startswith("MemAvailable:")
            ]
    except OSError:
        # Some services do not see it. Then what the machine has in all must do.
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return min(limits)


def secret_files(
    config_path: ConfigPath, files: Iterable[str], *, show_config: bool = True
) -> list[tuple[str, str]]:
    """Return the files that no backup should hold, each with what it is.

    *files* hold passphrases or keys. A config at its usual place, if it is shown, is
    shown as `gocryptfs.conf` and hidden anyway.
    """
    secrets = [(path, "a passphrase or key") for path in files]
    if not (config_path.is_default and show_config):
        secrets.append((config_path.path, "the config of the view"))
    return secrets


def shown(config_path: ConfigPath, source: Source) -> ShownConfig | None:
    """Return the config as a view of *source* shows it, if there is one.

    Raises `ConfigUnreadableError`.
    """
    in_root = True
    if config_path.is_default:
        # Not by path: somebody may have made it a link to a secret.
        fd, name = source.root_fd, REVERSE_CONFIG_NAME
    else:
        path = os.path.realpath(os.fsencode(config_path.path))
        directory, name = os.path.split(path)
        try:
            fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise _unshowable(config_path, error) from None
        status, root = os.fstat(fd), source.root_stat
        in_root = (status.st_dev, status.st_ino) == (root.st_dev, root.st_ino)
    try:
        return ShownConfig(fd, name, in_root=in_root, check=_check_shown)
    except FileNotFoundError:
        log.warning("the view has no gocryptfs.conf: only the master key can open it")
        return None
    except OSError as error:
        raise _unshowable(config_path, error) from None


def _check_shown(suffix: bytes, content: bytes) -> None:
    """Raise `UserError` for what is not what its name says."""
    if not suffix:
        config_format.parse(content)
    elif suffix.endswith(b".p7m"):
        Envelope.parse(content)
    elif Register.parse(content).pack() != content:
        # There may be anything around certificates, such as a private key.
        raise RecoveryError("it holds more than certificates and epochs")


def _unshowable(config_path: ConfigPath, error: OSError) -> ConfigUnreadableError:
    return ConfigUnreadableError(
        f"cannot show config {config_path.path}: {error.strerror}",
        hint="the view can do without it: --no-show-config",
    )


def new_file(path: str, config: Config) -> replacing.File:
    """Return a new file that holds *config*."""
    return replacing.File(
        path=path,
        data=config_format.pack(config),
        check=config_format.parse,
        mode=0o400,
        is_new=True,
    )


def exists_error(path: str) -> ConfigExistsError:
    """Return the error for a config that is there already."""
    return ConfigExistsError(
        f"there is a config already: {path}",
        hint="it holds the key of existing backups; move it away only if none exist",
    )


def features_or(config_path: ConfigPath, flags: Features) -> Features:
    """Return what the config says, or *flags* where there is no config."""
    if config_path.is_default and not os.path.exists(config_path.path):
        return flags
    try:
        return read(config_path, flags).features
    except (ConfigUnreadableError, ConfigInvalidError) as error:
        # The master key is for when the config is lost; a broken one is no better.
        log.warning("%s; going by the options about the format instead", error)
        return flags


def _check_flags(flags: Features, features: Features) -> None:
    for name in (field.name for field in fields(Features)):
        said = getattr(flags, name)
        if said not in (getattr(_NO_FLAGS, name), getattr(features, name)):
            raise UsageError(
                "the options about the format contradict the config",
                hint="leave them out; the config knows",
            )

"""Mounting, as both kinds of mount and both command lines do it."""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass

from revcrypt.cli import background, logs, options
from revcrypt.cli.configs import ConfigPath, Key
from revcrypt.errors import (
    ConfigUnreadableError,
    ExitCode,
    MasterKeyError,
    MountpointError,
    UsageError,
)
from revcrypt.format import config
from revcrypt.format.content import Cipher
from revcrypt.format.names import CONFIG_NAME
from revcrypt.format.volume import Volume
from revcrypt.view.forward import ForwardView
from revcrypt.view.mounts import read_mounts
from revcrypt.view.reverse import ReverseView
from revcrypt.view.shown_config import REVERSE_CONFIG_NAME, ShownConfig
from revcrypt.view.source import Source

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to mount where. *open_key* may ask the user, so it is called late."""

    source: str
    mountpoint: str
    config: ConfigPath
    open_key: Callable[[], Key]
    fsname: str | None = None
    allow_other: bool = False
    noexec: bool = False
    nonempty: bool = False
    foreground: bool = False
    quiet: bool = False
    debug: bool = False


def mount_reverse(request: Request, *, hide_config: bool) -> ExitCode:
    """Mount the encrypted view of a plain directory."""
    inherited = _prepare(request)
    if _lies_in(request.source, request.mountpoint):
        raise _overlap_error(request)
    master_key, features, is_proven = request.open_key()
    if features.cipher is not Cipher.AES_SIV:
        raise UsageError(
            "this config is not for reverse views: they need AES-SIV",
            hint="make one with revcrypt init",
        )
    taken = os.path.join(request.source, os.fsdecode(CONFIG_NAME))
    if features.plaintext_names and os.path.lexists(taken):
        log.warning("%s is left out: the name is taken by the config of the view", taken)
    source = Source(os.fsencode(request.source))
    shown = None if hide_config else _shown_config(source, request)
    if shown is not None and not is_proven:
        log.warning("the view shows %s, unproven for this key", request.config.path)
    view = ReverseView(source, Volume.open(master_key, features), shown)
    return _serve(view, request, inherited)


def _shown_config(source: Source, request: Request) -> ShownConfig | None:
    hides: bytes | None = REVERSE_CONFIG_NAME
    if request.config.is_default:
        # Not by path: somebody may have made it a link to a secret.
        fd, name = source.root_fd, REVERSE_CONFIG_NAME
    else:
        path = os.path.realpath(os.fsencode(request.config.path))
        directory, name = os.path.split(path)
        fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        status, root = os.fstat(fd), source.root_stat
        in_root = (status.st_dev, status.st_ino) == (root.st_dev, root.st_ino)
        if not in_root or name != REVERSE_CONFIG_NAME:
            hides = None
    try:
        return ShownConfig(fd, name, hides=hides, check=config.parse)
    except FileNotFoundError:
        log.warning("the view has no gocryptfs.conf: only the master key can open it")
        return None
    except OSError as error:
        raise ConfigUnreadableError(
            f"cannot show config {request.config.path}: {error.strerror}",
            hint="the view can do without it: --hide-config",
        ) from None


def mount_forward(request: Request, *, lenient: bool) -> ExitCode:
    """Mount the plaintext of an encrypted directory."""
    inherited = _prepare(request)
    source, mountpoint = request.source, request.mountpoint
    if _lies_in(source, mountpoint) or _lies_in(mountpoint, source):
        raise _overlap_error(request)
    master_key, features, is_proven = request.open_key()
    strict = features.cipher is Cipher.AES_SIV and not lenient
    volume = Volume.open(master_key, features)
    view = ForwardView(Source(os.fsencode(request.source)), volume, strict=strict)
    if not is_proven and not lenient and not view.is_opened_by_key():
        raise MasterKeyError(
            f"the master key opens nothing in {request.source}",
            hint="it is another directory's, or the options about the format are missing",
        )
    return _serve(view, request, inherited)


def _prepare(request: Request) -> frozenset[int]:
    """Check everything that needs no key; return the caller's descriptors."""
    inherited = background.inherited_fds()
    logs.set_level(quiet=request.quiet, debug=request.debug)
    options.check_directory(request.source)
    _check_mountpoint(request)
    return inherited


def _check_mountpoint(request: Request) -> None:
    path = request.mountpoint
    # A dead mount would answer everything below with its own, less helpful error.
    real = os.path.realpath(os.fsencode(path))
    for mount in read_mounts():
        if mount.mountpoint == real and mount.fstype != b"autofs":
            raise MountpointError(
                f"{path} is a mountpoint already, of {os.fsdecode(mount.source)}",
                hint=f"unmount it first: umount {path}",
            )
    if not os.path.isdir(path):
        what = "is not a directory" if os.path.exists(path) else "does not exist"
        raise MountpointError(
            f"mountpoint {path} {what}", hint=f"create it first: mkdir -p {path}"
        )
    try:
        is_empty = not os.listdir(path)
    except OSError as error:
        message = f"cannot look into mountpoint {path}: {error.strerror}"
        raise MountpointError(message) from None
    if not is_empty and not request.nonempty:
        raise MountpointError(
            f"mountpoint {path} is not empty",
            hint="what it contains would be hidden; use an empty directory, "
            "or --nonempty",
        )


def _lies_in(inner: str, outer: str) -> bool:
    inner, outer = os.path.realpath(inner), os.path.realpath(outer)
    return os.path.commonpath([inner, outer]) == outer


def _overlap_error(request: Request) -> MountpointError:
    return MountpointError(
        f"{request.source} and {request.mountpoint} overlap",
        hint="use a mountpoint outside the directory that is shown",
    )


def _serve(
    view: ReverseView | ForwardView, request: Request, inherited: frozenset[int]
) -> ExitCode:
    # pyfuse3 and trio take half of the start-up time, and errors come sooner without.
    from revcrypt.fuse.serve import MountOptions, serve  # noqa: PLC0415

    child: background.Child | None = None
    if not request.foreground:
        syslog = logs.syslog_handler()
        if syslog is None:
            log.warning("no system log here; with --foreground, messages go to stderr")
        forked = background.fork()
        if not isinstance(forked, background.Child):
            return forked
        child = forked

    def on_mounted() -> None:
        if child is not None:
            child.detach()

    def on_ready() -> None:
        log.info("mounted on %s", request.mountpoint)
        if child is not None:
            child.announce(inherited)
            logs.switch_to(syslog)

    return serve(
        view,
        os.path.realpath(os.fsencode(request.mountpoint)),
        MountOptions(
            fsname=os.fsencode(request.fsname or os.path.realpath(request.source)),
            allow_other=request.allow_other,
            noexec=request.noexec,
        ),
        on_mounts_changed=view.mounts.refresh,
        on_mounted=on_mounted,
        on_ready=on_ready,
    )

"""Mounting, as both kinds of mount and both command lines do it."""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from revcrypt.cli import (
    background,
    backups,
    configs,
    filters,
    logs,
    memory,
    mountpoint,
    options,
    recovery_keys,
    views,
)
from revcrypt.cli.configs import ConfigPath, Key
from revcrypt.cli.supervisor import Supervisor, check_visible
from revcrypt.errors import (
    ExitCode,
    MountpointError,
    UsageError,
)
from revcrypt.format.content import Cipher
from revcrypt.format.volume import Volume
from revcrypt.view.detect import take_sample
from revcrypt.view.forward import ForwardView
from revcrypt.view.mounts import source_name
from revcrypt.view.reverse import ReverseView
from revcrypt.view.source import Source
from revcrypt.view.tree import Owner

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
    users: frozenset[int] = frozenset()
    groups: frozenset[int] = frozenset()
    ignore_modes: bool = False
    owner: Owner | None = None
    secrets: Sequence[str] = ()
    """Files with a passphrase or key, which no backup should hold."""
    noexec: bool = False
    nonempty: bool = False
    create: bool = False
    """Whether the mountpoint is to come and go with the mount."""
    again: bool = False
    """Whether it is fine if the source is mounted there already (`mount -a`)."""
    remount: bool = False
    foreground: bool = False
    quiet: bool = False
    debug: bool = False

    @property
    def shown_source(self) -> bytes:
        """The source as `mount` and `df` are to show it."""
        return shown_source(self.source, self.fsname)


def shown_source(source: str, fsname: str | None) -> bytes:
    """Return what `mount` and `df` are to show as the source of a view."""
    return os.fsencode(fsname or os.path.realpath(source))


def mount_reverse(
    request: Request, *, show_config: bool, left_out: filters.Filters
) -> ExitCode:
    """Mount the encrypted view of a plain directory."""
    inherited = background.inherited_fds()
    if _is_mounted(request):
        return ExitCode.OK
    check(request, is_forward=False)
    secrets = configs.secret_files(
        request.config, request.secrets, show_config=show_config
    )
    exclude = filters.make_exclude(left_out, request.source, secrets)
    key = request.open_key()
    is_noted = recovery_keys.knows(request.config, key.master_key)
    view = views.reverse_view(
        request.source,
        Volume.open(key.master_key, key.features),
        request.config if show_config else None,
        exclude=exclude,
        owner=request.owner,
    )
    if view.shows_config and not (key.is_proven or is_noted):
        log.warning(
            "nothing proves that this is the key of %s; if it is mistyped, the next pull "
            "replaces the whole backup",
            request.config.path,
        )
    return _serve(view, request, inherited)


def mount_forward(request: Request, *, lenient: bool) -> ExitCode:
    """Mount the plaintext of an encrypted directory."""
    inherited = background.inherited_fds()
    if _is_mounted(request):
        return ExitCode.OK
    check(request, is_forward=True)
    key = request.open_key()
    source = Source(os.fsencode(request.source))
    key = backups.settle(
        source, request.config, key, take_sample(source), lenient=lenient
    )
    view = ForwardView(
        source,
        Volume.open(key.master_key, key.features),
        strict=key.features.cipher is Cipher.AES_SIV and not lenient,
        owner=request.owner,
    )
    return _serve(view, request, inherited)


def check(request: Request, *, is_forward: bool) -> None:
    """Check what needs neither a key nor a look at the mountpoint."""
    source, target = request.source, request.mountpoint
    options.check_directory(source)
    # A reverse view shows itself as an empty directory; a readable mount has no need to.
    if _lies_in(source, target) or (is_forward and _lies_in(target, source)):
        raise MountpointError(
            f"{source} and {target} overlap",
            hint="use a mountpoint outside the directory that is shown",
        )
    if request.ignore_modes and not (request.users or request.groups):
        raise UsageError(
            "ignoring modes would let everybody read everything",
            hint="say who may: allow_user or allow_group",
        )


def _is_mounted(request: Request) -> bool:
    """Check the mountpoint; tell whether all has been done before."""
    logs.set_level(quiet=request.quiet, debug=request.debug)
    path = request.mountpoint
    if mountpoint.descriptor(path) is not None:
        mountpoint.check_descriptor(
            limited=bool(request.users or request.groups),
            ignore_modes=request.ignore_modes,
        )
        return False
    mount = mountpoint.present(path)
    if request.remount:
        if mount is None or not mount.is_view:
            raise MountpointError(f"{path} is not a view, so there is nothing to remount")
        if mountpoint.is_dead(mount):
            raise MountpointError(
                f"the view on {path} has crashed", hint="mount it again, without remount"
            )
        log.info("%s is mounted; a view has nothing that a remount could change", path)
        return True
    if mount is None:
        mountpoint.check_directory(
            path, nonempty=request.nonempty, may_be_missing=request.create
        )
        return False
    if mount.is_view and mountpoint.is_dead(mount):
        return False
    source = source_name(request.shown_source).encode()
    if request.again and mount.is_view and mount.source == source:
        log.info("%s is mounted already", path)
        return True
    raise mountpoint.taken_error(path, mount)


def _lies_in(inner: str, outer: str) -> bool:
    inner, outer = os.path.realpath(inner), os.path.realpath(outer)
    return os.path.commonpath([inner, outer]) == outer


def _serve(
    view: ReverseView | ForwardView, request: Request, inherited: frozenset[int]
) -> ExitCode:
    # pyfuse3 and trio take half of the start-up time, and errors come sooner without.
    from revcrypt.fuse.access import Access  # noqa: PLC0415
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
    # Only now: locks are not for what is forked.
    memory.lock()

    path = request.mountpoint
    descriptor = mountpoint.descriptor(path)
    if descriptor is None:
        path = mountpoint.resolve(path)
    source, target = request.shown_source, os.fsencode(path)
    lock = mountpoint.Lock(path)

    def before_mount() -> None:
        if descriptor is None:
            if request.create:
                mountpoint.create(path, parents_only=True)
            lock.take()
            mount = mountpoint.detach_dead(path)
            if mount is not None:
                # Somebody else was faster.
                raise mountpoint.taken_error(path, mount)
            if request.create:
                mountpoint.create(path)

    def on_mounted() -> None:
        lock.release()
        if descriptor is None:
            check_visible(target)
        if child is not None:
            child.detach()

    def on_ready() -> None:
        log.info("mounted on %s", request.mountpoint)
        if child is not None:
            child.announce(inherited - {descriptor})
            logs.switch_to(syslog)
        logs.never_wait()

    access = Access(request.users, request.groups)
    try:
        return serve(
            view,
            target,
            MountOptions(
                fsname=source,
                allow_other=request.allow_other
                or request.owner is not None
                or access.is_limited,
                access=access,
                ignore_modes=request.ignore_modes,
                noexec=request.noexec,
            ),
            distant=view.ask_first(),
            on_mounts_changed=view.mounts.refresh,
            before_mount=before_mount,
            on_mounted=on_mounted,
            on_ready=on_ready,
            supervisor=Supervisor.of_environment(source, target)
            if child is None
            else None,
        )
    finally:
        lock.release()
        if request.create and mountpoint.present(path) is None:
            mountpoint.remove(path)

"""The life of a mount: mount, answer, unmount.

A view that is not there must look broken, not empty: `rsync --delete` takes an empty
directory for the truth and a dead mount for an error. So only a clean stop unmounts;
after a crash the mountpoint answers "Transport endpoint is not connected".
"""

import ctypes
import gc
import logging
import os
import resource
import shutil
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import pyfuse3
import trio

from revcrypt.errors import ExitCode, MountFailedError
from revcrypt.fuse import loop
from revcrypt.fuse.access import EVERYBODY, Access
from revcrypt.fuse.disks import Disks
from revcrypt.fuse.operations import THREADS, Operations
from revcrypt.view.distant import Distant
from revcrypt.view.mounts import MOUNTINFO, source_name
from revcrypt.view.nodes import View

GRACE = 2.0
"""Seconds for requests under way, when a signal asks to stop."""
TASKS = THREADS + 8
"""Requests that may be under way: all that wait for a disk, and some that do not."""
GARBAGE = 50_000
"""New objects after which to look for garbage; the default of 700 takes 5 % of a walk."""
_M_ARENA_MAX = -8
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

log = logging.getLogger(__name__)


class Supervisor(Protocol):
    """Who has started this process and wants to hear from it."""

    watchdog: float | None
    """Seconds within which `alive` must be called again and again, or None."""

    def ready(self) -> None:
        """Take note that the view answers."""

    def alive(self) -> None:
        """Take note that the view still answers."""

    def stopping(self) -> None:
        """Take note that the view is about to go."""


@dataclass(frozen=True, slots=True)
class MountOptions:
    """How to mount; *fsname* is the source as `mount` and `df` show it."""

    fsname: bytes
    allow_other: bool = False
    access: Access = EVERYBODY
    ignore_modes: bool = False
    """Whether those with access may read everything."""
    noexec: bool = False

    def as_fuse(self) -> set[str]:
        """Return what libfuse is told. The view is always read-only."""
        options = {f"fsname={_escape(self.fsname)}", "subtype=revcrypt"}
        options |= {"ro", "nosuid", "nodev"}
        if self.noexec:
            options.add("noexec")
        if self.allow_other:
            options.add("allow_other")
            if not self.ignore_modes:
                options.add("default_permissions")
        return options


def _escape(name: bytes) -> str:
    """Return *name* as libfuse takes it, commas and backslashes escaped."""
    return source_name(name).replace("\\", "\\\\").replace(",", "\\,")


def serve(
    view: View,
    mountpoint: bytes,
    options: MountOptions,
    *,
    distant: Distant,
    on_mounts_changed: Callable[[], None],
    before_mount: Callable[[], None],
    on_mounted: Callable[[], None],
    on_ready: Callable[[], None],
    supervisor: Supervisor | None = None,
) -> ExitCode:
    """Mount *view* on *mountpoint*, a real path, and serve it until it is unmounted.

    Its *distant* disks are asked whether they answer before it touches them.
    *before_mount* is called at the last moment, *on_mounted* when the mount exists, which
    it may veto by a `MountFailedError`, *on_ready* when the kernel has accepted it, and
    *on_mounts_changed* whenever anything was mounted anywhere. Raises `MountFailedError`.
    """
    _check_machine()
    _allow_many_files()
    # From here on until `_main` listens, a signal would leave a broken mount.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    mountinfo_fd = os.open(MOUNTINFO.format("self"), os.O_RDONLY | os.O_CLOEXEC)
    eager = loop.install(mountinfo_fd, on_mounts_changed)
    operations = Operations(
        view,
        waiting=eager.waiting,
        are_others=eager.has_request,
        access=options.access,
        disks=Disks(distant, eager.waiting),
    )
    eager.idle, eager.mistakes = operations.ahead.step, operations.mistakes
    before_mount()
    try:
        pyfuse3.init(operations, os.fsdecode(mountpoint), options.as_fuse())
    except RuntimeError:
        raise MountFailedError(
            f"cannot mount on {os.fsdecode(mountpoint)}; libfuse has said why",
            hint="--allow-other needs user_allow_other in /etc/fuse.conf, except for root"
            if options.allow_other
            else "the mountpoint must be yours, and /dev/fuse open to you",
        ) from None
    on_mounts_changed()
    _collect_seldom()
    _share_heap()
    probe = partial(os.statvfs, mountpoint)
    try:
        on_mounted()
        code = trio.run(_main, operations, on_ready, supervisor, probe)
    except MountFailedError:
        # A veto: nobody has been told of this mount.
        pyfuse3.close()
        raise
    except BaseException:
        log.critical("the view has crashed; its mountpoint stays, broken on purpose")
        pyfuse3.close(unmount=False)
        raise
    pyfuse3.close()
    log.info("unmounted")
    return code


async def _main(
    operations: Operations,
    on_ready: Callable[[], None],
    supervisor: Supervisor | None,
    probe: Callable[[], object],
) -> ExitCode:
    code = ExitCode.OK

    async def announce() -> None:
        await operations.initialized.wait()
        on_ready()
        if supervisor is not None:
            await _report(supervisor, probe)

    async def stop_on_signal() -> None:
        nonlocal code
        with trio.open_signal_receiver(*_STOP_SIGNALS) as received:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
            async for number in received:
                log.info("%s: unmounting", signal.Signals(number).name)
                if supervisor is not None:
                    supervisor.stopping()
                if number == signal.SIGINT:
                    code = ExitCode.INTERRUPTED
                pyfuse3.terminate()
                # A read from a disk that hangs must not keep us here.
                nursery.cancel_scope.deadline = trio.current_time() + GRACE

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stop_on_signal)
        nursery.start_soon(announce)
        nursery.start_soon(operations.give_back)
        # Idle tasks cost nothing, but ending and starting them all the time does.
        await pyfuse3.main(min_tasks=TASKS, max_tasks=TASKS)
        nursery.cancel_scope.cancel()
    return code


async def _report(supervisor: Supervisor, probe: Callable[[], object]) -> None:
    """Tell *supervisor* that the view answers, as long as it does.

    *probe* asks what only this process can answer, through the kernel and from another
    thread: that the loop turns is not enough.
    """
    limiter = trio.CapacityLimiter(1)

    async def ask() -> None:
        await trio.to_thread.run_sync(probe, abandon_on_cancel=True, limiter=limiter)

    await ask()
    supervisor.ready()
    if supervisor.watchdog is None:
        return
    while True:
        await trio.sleep(supervisor.watchdog / 2)
        try:
            await ask()
        except OSError as error:
            log.critical("the mount does not answer: %s", error.strerror)
        else:
            supervisor.alive()


def _check_machine() -> None:
    if not os.path.exists("/dev/fuse"):
        raise MountFailedError(
            "this machine has no /dev/fuse",
            hint="load the kernel module (modprobe fuse), or give the container the "
            "device",
        )
    if os.geteuid() != 0 and shutil.which("fusermount3") is None:
        raise MountFailedError(
            "fusermount3 is not installed, and only root can mount without it",
            hint="install the package fuse3",
        )


def _collect_seldom() -> None:
    """Look for garbage in cycles seldom: requests leave none, and make many objects."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE)


def _share_heap() -> None:
    """Let threads use one heap: of each heap of their own, something would stay."""
    with suppress(AttributeError):  # Other C libraries than glibc have no mallopt(3).
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def _allow_many_files() -> None:
    """Raise the limit of open files: every file that a client opens takes one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

"""All faults, and the table of what they do, which is in `docs/reliability.md`.

`python -m tests.faults.catalogue` prints it.
"""

from collections.abc import Callable
from typing import NamedTuple

from tests.cli import test_kills
from tests.faults import (
    test_clients,
    test_clock,
    test_disk,
    test_files,
    test_hanging,
    test_limits,
    test_listing,
    test_log,
    test_mounts,
    test_read_only,
    test_signals,
)
from tests.fuse import test_errors, test_guard, test_supervisor
from tests.mount import (
    test_accidents,
    test_hostile_source,
    test_inside_source,
    test_life,
    test_live,
    test_pull_daemon,
    test_same_bytes,
    test_site_mountpoint,
    test_stale,
    test_status,
)
from tests.systemd import test_recovery
from tests.view import test_distant, test_exclude_mounts


class Fault(NamedTuple):
    """What goes wrong, and what happens then, here and with `gocryptfs -reverse`."""

    what: str
    happens: str
    gocryptfs: str
    tests: tuple[Callable[..., object], ...]


def fault(
    what: str, happens: str, *tests: Callable[..., object], gocryptfs: str = "-"
) -> Fault:
    return Fault(what, happens, gocryptfs, tests)


SAME = "the same"
TORN = "a block that does not authenticate, and no error"
OLD = "who has opened it reads the old one to its end"
SECTIONS: dict[str, list[Fault]] = {
    "A file, while it is read": [
        fault(
            "truncated, emptied",
            "`EIO` for what is gone",
            test_files.test_read,
            gocryptfs=f"{TORN}, now and then",
        ),
        fault(
            "grown",
            "the size at opening; each block authenticates",
            test_files.test_read,
            test_live.test_growing_log,
            test_live.test_incremental_pull,
            test_live.test_several_clients,
            gocryptfs=TORN,
        ),
        fault(
            "overwritten in place",
            "old and new blocks, each of which authenticates",
            test_files.test_read,
            test_live.test_overwritten_database,
            test_hostile_source.test_an_unseen_change_tears_no_block,
            gocryptfs=f"{TORN}, now and then",
        ),
        fault(
            "replaced by another file",
            f"{OLD}; who opens it then gets the new one",
            test_files.test_read,
            gocryptfs=f"{TORN} for who opens it then",
        ),
        fault(
            "replaced by a directory, a symlink, a FIFO",
            f"{OLD}; who opens it then gets the new one",
            test_files.test_read,
            gocryptfs="`EACCES`, `ELOOP` for a second",
        ),
        fault("deleted", f"{OLD}; then it is gone", test_files.test_read, gocryptfs=SAME),
        fault(
            "renamed, or a directory above it",
            f"{OLD}",
            test_files.test_read,
            gocryptfs=SAME,
        ),
        fault("made unreadable", f"{OLD}", test_files.test_read, gocryptfs=SAME),
        fault("given a second name", f"{OLD}", test_files.test_read, gocryptfs=SAME),
        fault(
            "leased by another program",
            "its readers wait, nobody else",
            test_hostile_source.test_a_lease_does_not_stop_the_view,
        ),
    ],
    "The disk under the source": [
        fault(
            "errors in looking up, opening, listing, reading, links, attributes",
            "the same error, for this and nothing else, until the disk is well",
            test_disk.test_errors,
            test_errors.test_errors_of_the_source_s_filesystem_pass,
            gocryptfs="the same, but `EIO` within a listing; no attributes",
        ),
        fault(
            "a read gives less than there is",
            "`EIO`, never zeros",
            test_disk.test_a_disk_that_gives_less_than_there_is,
            gocryptfs="a shorter file, and no error",
        ),
        fault(
            "does not know its size",
            "`df` gets the error, nobody else",
            test_disk.test_a_disk_that_does_not_know_its_size,
            gocryptfs=SAME,
        ),
        fault(
            "errors while `rsync --delete` pulls",
            "status 23, nothing is deleted, all else is pulled",
            test_disk.test_a_pull_deletes_nothing,
            test_hostile_source.test_a_dead_mount_deletes_nothing,
            gocryptfs=SAME,
        ),
        fault(
            "is pulled out",
            "all is an error, nothing looks empty, until it is mounted anew",
            test_disk.test_a_disk_that_has_gone,
        ),
        fault(
            "a read hangs",
            "its reader waits, nobody else",
            test_hanging.test_others_go_on,
            test_hanging.test_many_wait,
        ),
        fault(
            "a look hangs: at a name, attributes, a directory, or in opening",
            "all wait until it answers; the watchdog has the view replaced",
            test_hanging.test_a_look_that_hangs,
            test_supervisor.test_watchdog_of_a_mount_that_hangs,
        ),
        fault(
            "a server for a mount below the source hangs",
            "who needs it waits, then `ETIMEDOUT`; nothing is deleted",
            test_hanging.test_a_server_that_does_not_answer,
            test_hanging.test_a_server_that_never_answers,
            test_distant.test_only_what_is_there_is_not_touched,
        ),
        fault(
            "the same, with `--one-file-system`",
            "it is not asked, nobody waits",
            test_hanging.test_a_mount_that_is_left_out,
            test_exclude_mounts.test_what_need_not_answer_is_not_asked,
        ),
        fault(
            "a read hangs, and the reader is killed",
            "nobody waits for it, nothing stays open",
            test_hanging.test_a_reader_that_is_killed_while_it_waits,
        ),
        fault(
            "a read hangs, and the view is stopped",
            "it is unmounted at once",
            test_hanging.test_the_view_can_be_stopped,
            test_life.test_signal_while_a_reader_waits,
        ),
    ],
    "Mounts": [
        fault(
            "one appears below the source, or goes",
            f"{OLD}; who opens it then gets what is there then",
            test_mounts.test_a_mount_appears_and_goes,
            test_exclude_mounts.test_what_is_mounted_later_is_another_filesystem,
            gocryptfs=SAME,
        ),
        fault(
            "the source is unmounted",
            "it is busy; lazily, the view shows what it has shown",
            test_mounts.test_the_source_is_in_use,
            test_mounts.test_the_source_is_unmounted_lazily,
        ),
        fault(
            "the view appears in its own source",
            "an empty directory, and nothing waits for itself",
            test_inside_source.test_direct,
            test_inside_source.test_bind_mount_of_the_view,
            test_inside_source.test_two_views_inside,
            test_hostile_source.test_a_renamed_parent_of_the_view,
        ),
        fault(
            "the view is unmounted while it is read",
            "it is busy; lazily, what is open is read to its end",
            test_mounts.test_the_view_is_unmounted_while_it_is_read,
            test_life.test_unmounted_from_outside,
        ),
    ],
    "The machine": [
        fault(
            "no descriptor left (`EMFILE`)",
            "`EMFILE` for who needs one; nothing looks empty; all is well afterwards",
            test_limits.test_no_descriptors_left,
            gocryptfs=SAME,
        ),
        fault(
            "no descriptor left for news of mounts",
            "they are read as soon as there is one",
            test_limits.test_no_descriptor_for_news_of_mounts,
            test_guard.test_mounts_that_cannot_be_read_are_read_again,
        ),
        fault(
            "no memory left (`ENOMEM`)",
            "an error for who needs some; or broken, not empty",
            test_limits.test_no_memory_left,
            test_errors.test_failures_become_errnos,
        ),
        fault(
            "a log disk that is full",
            "messages are lost, nothing else",
            test_log.test_a_disk_that_is_full,
        ),
        fault(
            "a log that nobody reads, or that has gone",
            "messages are lost, and counted; nothing else",
            test_log.test_a_pipe_that_nobody_reads,
            test_log.test_a_pipe_whose_reader_has_gone,
            test_log.test_a_system_log,
        ),
        fault(
            "the clock is wrong, or jumps",
            "each block authenticates; what is unchanged is pulled once",
            test_clock.test_pulls,
        ),
    ],
    "The daemon": [
        fault(
            "signals that mean no harm; stopped and continued",
            "it goes on",
            test_signals.test_harmless_and_stopping,
        ),
        fault(
            "`SIGTERM`, `SIGINT`, `SIGHUP`, at any time, also twice",
            "it unmounts, whoever reads",
            test_signals.test_harmless_and_stopping,
            test_life.test_signal,
            test_life.test_stopped_before_it_listens,
            test_life.test_caller_that_gives_up,
        ),
        fault(
            "killed, also for lack of memory; any other deadly signal",
            "the mountpoint is broken, not empty; no reader takes a part for the whole",
            test_signals.test_deadly,
            test_accidents.test_killed,
            test_site_mountpoint.test_after_a_crash_it_stays_and_is_broken,
            test_recovery.test_a_crashed_view_is_broken_and_not_empty,
        ),
        fault(
            "mounted again over what a crash has left",
            "it takes its place, and shows the same bytes",
            test_signals.test_deadly,
            test_stale.test_replaced,
            test_stale.test_still_in_use,
            test_recovery.test_a_killed_view_is_replaced,
        ),
        fault(
            "hangs (`SIGSTOP`)",
            "the watchdog has it replaced; mounting and `status` say so",
            test_stale.test_hanging,
            test_status.test_hanging,
            test_supervisor.test_watchdog_of_a_mount_that_hangs,
            test_recovery.test_a_hanging_view_is_replaced,
        ),
        fault(
            "an exception that nobody has foreseen, in each operation",
            "`EIO` for this request, one traceback",
            test_errors.test_mistakes_are_eio_with_a_traceback,
            test_errors.test_no_handler_ends_the_daemon,
            test_errors.test_no_clean_up_ends_the_daemon,
            test_status.test_a_mistake_of_ours,
        ),
        fault(
            "any accident, while an rsync daemon serves the view",
            "the pull fails, nothing is deleted",
            test_pull_daemon.test_nothing_is_deleted,
        ),
        fault(
            "`init` killed at each of its writes",
            "there is a whole config, or none",
            test_kills.test_init,
        ),
    ],
    "Clients": [
        fault(
            "64 readers at once, of many files and of one",
            "each gets what he should",
            test_clients.test_many_readers_of_many_files,
            test_clients.test_many_readers_of_one_file,
            test_same_bytes.test_hash_of_the_tree,
            gocryptfs="the same, but not for hard links",
        ),
        fault(
            "files that are opened and never closed",
            "others read, and see what is new",
            test_clients.test_files_that_are_never_closed,
        ),
        fault(
            "a reader dies in the middle, or stops reading",
            "nothing stays open, nobody waits",
            test_clients.test_a_reader_that_dies,
            test_clients.test_a_reader_that_stops,
        ),
        fault(
            "a directory is not listed to its end",
            "nothing stays open, nobody waits",
            test_clients.test_listings_that_are_never_read_to_their_end,
        ),
        fault(
            "reads of a byte, of a gigabyte, and behind the end",
            "what there is",
            test_clients.test_reads_of_any_size,
            gocryptfs=SAME,
        ),
        fault(
            "entries come and go while a directory is listed",
            "what stays is told once",
            test_listing.test_listings,
            gocryptfs=SAME,
        ),
        fault(
            "system calls that would change something",
            "`EROFS`, no effect, also where root has remounted the view for writing",
            test_read_only.test_refused,
        ),
    ],
}

HEAD = """\
| fault | what happens | with `gocryptfs -reverse` | tests |
|---|---|---|---|
"""


def table() -> str:
    """Return the table."""
    rows = HEAD
    for section, faults in SECTIONS.items():
        rows += f"| **{section}** | | | |\n"
        rows += "".join(f"| {' | '.join(_row(fault))} |\n" for fault in faults)
    return rows


def _row(fault: Fault) -> list[str]:
    modules = [test.__module__.removeprefix("tests.") for test in fault.tests]
    names = ", ".join(module.replace(".", "/") for module in dict.fromkeys(modules))
    return [fault.what, fault.happens, fault.gocryptfs, names]


if __name__ == "__main__":
    print(table(), end="")

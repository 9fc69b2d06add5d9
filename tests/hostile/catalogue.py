"""All hostile trees, and the table of them, which is in `docs/reliability.md`.

`python -m tests.hostile.catalogue` prints it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from tests.hostile import (
    test_inodes,
    test_objects,
    test_permissions,
    test_places,
    test_races,
    test_stress,
)
from tests.mount import (
    test_hostile_source,
    test_inside_source,
    test_live,
    test_oracle,
    test_sparse,
)
from tests.rescue import test_restore_hostile
from tests.view import test_devices
from tests.view import test_races as test_swaps


class Tree(NamedTuple):
    """A hostile tree."""

    name: str
    result: str
    """What happens."""
    tests: tuple[Callable[..., Any], ...]


NEVER_FOREIGN = "what is the user's, or an error; no foreign byte, name, size or owner"
ROUND_TRIP = "all of it comes back"
EMPTY = "the view is an empty directory there; nothing waits"

TREES = [
    Tree(
        "a user swaps directories and files for symlinks to secrets, as they are read",
        NEVER_FOREIGN,
        (
            test_races.test_swapped_for_links,
            test_races.test_a_view_that_follows_links_is_caught,
        ),
    ),
    Tree(
        "the same between any two requests; also swapped for other directories",
        "the request fails (`ESTALE`), or what is open shows what it was",
        (
            test_swaps.test_a_swapped_directory_is_not_entered,
            test_swaps.test_an_open_directory_leads_to_its_old_place,
        ),
    ),
    Tree(
        "a file that another one, a symlink, a directory or a FIFO takes the place of",
        "the request fails; nothing is opened, also where the inode number is the same",
        (
            test_swaps.test_a_replaced_file_is_not_used,
            test_swaps.test_a_reused_inode_number_opens_nothing,
        ),
    ),
    Tree(
        "a config that is a symlink, becomes one, or is a FIFO",
        "it is not followed, not shown and not waited for",
        (
            test_swaps.test_a_config_that_becomes_a_link_is_not_followed,
            test_swaps.test_a_config_that_is_a_link_is_not_shown,
            test_objects.test_special_config,
        ),
    ),
    Tree(
        "a root that is swapped for a symlink",
        "the view shows the directory that was named",
        (test_swaps.test_the_root_stays_where_it_was_opened,),
    ),
    Tree(
        "FIFOs, sockets and devices with the names of files, `CACHEDIR.TAG` among them",
        "nobody waits for them or reads them; " + ROUND_TRIP,
        (test_objects.test_special_files_with_ordinary_names,),
    ),
    Tree(
        "names with every byte, of one byte and of 255",
        ROUND_TRIP,
        (test_objects.test_every_byte_in_names,),
    ),
    Tree(
        "names that mean something in the format, awkward ones, odd times, modes, owners",
        "shown as gocryptfs shows them",
        (test_oracle.test_same_names, test_oracle.test_same_attributes),
    ),
    Tree(
        "100,000 entries in one directory",
        "each of them once",
        (test_places.test_many_entries,),
    ),
    Tree(
        "1,000 levels of directories, with paths of 20,000 bytes",
        ROUND_TRIP,
        (test_places.test_many_levels,),
    ),
    Tree(
        "files that begin with a hole, or have 1 GiB of them",
        ROUND_TRIP + ", whatever copies them",
        (test_sparse.test_copies_restore, test_sparse.test_huge_sparse_file),
    ),
    Tree(
        "hard links across the border of what is left out",
        "what is shown is the same as without the border, to the byte",
        (test_objects.test_hard_links_across_a_border,),
    ),
    Tree(
        "inode number 1, and those that need 32, 62, 63 or 64 bits",
        ROUND_TRIP + ", and is the same after a remount",
        (test_inodes.test_odd_numbers,),
    ),
    Tree(
        "several files of the same inode number",
        "each is read for what it is, in any order, with all of them open",
        (
            test_inodes.test_colliding_numbers,
            test_inodes.test_colliding_names_of_several,
        ),
    ),
    Tree(
        "files, symlinks, FIFOs and directories of the same inode number",
        ROUND_TRIP,
        (test_inodes.test_colliding_kinds,),
    ),
    Tree(
        "filesystems that have another device number after a boot",
        "nothing changes",
        (test_devices.test_numbers_survive_another_device_number,),
    ),
    Tree(
        "files that are shorter or longer than their filesystem says",
        "what is missing is `EIO`, never zeros; what is too much is left out",
        (test_objects.test_sizes_that_are_lies,),
    ),
    Tree(
        "files that a broken disk refuses to give",
        "rsync complains (status 23), keeps its copy of them, and pulls all others",
        (test_objects.test_what_cannot_be_read,),
    ),
    Tree(
        "`/proc` in the source",
        "can be walked and read to its end; files without a size are empty",
        (test_places.test_proc, test_places.test_one_file_system),
    ),
    Tree(
        "`/sys` in the source",
        "likewise; files that are shorter than they say are `EIO`",
        (test_places.test_sys, test_places.test_one_file_system),
    ),
    Tree(
        "the mountpoint in the source, also by way of a symlink",
        EMPTY,
        (test_inside_source.test_direct, test_inside_source.test_forward),
    ),
    Tree(
        "bind mounts of the mountpoint, of what is above it, or of a part of the view",
        EMPTY,
        (
            test_inside_source.test_bind_mount_of_the_parent,
            test_inside_source.test_propagated_mount,
            test_inside_source.test_bind_mount_of_the_view,
            test_inside_source.test_bind_mount_of_a_part_of_the_view,
        ),
    ),
    Tree(
        "two views of one source in this source, and views of others",
        EMPTY,
        (
            test_inside_source.test_two_views_inside,
            test_inside_source.test_another_view_inside,
        ),
    ),
    Tree(
        "a directory above the mountpoint is renamed",
        EMPTY,
        (test_hostile_source.test_a_renamed_parent_of_the_view,),
    ),
    Tree(
        "permissions are taken away, and given back",
        "rsync complains (status 23) and deletes nothing; then all is as before",
        (test_permissions.test_nothing_is_deleted,),
    ),
    Tree(
        "permissions change all the time",
        "a directory is whole, or `EACCES`; never empty or a part of it",
        (test_permissions.test_changing_all_the_time,),
    ),
    Tree(
        "a filesystem in the source that has died",
        "rsync complains and deletes nothing",
        (test_hostile_source.test_a_dead_mount_deletes_nothing,),
    ),
    Tree(
        "a file that somebody holds a lease on, and does not give back",
        "who reads it waits; nobody else does",
        (test_hostile_source.test_a_lease_does_not_stop_the_view,),
    ),
    Tree(
        "mapped files whose changes no time tells",
        "every block authenticates",
        (test_hostile_source.test_an_unseen_change_tears_no_block,),
    ),
    Tree(
        "logs that grow and databases that are overwritten, as they are read",
        "every block authenticates",
        (test_live.test_growing_log, test_live.test_overwritten_database),
    ),
    Tree(
        "everything changes in every way, as it is read (below)",
        "when it has come to rest, the next pull is what it is",
        (test_stress.test_stress,),
    ),
    Tree(
        "a backup of special files, set-uid programs, and names that lead out of it",
        "a restore writes nothing elsewhere, and gives no power without being told to",
        (
            test_restore_hostile.test_special_files,
            test_restore_hostile.test_names_that_lead_out,
            test_restore_hostile.test_privileges_withheld,
        ),
    ),
]

HEAD = """\
| tree | what happens | tests |
|---|---|---|
"""


def table() -> str:
    """Return the table."""
    return HEAD + "".join(
        f"| {tree.name} | {tree.result} | {', '.join(map(_place, tree.tests))} |\n"
        for tree in TREES
    )


def _place(test: Callable[..., Any]) -> str:
    module = test.__module__.removeprefix("tests.").replace(".", "/")
    return f"`{module}.py::{test.__name__}`"


if __name__ == "__main__":
    print(table(), end="")

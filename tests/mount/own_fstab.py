"""An fstab of one's own, in a root of one's own, where the program is installed.

There /dev/fuse is open to everybody; /srv/data, its config and its passphrase are
nobody's.
"""

import shlex
from pathlib import Path

from tests.mount.own_root import in_own_root

FILES = ["file", "gocryptfs.conf"]
"""What is in a view of /srv/data."""
SETUP = r"""
mknod -m 666 /run/fuse c 10 229
mount --bind /run/fuse /dev/fuse
mkdir /srv/data /mnt/view
echo content > /srv/data/file
echo passphrase > /etc/revcrypt/pass
revcrypt init -q --scrypt-n 10 --passfile /etc/revcrypt/pass --plaintext-names /srv/data
chmod 600 /srv/data/file
chown -R nobody:nogroup /srv/data /mnt/view /etc/revcrypt
line() {
    echo "/srv/data /mnt/view fuse.revcrypt reverse,passfile=/etc/revcrypt/pass,$1 0 0" \
        > /etc/fstab
}
as() {
    user=$1; shift
    setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups timeout 20 "$@"
}
status() { code=0; "$@" > /dev/null 2> /run/said || code=$?; echo "$code"; }
mounts() { grep -c ' /mnt/view ' /proc/self/mountinfo || true; }
options() { findmnt -rno OPTIONS /mnt/view; }
daemon() { pgrep -f '[r]evcrypt /srv/data '; }
ended() { timeout 20 tail --pid="$1" --sleep-interval=0.1 --follow /dev/null; }
"""


def said(tmp_path: Path, commands: str) -> list[str]:
    """Run shell *commands* in a root of their own; return the lines that they print.

    They can use the functions above. No process of theirs outlives them, and no mount.
    """
    script = shlex.quote(SETUP + commands)
    isolated = "unshare --pid --fork --kill-child --mount-proc sh -euc"
    return in_own_root(tmp_path, f"exec {isolated} {script}").splitlines()

"""A root filesystem of one's own: this system's, copied when it is written to.

For documentation that is run as it stands, with the paths that it names.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

# Runs in a mount namespace of its own, which takes all mounts along when it ends.
_SCRIPT = r"""
set -eu
cd "$1"
mkdir upper work root
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" root
for name in dev proc sys; do mount --rbind "/$name" "root/$name"; done
for name in run home srv mnt; do mount -t tmpfs -o mode=755 tmpfs "root/$name"; done
# Whatever of revcrypt this system has, it is not what is tested here.
rm -rf root/etc/revcrypt root/usr/local/bin/revcrypt
mkdir -p root/etc/revcrypt root/usr/local/bin
printf '#!/bin/sh\nexec %s -m revcrypt "$@"\n' "$3" > root/usr/local/bin/revcrypt
chmod +x root/usr/local/bin/revcrypt
# Others than root are to run the program, too.
for path in "$2" "$5" "$6"; do
    while [ "$path" != / ]; do chmod a+rx "root$path"; path=$(dirname "$path"); done
done
cp -r "$2/fstab.example" "$2/docs" root/srv
exec chroot root /bin/sh -euc "cd /; $4"
"""


def in_own_root(tmp_path: Path, commands: str) -> str:
    """Run shell *commands* in such a root, with `revcrypt` installed; return the output.

    *tmp_path* holds what is written. fstab.example and the documentation are in /srv.
    """
    unshare = ["unshare", "-m", "--propagation", "private", "sh", "-c", _SCRIPT, "sh"]
    result = subprocess.run(
        [
            *unshare,
            *(str(tmp_path), str(ROOT), sys.executable, commands),
            *(sys.prefix, sys.base_prefix),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
    )
    assert result.returncode == 0, (result.stdout, result.stderr)
    return result.stdout

"""What is left out of a reverse view: every kind of filter, in every kind of names."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from revcrypt.format.config import Features
from revcrypt.view.exclude import CACHE_SIGNATURE, Exclude
from tests.view.excluding import excluding_view, ignore, paths, rules, seen
from tests.view.trees import ALL_FEATURES, PLAINTEXT, content, find, reverse_view

LONG = "L" * 200
FILES = [
    *["keep", "a b", "secret", "secret2", "secret.d/key", "star*", "starfish"],
    *["home/me/Documents/a.txt", "home/me/.cache/x", "home/you/b.txt", "build/a.o"],
    *["cache/CACHEDIR.TAG", "cache/data", "cache/sub/data", "build/CACHEDIR.TAG"],
    *["nocopy/.nobackup", "nocopy/data", "nocopy/sub/data", LONG, LONG + "d/x"],
    *["odd/line\nbreak", "odd/\udcff"],
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a tree with something for every filter."""
    tree = tmp_path / "tree"
    for name in FILES:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(b"12345678")
    (tree / "cache/CACHEDIR.TAG").write_bytes(CACHE_SIGNATURE + b"\n# A cache.\n")
    (tree / ".gocryptfs.reverse.conf").write_text("the config\n")
    (tree / "sizes").mkdir()
    for size in (1023, 1024, 1025):
        (tree / "sizes" / str(size)).write_bytes(b"x" * size)
    special = tree / "special"
    special.mkdir(mode=0o2755)
    os.mkfifo(special / "fifo")
    os.mknod(special / "socket", stat.S_IFSOCK | 0o600)
    os.mknod(special / "char", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.mknod(special / "block", stat.S_IFBLK | 0o600, os.makedev(7, 250))
    (special / "link").symlink_to("fifo")
    return tree


ELSEWHERE = sorted({*(name.split("/")[0] for name in FILES), "sizes", "special"})
ELSEWHERE.remove("home")

# An example of each filter, and what it hides with all that is in it.
CASES: list[tuple[str, Exclude, list[str]]] = [
    ("exclude=secret", Exclude(paths=paths(b"secret")), ["secret"]),
    ("exclude=/secret.d//", Exclude(paths=paths(b"/secret.d//")), ["secret.d"]),
    ("exclude=./home/./you/.", Exclude(paths=paths(b"./home/./you/.")), ["home/you"]),
    ("exclude=star*", Exclude(paths=paths(b"star*")), ["star*"]),
    ("exclude=a b", Exclude(paths=paths(b"a b")), ["a b"]),
    ("exclude=key", Exclude(paths=paths(b"key")), []),
    ("exclude=odd/\\xff", Exclude(paths=paths(b"odd/\xff")), ["odd/\udcff"]),
    ("exclude-wildcard=*.o", Exclude(ignore=ignore(b"*.o")), ["build/a.o"]),
    ("exclude-wildcard=.cache/", Exclude(ignore=ignore(b".cache/")), ["home/me/.cache"]),
    ("exclude-wildcard=/data", Exclude(ignore=ignore(b"/data")), []),
    ("exclude-wildcard=L*", Exclude(ignore=ignore(b"L*")), [LONG, LONG + "d"]),
    ("exclude-wildcard=L*/", Exclude(ignore=ignore(b"L*/")), [LONG + "d"]),
    ("exclude-wildcard=line?*", Exclude(ignore=ignore(b"line?*")), ["odd/line\nbreak"]),
    (
        "exclude-from: /home/*, !/home/me",
        Exclude(ignore=ignore(b"/home/*", b"!/home/me")),
        ["home/you"],
    ),
    (
        "exclude-from: /home, !/home/me",
        Exclude(ignore=ignore(b"/home", b"!/home/me")),
        ["home"],
    ),
    (
        "filter-from: + /home/*/Documents/***, - /home/**",
        Exclude(rules=rules(b"+ /home/*/Documents/***", b"- /home/**")),
        ["home/me/.cache", "home/you/b.txt"],
    ),
    (
        "filter-from: - .cache/, + /home/***, - *",
        Exclude(rules=rules(b"- .cache/", b"+ /home/***", b"- *")),
        [*ELSEWHERE, "home/me/.cache"],
    ),
    (
        "filter-from: - /home/, + /home/me/Documents/",
        Exclude(rules=rules(b"- /home/", b"+ /home/me/Documents/")),
        ["home/you", "home/me/.cache"],
    ),
    ("exclude-caches", Exclude(caches=True), ["cache/data", "cache/sub"]),
    (
        "exclude-if-present=.nobackup",
        Exclude(if_present=[b"no", b".nobackup"]),
        ["nocopy/data", "nocopy/sub"],
    ),
    ("exclude-larger-than=1K", Exclude(larger_than=1024), ["sizes/1025"]),
    (
        "exclude-special",
        Exclude(special=True),
        ["special/fifo", "special/socket", "special/char", "special/block"],
    ),
    (
        "each includes what another excludes",
        Exclude(
            paths=paths(b"secret"),
            ignore=ignore(b"secret2", b"!secret", b"!keep"),
            rules=rules(b"+ /secret*", b"- keep"),
        ),
        ["secret", "secret2", "keep"],
    ),
    ("nothing", Exclude(), []),
]


@pytest.mark.parametrize("features", ALL_FEATURES.values(), ids=ALL_FEATURES)
@pytest.mark.parametrize(("name", "exclude", "hidden"), CASES, ids=[c[0] for c in CASES])
def test_each_filter_hides_what_it_should(
    tree: Path, features: Features, name: str, exclude: Exclude, hidden: list[str]
) -> None:
    """Exactly what a filter is about is hidden, with what is in it and belongs to it."""
    with reverse_view(tree, features) as view:
        everything = seen(view)
    left = {path for path in everything if not belongs_to(path, hidden)}
    assert len(everything) - len(left) >= len(hidden)
    with excluding_view(tree, exclude, features) as view:
        assert seen(view) == left
    if features is PLAINTEXT:
        print(f"{name:50} {' '.join(map(repr, hidden))}")


def belongs_to(path: str, hidden: list[str]) -> bool:
    """Tell whether a path, maybe that of a virtual file, is one of *hidden*, or below."""
    owner = path.partition("@")[0].removesuffix("/")
    return any(f"{owner}/".startswith(f"{root}/") for root in hidden)


@pytest.mark.parametrize("features", ALL_FEATURES.values(), ids=ALL_FEATURES)
@pytest.mark.parametrize(
    "exclude",
    [
        Exclude(paths=paths(b"secret", b"gocryptfs.conf", b".gocryptfs.reverse.conf")),
        Exclude(ignore=ignore(b"*")),
        Exclude(rules=rules(b"- **")),
        Exclude(larger_than=0),
        Exclude(if_present=[b"keep", b".gocryptfs.reverse.conf"]),
    ],
    ids=["paths", "ignore", "rules", "larger_than", "if_present"],
)
def test_nothing_hides_the_config(
    tree: Path, features: Features, exclude: Exclude
) -> None:
    """The config and the root's directory IV are shown, whatever is left out."""
    with excluding_view(tree, exclude, features) as view:
        config, _ = find(view, b"gocryptfs.conf")
        assert content(view, config) == b"the config\n"
        shown = seen(view)
    assert "@conf" in shown
    assert ("@diriv" in shown) == (features.dir_iv and not features.plaintext_names)
    assert "secret" not in shown


def test_a_root_that_is_marked_keeps_its_config(tree: Path) -> None:
    """A cache tag in the root leaves the tag, the config and the directory IV."""
    (tree / "CACHEDIR.TAG").write_bytes(CACHE_SIGNATURE)
    with excluding_view(tree, Exclude(caches=True)) as view:
        assert seen(view) == {"CACHEDIR.TAG", "@diriv", "@conf"}


@pytest.mark.parametrize(
    ("tag", "is_cache"),
    [
        (CACHE_SIGNATURE, True),
        (CACHE_SIGNATURE + b"x", True),
        (CACHE_SIGNATURE[:-1], False),
        (CACHE_SIGNATURE[:-1] + b"6", False),
        (b" " + CACHE_SIGNATURE, False),
        (b"", False),
        ("symlink", False),
        ("fifo", False),
        ("directory", False),
        ("dangling", False),
    ],
)
def test_only_a_signed_tag_marks_a_cache(
    tree: Path, tag: bytes | str, is_cache: bool
) -> None:
    """A cache is what holds a regular file that begins with the signature."""
    path = tree / "build" / "CACHEDIR.TAG"
    path.unlink()
    match tag:
        case bytes():
            path.write_bytes(tag)
        case "symlink":
            path.symlink_to("../cache/CACHEDIR.TAG")
        case "dangling":
            path.symlink_to("nowhere")
        case "fifo":
            os.mkfifo(path)
        case _:
            path.mkdir()
    with excluding_view(tree, Exclude(caches=True)) as view:
        shown = seen(view)
    assert {"build", "build/CACHEDIR.TAG"} <= shown
    assert ("build/a.o" in shown) is not is_cache


def test_anything_of_the_name_marks_a_directory(tree: Path) -> None:
    """A marker may be a directory or a dangling link, and stays visible itself."""
    (tree / "odd" / ".nobackup").symlink_to("nowhere")
    (tree / "home" / ".nobackup").mkdir()
    with excluding_view(tree, Exclude(if_present=[b".nobackup"])) as view:
        shown = {path for path in seen(view) if path.startswith(("home/", "odd/"))}
    expected = {"home/.nobackup", "home/.nobackup/@diriv", "home/@diriv"}
    assert shown == expected | {"odd/.nobackup", "odd/@diriv"}


def mark_nodump(path: Path) -> None:
    """Mark a file with `chattr +d`, or skip the test where that cannot be done."""
    result = subprocess.run(["chattr", "+d", path], capture_output=True, check=False)
    if result.returncode:
        pytest.skip(f"NOT TESTED: no file can be marked nodump here: {result.stderr!r}")


@pytest.mark.parametrize("features", ALL_FEATURES.values(), ids=ALL_FEATURES)
def test_nodump_is_left_out(tree: Path, features: Features) -> None:
    """What is marked with `chattr +d` is hidden, with what is in it; links are not."""
    for name in ("keep", "build"):
        mark_nodump(tree / name)
    (tree / "link").symlink_to("keep")
    with excluding_view(tree, Exclude(), features) as view:
        everything = seen(view)
    with excluding_view(tree, Exclude(nodump=True), features) as view:
        shown = seen(view)
    gone = {path for path in everything if belongs_to(path, ["keep", "build"])}
    assert {"keep", "build", "build/a.o"} <= gone
    assert shown == everything - gone

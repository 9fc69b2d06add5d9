"""`revcrypt paper`: what is on the sheet opens the backup."""

import re
import shlex
import subprocess
from datetime import datetime
from hashlib import sha256
from html import unescape
from pathlib import Path
from stat import S_IMODE

import pytest
import zxingcpp

from revcrypt.errors import ExitCode
from revcrypt.format.keys import fingerprint
from revcrypt.recovery import paper
from tests.cli.refusals import checked
from tests.cli.rescuing import CONFIG, REVERSE_CONFIG, WRONG, Case, rescue
from tests.cli.terminal import Terminal
from tests.support import KEY, PASSPHRASE, REVCRYPT, Mounts, wait_for_unmount
from tests.view.trees import ALL_FEATURES

LONG = "long " * 20
LINES = "\n".join(paper.lines(KEY))
BLOCKS = {" ": (0, 0), "▄": (0, 1), "▀": (1, 0), "█": (1, 1)}


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A tree and a copy of its view."""
    return make_case(tmp_path, next(iter(ALL_FEATURES)))


def make_case(tmp_path: Path, features: str) -> Case:
    case = Case(tmp_path, ALL_FEATURES[features])
    (case.plain / LONG).write_text("content")
    (case.plain / "link").symlink_to("target")
    case.pull()
    return case


def scan(rows: list[list[int]]) -> str:
    """Return what a scanner makes of a code, whose dark modules are 1."""
    size = 4
    pixels = b"".join(
        bytes(255 * (1 - module) for module in row for _ in range(size)) * size
        for row in rows
    )
    image = memoryview(pixels).cast("B", (len(rows) * size, len(rows[0]) * size))
    [found] = zxingcpp.read_barcodes(image)
    return found.text


def printed_code(text: str) -> list[list[int]]:
    """Return the code that is printed in half blocks at the end of *text*."""
    lines = text.split("The eight lines again:\n\n")[1].rstrip("\n").split("\n")
    return [[BLOCKS[block][half] for block in line] for line in lines for half in (0, 1)]


def drawn_code(html: str) -> list[list[int]]:
    """Return the code that is drawn in a page, which is a path of horizontal strokes."""
    size = int(re.search(r'viewBox="0 0 (\d+) ', html)[1])
    rows = [[0] * size for _ in range(size)]
    x = y = 0.0
    path = re.search(r'<path[^>]* d="([^"]+)"', html)[1]
    for letter, first, second in re.findall(
        r"([Mmh])(-?[\d.]+)(?:[ ,]?(-?[\d.]+))?", path
    ):
        if letter == "h":
            for at in range(int(x), int(x) + int(first)):
                rows[int(y)][at] = 1
            x += int(first)
        elif letter == "M":
            x, y = float(first), float(second)
        else:
            x, y = x + float(first), y + float(second)
    return rows


def commands(text: str) -> dict[str, str]:
    """Return the commands on a sheet by their first two words."""
    joined = text.replace("\\\n", " ")
    found = re.findall(r"^ {4}((?:revcrypt|gocryptfs) .*)$", joined, re.MULTILINE)
    return {" ".join(command.split()[:2]): command for command in found}


@pytest.mark.parametrize("form", ["--text", "--html"])
def test_what_is_on_it(case: Case, form: str) -> None:
    """Everything that is needed is there, and the code says what the lines say."""
    said = rescue("paper", "-q", form, case.passphrase, case.plain)
    assert said.stderr == ""
    text = said.stdout.decode()
    code = drawn_code(text) if form == "--html" else printed_code(text)
    assert scan(code) == LINES
    assert paper.parse(scan(code)) == KEY
    shown = unescape(re.sub("<[^>]+>", " ", text))
    today = datetime.now().astimezone().date().isoformat()
    checksum = sha256((case.plain / REVERSE_CONFIG).read_bytes()).hexdigest()
    for part in (*paper.lines(KEY), today, checksum, fingerprint(KEY), str(case.plain)):
        assert part in shown
    assert "-".join(KEY.hex()[at : at + 8] for at in range(0, 64, 8)) in shown
    assert "http" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "")
    if form == "--text":
        # Only where the backup is may take more.
        assert max(map(len, text.replace(str(case.plain), "").split("\n"))) <= 80
        assert rescue("paper", "-q", case.passphrase, case.plain).stdout == said.stdout


@pytest.mark.fuse
@pytest.mark.parametrize("features", ALL_FEATURES)
def test_its_commands_restore(tmp_path: Path, mounts: Mounts, features: str) -> None:
    """Each command brings the files back, with no config and what the sheet says."""
    case = make_case(tmp_path, features)
    text = rescue("paper", "-q", case.passphrase, case.copy).stdout.decode()
    (case.copy / CONFIG).unlink()
    found = commands(text)
    dest, mountpoint = tmp_path / "dest", mounts.mountpoint("mounted")
    words = [
        str(case.copy) if word == "CIPHERDIR" else word
        for word in shlex.split(found["revcrypt restore"])
    ]
    words[words.index("DESTINATION")] = str(dest)
    rescue(*words[1:], stdin=LINES.encode())
    assert (dest / LONG).read_text() == "content"
    words = shlex.split(found["gocryptfs -ro"])
    words[-2:] = [str(case.copy), str(mountpoint)]
    key = re.search(r"^ {4}((?:[0-9a-f]{8}-){7}[0-9a-f]{8})$", text, re.MULTILINE)[1]
    # What stays in the background must not hold a pipe of ours.
    subprocess.run(
        words,
        input=key.encode(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
        timeout=60,
    )
    assert (mountpoint / LONG).read_text() == "content"
    assert (mountpoint / "link").readlink() == Path("target")
    subprocess.run(["umount", mountpoint], check=True)
    wait_for_unmount(mountpoint)


def test_typed_on_a_terminal(case: Case) -> None:
    """A mistyped line is asked for again at once; then there is a passphrase again."""
    command = commands(rescue("paper", case.passphrase, case.copy).stdout.decode())
    (case.copy / CONFIG).unlink()
    words = shlex.split(command["revcrypt recover-config"])[1:-1]
    lines = paper.lines(KEY)
    asked = [("Master key: ", lines[0][3:-1]), ("Line 1: ", lines[0][3:])]
    asked += [("Line 2: ", lines[1].replace("4", "5", 1))]
    asked += [(f"Line {at}: ", lines[at - 1]) for at in range(2, 9)]
    asked += [("Passphrase: ", PASSPHRASE), ("Repeat: ", PASSPHRASE)]
    terminal = Terminal()
    words = [*REVCRYPT, *words, "--scrypt-n=10", str(case.copy)]
    assert terminal.run(words, asked) == ExitCode.OK
    assert "line 1 of the master key has 11 digits, not 12; type it" in terminal.shown
    assert "line 2 of the master key is mistyped; type it again" in terminal.shown
    assert lines[1][3:7] not in terminal.shown
    assert rescue("cat", case.passphrase, case.copy, LONG).stdout == b"content"


def test_mistyped(case: Case) -> None:
    """What is piped in says which line is wrong, and nothing of the key."""
    words = ("ls", "--masterkey=-", case.copy)
    wrong = LINES.replace("0809", "0808").encode()
    said = rescue(*words, status=ExitCode.MASTER_KEY, stdin=wrong).stderr
    assert "line 3 of the master key is mistyped" in checked(said)
    assert "080" not in said


def test_the_sheet_itself(case: Case) -> None:
    """Printed as text into a file, it is a file with the key."""
    sheet = case.directory / "sheet"
    rescue("paper", "-q", case.passphrase, case.plain, "-o", sheet)
    assert rescue("ls", f"--masterkey={sheet}", case.copy).lines


def test_written_to_a_file(case: Case) -> None:
    """A file is new and its owner's; in what is backed up, it is worth a warning."""
    path = case.directory / "sheet"
    words = ("paper", case.passphrase, case.plain)
    said = rescue(*words, "-o", path)
    assert said.stdout == b""
    assert f"print {path}, and delete it" in said.stderr
    assert "warning" not in said.stderr
    assert S_IMODE(path.stat().st_mode) == 0o600
    assert LINES.split("\n")[7] in path.read_text()
    checked(rescue(*words, "-q", "-o", path, status=ExitCode.OTHER).stderr)
    inside = case.plain / "sheet"
    assert "the backup would hold it" in rescue(*words, "-o", inside).stderr


def test_no_sheet_of_a_wrong_key(case: Case) -> None:
    """A master key that nothing proves is not printed."""
    words = ("paper", "-q", case.masterkey)
    assert "--proof" in checked(rescue(*words, case.plain, status=ExitCode.USAGE).stderr)
    proof = f"--proof={case.copy}"
    assert LINES.split("\n")[7].encode() in rescue(*words, proof, case.plain).stdout
    (case.directory / "keyfile").write_text(WRONG.hex())
    checked(rescue(*words, proof, case.plain, status=ExitCode.MASTER_KEY).stderr)

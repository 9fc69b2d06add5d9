"""The sheet of paper that opens a backup: as text for a terminal or lpr, and as HTML."""

from dataclasses import dataclass, field
from html import escape

import segno

from revcrypt.format.config import Features
from revcrypt.format.keys import fingerprint, format_master_key
from revcrypt.recovery import paper

_TITLE = "The key of an encrypted backup"
_WARNING = "Whoever reads this can read the backup. Keep it where only you get at it."
_HOW = "Type the eight lines as they are; each one's last four digits are its check."
_BLOCKS = {(0, 0): " ", (0, 1): "▄", (1, 0): "▀", (1, 1): "█"}
_STYLE = """
@page { size: A4; margin: 18mm }
body { font: 11pt/1.4 sans-serif; max-width: 174mm; margin: auto; color: #000 }
h1 { font-size: 16pt; margin: 0 0 2mm } h2 { font-size: 12pt; margin: 5mm 0 1mm }
p { margin: 1mm 0 } pre { font: 11pt/1.3 monospace; white-space: pre-wrap; margin: 1mm 0 }
.key { font-size: 18pt; line-height: 1.5 } .side { display: flex; gap: 15mm }
.side, pre, table { break-inside: avoid } svg { width: 60mm; height: 60mm; flex: none }
th { text-align: left; font-weight: normal; padding-right: 6mm; vertical-align: top }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What a sheet says. *date* is today's, as ISO 8601 has it.

    *config_checksum* is the SHA-256 of the config, in hex digits.
    """

    master_key: bytes = field(repr=False)
    features: Features
    name: str
    """What the backup is called, for people: usually a directory and a host."""
    date: str
    config_checksum: str

    @property
    def key_lines(self) -> str:
        """The master key as it is to be typed, and as the QR code has it."""
        return "\n".join(paper.lines(self.master_key))

    def _facts(self) -> list[tuple[str, str]]:
        features = self.features
        names = "encrypted" if features.dir_iv else "encrypted, deterministic"
        facts = [
            ("backup", self.name),
            ("printed on", self.date),
            ("format", "gocryptfs, version 2"),
            ("cipher", features.cipher.label),
            ("names", "not encrypted" if features.plaintext_names else names),
        ]
        if not features.plaintext_names:
            facts += [
                ("long names", f"hashed from {features.long_name_max + 1} bytes on"),
                ("base64", "without padding" if features.raw64 else "with padding"),
            ]
        return [
            *facts,
            ("HKDF", "yes" if features.hkdf else "no"),
            ("fingerprint", fingerprint(self.master_key)),
            ("config sha256", self.config_checksum),
        ]

    def _commands(self) -> list[tuple[str, str]]:
        options = " ".join(self.features.gocryptfs_options())
        key = format_master_key(self.master_key).replace("\n", "")
        return [
            (
                "With revcrypt, which asks for the lines or takes what a scanner yields:",
                "revcrypt restore --masterkey - CIPHERDIR DESTINATION",
            ),
            (
                "With gocryptfs, which waits for the key in its own notation:",
                f"gocryptfs -ro -masterkey=stdin {options} CIPHERDIR MOUNTPOINT",
            ),
            ("The key in the notation of gocryptfs, one line without blanks:", key),
            (
                "To use a passphrase again:",
                "revcrypt recover-config --masterkey - CIPHERDIR",
            ),
        ]

    def as_text(self) -> str:
        """Return the sheet for a printer of text, in UTF-8 and at most 80 columns."""
        facts = self._facts()
        width = max(len(label) for label, _ in facts) + 2
        parts = [
            f"{_TITLE}\n\n{_WARNING}\n",
            "".join(f"    {line}\n" for line in self.key_lines.split("\n")),
            f"{_HOW}\n",
            "".join(f"{label + ':':{width}}{text}\n" for label, text in facts),
        ]
        for what, command in self._commands():
            parts.append(f"{what}\n" + _wrapped(command))
        parts.append(f"The eight lines again:\n\n{self._blocks()}")
        return "\n".join(parts)

    def as_html(self) -> str:
        """Return the sheet as a page that needs nothing else, made to be printed."""
        facts = "".join(
            f"<tr><th>{escape(label)}</th><td>{escape(text)}</td></tr>\n"
            for label, text in self._facts()
        )
        commands = "".join(
            f"<p>{escape(what)}</p>\n<pre>{escape(command)}</pre>\n"
            for what, command in self._commands()
        )
        code = self._code().svg_inline(scale=1, border=4, omitsize=True)
        return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{_TITLE}</title><style>{_STYLE}</style></head>
<body>
<h1>{_TITLE}</h1>
<p><strong>{_WARNING}</strong></p>
<div class="side"><pre class="key">{self.key_lines}</pre>{code}</div>
<p>{_HOW}</p>
<h2>What it is for</h2>
<table>
{facts}</table>
<h2>How to get everything back</h2>
{commands}</body>
</html>
"""

    def _code(self) -> segno.QRCode:
        # Paper is folded and gets wet: a quarter of the code may be unreadable.
        return segno.make_qr(self.key_lines, error="q")

    def _blocks(self) -> str:
        """Return the QR code in half blocks, black on white as ink has it."""
        rows = [tuple(row) for row in self._code().matrix_iter(border=4)]
        if len(rows) % 2:
            rows.append((0,) * len(rows[0]))
        return "".join(
            "".join(_BLOCKS[int(above), int(below)] for above, below in zip(*pair)) + "\n"
            for pair in zip(rows[::2], rows[1::2])
        )


def _wrapped(command: str) -> str:
    """Return a command in lines of a printer, cut as a shell takes it."""
    lines = [""]
    for word in command.split(" "):
        if lines[-1] and len(lines[-1]) + len(word) > 70:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return "    " + " \\\n        ".join(lines) + "\n"

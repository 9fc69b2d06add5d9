"""Reading of configs: what is no config at all."""

import json
from pathlib import Path

import pytest

from revcrypt.errors import ConfigUnreadableError, UserError
from revcrypt.format import config

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/configs.json").read_text())
TEXT = VECTORS[0]["text"].rstrip()
OPEN = TEXT.removesuffix("}")


def test_good() -> None:
    """The config that all others of this file differ from is good, and holds 1024."""
    assert config.parse(TEXT.encode()).scrypt.n == 1024
    assert TEXT.count("1024") == TEXT.count('"N": 1024') == 1
    assert TEXT == OPEN + "}"


DEEP = 100_000
UNREADABLE = {
    "empty": "",
    "space": " \r\n\t",
    "not closed": OPEN,
    "half": TEXT[: len(TEXT) // 2],
    "a brace": "{",
    "a list": "[]",
    "in a list": f"[{TEXT}]",
    "a string": '"text"',
    "a number": "2",
    "null": "null",
    "true": "true",
    "trailing character": TEXT + "x",
    "twice": TEXT + TEXT,
    "single quotes": TEXT.replace('"', "'"),
    "hex number": TEXT.replace("1024", "0x400"),
    "trailing comma": OPEN + ",}",
    "comment": "// comment\n" + TEXT,
    "byte order mark": "\ufeff" + TEXT,
    "deep and open": "[" * DEEP,
    "deep list": "[" * DEEP + "]" * DEEP,
    "deep object": '{"a":' * DEEP,
    "deep value": OPEN + ', "Unknown": ' + "[" * DEEP + "]" * DEEP + "}",
    "duplicate key": OPEN + ', "Version": 2}',
    "duplicate key in another case": OPEN + ', "version": 2}',
    "duplicate inner key": TEXT.replace('"N": 1024', '"N": 1024, "n": 65536'),
    "NaN": TEXT.replace("1024", "NaN"),
    "Infinity": TEXT.replace("1024", "Infinity"),
    "-Infinity": TEXT.replace("1024", "-Infinity"),
    "NaN for an unknown key": OPEN + ', "Unknown": NaN}',
    "infinite": OPEN + ', "Unknown": 1e999}',
    "number of 5000 digits": TEXT.replace("1024", "1" * 5000),
    "line end in a string": TEXT.replace("gocryptfs 2.3", "a\nb"),
}


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable(text: str) -> None:
    """What is no JSON object, or says a thing twice, is no config at all."""
    with pytest.raises(ConfigUnreadableError) as caught:
        config.parse(text.encode())
    assert caught.value.exit_code == 23


@pytest.mark.parametrize("data", [b"\xff\xfe{}", b"\x00" * 400, TEXT.encode("utf-16")])
def test_not_text(data: bytes) -> None:
    """What is not UTF-8 text is no config at all."""
    with pytest.raises(ConfigUnreadableError):
        config.parse(data)


def test_every_truncation() -> None:
    """A config cut off anywhere is told to be unreadable."""
    for size in range(len(TEXT)):
        with pytest.raises(ConfigUnreadableError):
            config.parse(TEXT.encode()[:size])


def test_message_keeps_the_wrapped_key() -> None:
    """A message about a broken config does not repeat the wrapped key."""
    wrapped = json.loads(TEXT)["EncryptedKey"]
    marked = TEXT.replace(wrapped, "SECRET" * 16 + "!")
    for text in (marked, marked[:-3], marked.replace("!", ""), f"[{marked}]"):
        with pytest.raises(UserError) as caught:
            config.parse(text.encode())
        assert "SECRET" not in str(caught.value)

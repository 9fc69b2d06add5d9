"""Compiling the programs of these tests that must be in C."""

import shlex
import subprocess
from pathlib import Path


def compile_program(name: str, directory: Path, *packages: str) -> Path:
    """Compile `NAME.c` with the libraries of *packages*, as pkg-config knows them."""
    program = directory / name
    source = Path(__file__).with_name(f"{name}.c")
    words = ["cc", "-O1", "-Wall", "-Wextra", "-Werror", "-o", program, source]
    for package in packages:
        query = ["pkg-config", "--cflags", "--libs", package]
        words += shlex.split(subprocess.check_output(query, text=True))
    subprocess.run(words, check=True, timeout=60)
    return program

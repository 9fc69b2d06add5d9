"""The compiled part, which is optional; everything else is in pyproject.toml."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "revcrypt.format._bulk",
            sources=[f"revcrypt/format/{name}.c" for name in ("_bulk", "siv", "eme")],
            depends=["revcrypt/format/siv.h", "revcrypt/format/eme.h"],
            libraries=["crypto"],
            define_macros=[("Py_LIMITED_API", "0x030B0000")],
            py_limited_api=True,
            # Without a compiler and OpenSSL's headers, `cryptography` does it all.
            optional=True,
        )
    ]
)

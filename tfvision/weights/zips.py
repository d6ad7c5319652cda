"""Zip files whose entries take no more memory than the file can stand for.

A zip file's directory may lie: of sizes, of names that stand there twice, of entries that share
their bytes. All is checked before anything is unpacked."""

from __future__ import annotations

import os
import struct
import zipfile
from typing import Any

MAGIC = b"PK\x03\x04"
_CHUNK = 2**20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
# A listed entry of 100 bytes takes a kilobyte of memory: more listing than that is refused.
_END, _LOCATOR, _LONG_END = 22, 20, 56  # bytes of the records at a zip file's end
_DIRECTORY = 4 * 2**20  # bytes, and an eighth of the file


class Unsound(ValueError):
    """A zip file that claims what cannot be, or more than its budget."""


def open_checked(file: Any, budget: int) -> zipfile.ZipFile:
    """The archive. file: an open binary file. budget: bytes that all entries may have together.

    Raises Unsound for one that is no honest zip file, and zipfile.BadZipFile for a broken one."""
    size = file.seek(0, os.SEEK_END)
    listing = _directory_size(file, size)
    if listing > _DIRECTORY + size // 8:
        raise Unsound(f"its list of entries has {listing:,} bytes of the file's {size:,}")
    archive = zipfile.ZipFile(file)
    entries = archive.infolist()
    names = {entry.filename for entry in entries}
    if len(names) != len(entries):
        raise Unsound("it lists a name twice")
    for entry in entries:
        if entry.compress_type not in _METHODS or entry.flag_bits & _ENCRYPTED:
            raise Unsound(f"'{entry.filename[:99]}' is encrypted or packed otherwise than deflated")
        if entry.compress_type == zipfile.ZIP_STORED and entry.file_size != entry.compress_size:
            raise Unsound(f"'{entry.filename[:99]}' is not packed, and yet of two sizes")
    packed, unpacked = (sum(getattr(e, f) for e in entries) for f in ("compress_size", "file_size"))
    if packed > size:
        raise Unsound(f"its entries claim {packed:,} bytes of the file's {size:,}")
    if unpacked > budget:
        raise Unsound(f"{size:,} bytes unpack to {unpacked:,}, where {budget:,} are allowed")
    return archive


def read(archive: zipfile.ZipFile, name: str) -> bytearray:
    """The bytes of an entry; KeyError where there is none, Unsound where it is not as listed."""
    entry = archive.getinfo(name)
    data = bytearray()
    with archive.open(entry) as file:
        while chunk := file.read(_CHUNK):
            data += chunk
    if len(data) != entry.file_size:
        raise Unsound(f"'{name[:99]}' has {len(data):,} bytes, not {entry.file_size:,}")
    return data


def _directory_size(file: Any, size: int) -> int:
    """Bytes of the list of entries, as the end of the file has it; 0 where there is no such end."""
    file.seek(max(0, size - 2**16 - _END - _LOCATOR - _LONG_END))
    tail = file.read()
    end = len(tail) - _END  # where there is no comment behind it; else the last that is found
    if tail[-_END:][:4] != b"PK\x05\x06" or tail[-2:] != b"\0\0":
        end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) - end < _END:
        return 0
    (value,) = struct.unpack_from("<L", tail, end + 12)
    locator = end - _LOCATOR
    if locator >= 0 and tail[locator : locator + 4] == b"PK\x06\x07":
        start = locator - _LONG_END
        if start < 0 or tail[start : start + 4] != b"PK\x06\x06":
            raise Unsound("its end is not where it says")
        (value,) = struct.unpack_from("<Q", tail, start + 40)
    return value

"""What a weight file is, by its first bytes and its structure; its extension says nothing.

What is not a weight file, but often lies in the place of one (a web page, a pointer of git-lfs, an
archive), is called by its name, with the way out."""

from __future__ import annotations

import os
import re
import struct
import zipfile

from tfvision import errors
from tfvision.weights import zips

TORCH_ZIP, PICKLE, SAFETENSORS, HDF5, KERAS, NPZ, DARKNET, RUN = (
    *("torch zip", "pickle", "safetensors", "HDF5", "Keras zip", "npz", "Darknet", "run"),
)
KNOWN = (
    "PyTorch checkpoints, .safetensors, .npz, Keras's .h5 and .keras, Darknet's .weights and run"
    " folders of tfvision, known by their content whatever the extension"
)
KERAS_WEIGHTS = "model.weights.h5"  # inside a .keras file
_SAVE_KERAS = "load it where it was made and save model.save_weights('NAME.weights.h5')"
_UNPACK = "unpack it and give the file inside"
# First bytes of what is not a weight file -> its name, and the way out
_OTHERS = {
    b"version https://git-lfs.github.com/spec": (
        "a pointer of git-lfs, not the file itself",
        "fetch it with git lfs pull",
    ),
    b"\x1f\x8b": ("a gzip file", "unpack it with gunzip"),
    b"BZh": ("a bzip2 file", "unpack it with bunzip2"),
    b"\xfd7zXZ\0": ("an xz file", "unpack it with unxz"),
    b"\x28\xb5\x2f\xfd": ("a zstd file", "unpack it with unzstd"),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", _UNPACK),
    b"\x93NUMPY": ("one bare array of NumPy", "save all by name with np.savez"),
    b"GGUF": ("a GGUF file", "convert it to .safetensors"),
    b"<?xml": ("an XML page, as servers answer with in place of a file", "download it again"),
}
_HTML = (b"<!doctype html", b"<html", b"<head")
_TAR = b"ustar"  # at byte 257
_TF_SHARD = re.compile(r"\.data-\d{5}-of-\d{5}$")
_TF_TABLE = struct.pack("<Q", 0xDB4775248B80FB57)  # the end of a TensorFlow checkpoint's .index


def identify(path: str) -> str:
    """The format of a weight file, one of this module's constants.

    Raises DataError for a path that is not there and for all other files."""
    if os.path.isdir(path):
        return _folder(path)
    if not os.path.isfile(path):
        if os.path.isfile(f"{path}.index"):
            raise _tensorflow(path)
        raise errors.DataError(f"{path} is not there, or not a file (weights are {KNOWN})")
    try:
        with open(path, "rb") as file:
            head = file.read(2048)
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - len(_TF_TABLE)))
            tail = file.read()
    except OSError as error:
        raise errors.DataError(f"{path} cannot be read: {error.strerror}") from error
    if tail == _TF_TABLE or _TF_SHARD.search(path):
        raise _tensorflow(path)
    refuse_others(path, head)
    format_name = _of_head(path, head, end)
    if format_name is None:
        raise errors.DataError(
            f"{path} is not a weight file, or a truncated one: it starts with {head[:8]!r}"
            f" (weights are {KNOWN})"
        )
    return format_name


def broken(path: str, error: Exception) -> errors.DataError:
    """The error of a file that a library could not read, in one line."""
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return errors.DataError(f"{path} is broken or truncated ({reason})")


def refuse_others(path: str, head: bytes) -> None:
    """Raises DataError for a file that is positively no weight file. head: its first bytes."""
    if not head:
        raise errors.DataError(f"{path} is empty: truncated when it was copied or downloaded")
    start = head.lstrip()[:1024].lower()
    if start.startswith(_HTML):
        raise errors.DataError(
            f"{path} is a web page (HTML), not weights: the address wants a login or a click;"
            " download the file itself"
        )
    for first, (name, way_out) in _OTHERS.items():
        if head.startswith(first):
            raise errors.DataError(f"{path} is {name}; {way_out}")
    if head[257:262] == _TAR:
        raise errors.DataError(
            f"{path} is a tar archive; {_UNPACK} (PyTorch before 0.1.10 wrote such files: save it"
            " with a newer one)"
        )
    if len(head) > 8 and all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head):
        raise errors.DataError(f"{path} is text, not weights: it starts {head[:40]!r}")


def _of_head(path: str, head: bytes, size: int) -> str | None:
    """The format that the first bytes tell, or None."""
    if head.startswith((zips.MAGIC, b"PK\x05\x06")):
        return _zip(path)
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return HDF5
    if head[0] == 0x80 and len(head) > 1 and head[1] <= 5:
        return PICKLE
    if len(head) > 8 and head[8:9] == b"{" and struct.unpack_from("<Q", head)[0] < 2**32:
        return SAFETENSORS
    return DARKNET if is_darknet(head, size) else None


def is_darknet(head: bytes, size: int) -> bool:
    """Can it be a Darknet .weights file? They start with a version, three small numbers."""
    if len(head) < 16 or size % 4:
        return False
    major, minor, revision = struct.unpack_from("<3i", head)
    return 0 <= major < 3 and 0 <= minor < 10 and 0 <= revision < 100 and (major, minor) != (0, 0)


def _zip(path: str) -> str:
    try:
        with open(path, "rb") as file:
            names = zips.open_checked(file, budget=2**62).namelist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise broken(path, error) from error
    if any(name == "data.pkl" or name.endswith("/data.pkl") for name in names):
        return TORCH_ZIP
    if KERAS_WEIGHTS in names:
        return KERAS
    if names and all(name.endswith(".npy") for name in names):
        return NPZ
    raise errors.DataError(
        f"{path} is a zip file of another kind, and no PyTorch checkpoint (no data.pkl), .keras or"
        f" .npz: it contains {', '.join(name[:60] for name in names[:5]) or 'nothing'}; if the"
        " weights are among them, unpack it"
    )


def _folder(path: str) -> str:
    names = os.listdir(path)
    if "saved_model.pb" in names or "keras_metadata.pb" in names:
        raise errors.DataError(f"{path} is a SavedModel, which is not read; {_SAVE_KERAS}")
    ours = "state.json" in names or "checkpoints" in names
    if not ours and any(name.endswith(".index") for name in names):
        raise _tensorflow(path)
    return RUN


def _tensorflow(path: str) -> errors.DataError:
    return errors.DataError(
        f"{path} is a checkpoint of TensorFlow, which is not read; {_SAVE_KERAS}"
    )

"""Weight files that want memory or time without bound, each by a function that writes one."""

import pickle
import struct
import warnings
import zipfile
import zlib

import h5py
import numpy as np
from torch_files import Named, pickled, tensor, write_legacy, write_zip

MIB = 2**20
BIG = 2**40


def _op(name, *arguments):
    """An instruction with its bytes."""
    return getattr(pickle, name) + b"".join(arguments)


def text(text):
    return _op("BINUNICODE", struct.pack("<I", len(text)), text.encode())


def named(module, name):
    return _op("GLOBAL", f"{module}\n{name}\n".encode())


def pickle_zip(path, program, **entries):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x04" + program + b".")
        for name, data in entries.items():
            archive.writestr(f"a/data/{name}", data)


def plain(path, program):
    path.write_bytes(b"\x80\x04" + program + b".")


def _memo(path):
    plain(path, b"}" + _op("LONG_BINPUT", struct.pack("<I", 2**28)))


def _long_bytes(path):
    plain(path, _op("BINBYTES8", struct.pack("<Q", BIG)))


def _long_frame(path):
    plain(path, _op("FRAME", struct.pack("<Q", BIG)) + b"}")


def _nested_key(path):
    pairs = b")" + b"2\x86" * 64
    plain(path, b"}" + pairs + b"Ns")


def _empty_dicts(path):
    plain(path, b"(" + b"}" * MIB + b"l")


def _copied_text(path):
    once = named("_codecs", "encode") + b"q\x00" + text("x" * MIB) + b"q\x01" + text("latin1")
    again = b"(" + b"h\x00h\x01\x85R" * 30_000 + b"l"
    plain(path, once + b"q\x020" + again)


def _copied_list(path):
    items = b"(" + b"K\x01K\x02\x86" * 30_000 + b"lq\x01"
    again = b"(" + b"h\x00h\x01\x85R" * 10_000 + b"l"
    plain(path, named("collections", "OrderedDict") + b"q\x000" + items + again)


def _long_names(path):
    name = text("x" * MIB) + b"q\x000"
    plain(path, name + b"(" + b"h\x00h\x00\x93" * 30_000 + b"l")


def _deep_lists(path):
    plain(path, b"]" * 80_000 + b"a" * 79_999)


def _deep_tuples(path):
    plain(path, b")" + b"\x85" * 80_000)


def _dict_in_itself(path):
    keys = b"".join(text(k) + b"h\x00s" for k in ("model", "net", "module", "state_dict", "ema"))
    plain(path, b"}q\x00" + keys)


def _module_in_itself(path):
    module = {"_parameters": {}, "_buffers": {}, "_modules": {}}
    module["_modules"].update(a=module, b=module)
    path.write_bytes(pickled(module))


def _storage_key(path):
    kind, key = Named("torch", "FloatStorage"), ()
    for _ in range(60):
        key = (key, key)
    pid = pickled(("storage", kind, key, "cpu", 1))[2:-1]
    pickle_zip(path, pid + pickle.BINPERSID)


def _stride_zero(path):
    write_zip(path, {"w": tensor((2**20, 2**12), (0, 0))}, {"0": bytes(48)})


def _many_views(path):
    views = {f"{i}.w": tensor((2**18,), (1,), count=2**18) for i in range(200)}
    write_zip(path, views, {"0": bytes(MIB)})


def _large_shape(path):
    write_zip(path, {"w": tensor((0, 2**61), (1, 1))}, {"0": bytes(48)})


def _legacy_count(path):
    write_legacy(path, {"w": tensor((1,), (1,))}, {"0": np.zeros(12, np.float32)})
    data = path.read_bytes()
    path.write_bytes(data[:-56] + struct.pack("<q", BIG) + data[-48:])


def _deflated(path, name, size):
    """A zip file of one entry of zeros."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(name, "w", force_zip64=True) as file,
    ):
        for _ in range(size // MIB):
            file.write(bytes(MIB))


def _bomb(path):
    _deflated(path, "a/data/0", 256 * MIB)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("a/data.pkl", pickled({"w": tensor((1,), (1,), count=1)}))


def _lying_bomb(path):
    """256 MiB that are listed as 12 bytes."""
    packer = zlib.compressobj(1, wbits=-15)
    packed = b"".join(packer.compress(bytes(MIB)) for _ in range(256)) + packer.flush()
    write_zip(path, {"w": tensor((1,), (1,), count=1)}, {"0": packed})
    data = bytearray(path.read_bytes())
    fields = ((b"PK\x03\x04", 8, 22), (b"PK\x01\x02", 10, 24))  # method, size unpacked
    for magic, method, size in fields:
        start = data.find(magic)
        while start >= 0:
            name = b"archive/data/0"
            if data[start : start + 150].find(name) in (30, 46):
                struct.pack_into("<H", data, start + method, zipfile.ZIP_DEFLATED)
                struct.pack_into("<I", data, start + size, 12)
            start = data.find(magic, start + 4)
    path.write_bytes(data)


def _npz_bomb(path):
    _deflated(path, "w.npy", 256 * MIB)


def _npz_shape(path):
    head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,), }"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("w.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head)


def _twice(path):
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("a/data.pkl", b"\x80\x02}.")
        archive.writestr("a/data.pkl", b"\x80\x02].")


def _shared_entries(path):
    """100 names of the same MiB."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}.")
        archive.writestr("a/data/0", bytes(MIB))
        last = archive.filelist[-1]
        for index in range(1, 100):
            copy = zipfile.ZipInfo(f"a/data/{index}")
            for field in ("header_offset", "file_size", "compress_size", "CRC"):
                setattr(copy, field, getattr(last, field))
            archive.filelist.append(copy)


def _many_entries(path):
    entry = (
        struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, *[0] * 6) + b"a"
    )
    count = 6 * MIB // len(entry)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 65535, 65535, count * len(entry), 0, 0)
    path.write_bytes(entry * count + end)
    path.write_bytes(b"PK\x03\x04" + bytes(26) + path.read_bytes())


def _hdf5(write):
    def make(path):
        with h5py.File(path, "w") as file:
            write(file, file.create_group("layers/dense/vars"), str(path))

    return make


def _unwritten(file, variables, path):
    variables.create_dataset("0", (2**20, 2**12), "f4", chunks=(1, 2**12))


def _large_chunk(file, variables, path):
    variables.create_dataset("0", (1,), "f4", chunks=(2**29,), maxshape=(None,))


def _packed_chunk(file, variables, path):
    """256 MiB where a chunk of 1 MiB is expected."""
    options = {"chunks": (2**18,), "maxshape": (None,), "compression": "gzip"}
    dataset = variables.create_dataset("0", (1,), "f4", **options)
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(bytes(MIB)) for _ in range(256)) + packer.flush()
    dataset.id.write_direct_chunk((0,), packed)


def _external(file, variables, path):
    variables.create_dataset("0", (4,), "f4", external=[(f"{path}.secret", 0, 16)])


def _virtual(file, variables, path):
    layout = h5py.VirtualLayout((2**30,), "f4")
    layout[:] = h5py.VirtualSource(f"{path}.secret", "w", (2**30,))
    variables.create_virtual_dataset("0", layout)


def _external_link(file, variables, path):
    variables["0"] = h5py.ExternalLink(f"{path}.secret", "/w")


def _own_child(file, variables, path):
    file["layers/dense/layers"] = file["layers"]


def _own_children(file, variables, path):
    """Groups of 8 names for the one around them: 8**16 ways."""
    for index in range(8):
        file[f"layers/{index}/layers"] = file["layers"]


def _many_links(file, variables, path):
    variables["0"] = np.zeros(MIB // 4, np.float32)
    for index in range(1, 100):
        variables[str(index)] = variables["0"]


def _safetensors(path):
    path.write_bytes(struct.pack("<Q", 2**31) + b'{"w":')


FILES = (
    *(_memo, _long_bytes, _long_frame, _nested_key, _empty_dicts, _copied_text, _copied_list),
    *(_long_names, _deep_lists, _deep_tuples, _dict_in_itself, _module_in_itself, _storage_key),
    *(_stride_zero, _many_views, _large_shape, _legacy_count),
    *(_bomb, _lying_bomb, _npz_bomb, _npz_shape, _twice, _shared_entries, _many_entries),
    *map(_hdf5, (_unwritten, _large_chunk, _packed_chunk, _external, _virtual, _external_link)),
    *map(_hdf5, (_own_child, _own_children, _many_links)),
    _safetensors,
)

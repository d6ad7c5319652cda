"""PyTorch's files without torch: its pickles, its zip layout and its legacy one."""

import io
import pickle
import struct
import zipfile


class Named:
    """Pickles as the global `module.name`, which need not exist here."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Call:
    """Pickles as the call function(*arguments)."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments


class Storage:
    def __init__(self, kind, key, count, view=()):
        self.pid = ("storage", Named("torch", kind), key, "cpu", count, *view)


class ModuleClass(Storage):
    """A class of a network, as legacy files hold it."""

    def __init__(self, name):
        self.pid = ("module", Named("models", name), "models.py", f"class {name}: ...")


class Pickler(pickle._Pickler):
    """torch's pickles, without torch: persistent ids for storages, globals by name alone."""

    def persistent_id(self, obj):
        return obj.pid if isinstance(obj, Storage) else None

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, Named):
            self.write(f"c{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, Call):
            self.save(obj.function)
            self.save(obj.arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(obj, save_persistent_id)


def pickled(obj):
    file = io.BytesIO()
    Pickler(file, 2).dump(obj)
    return file.getvalue()


def tensor(shape, strides, *, offset=0, kind="FloatStorage", key="0", count=12, view=()):
    rebuild = Named("torch._utils", "_rebuild_tensor_v2")
    storage = Storage(kind, key, count, view)
    return Call(rebuild, storage, offset, shape, strides, False, {})


def write_zip(path, content, storages, byteorder=b"little"):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled(content))
        archive.writestr("archive/byteorder", byteorder)
        for key, data in storages.items():
            archive.writestr(f"archive/data/{key}", data)
        archive.writestr("archive/version", b"3\n")
    return path


def write_legacy(path, content, storages, little=True):
    system = {"protocol_version": 1001, "little_endian": little, "type_sizes": {}}
    parts = [0x1950A86A20F9469CFC6C, 1001, system, content, list(storages)]
    data = b"".join(struct.pack("<q", a.size) + a.tobytes() for a in storages.values())
    path.write_bytes(b"".join(map(pickled, parts)) + data)
    return path

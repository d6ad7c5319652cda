"""The long proof that every name of `models.names()` is built, fitted, saved and loaded.

    PYTHONPATH=tests python tests/models/every_model.py [NAME ...]

Each network, small, takes one step of `fit` with its task's own losses, is saved as `.keras` and
loaded in another process, where its outputs must be the same, bit for bit. One line a name.
"""

import pathlib
import subprocess
import sys
import tempfile

import keras
import numpy as np
import tensorflow as tf
import test_keras_models
import test_saved_models

from tfvision import models

HERE = pathlib.Path(__file__).parent
LOAD = """
import sys
import keras, numpy as np, tensorflow as tf
import tfvision.models

for path in sys.argv[1:]:
    model, stored = keras.models.load_model(path), np.load(path + ".npz")
    outputs = tf.nest.flatten(model(stored["image"]))
    same = all(np.array_equal(value, stored[str(k)]) for k, value in enumerate(outputs))
    print(path, "same" if same else "OTHER", flush=True)
"""


def options(name, folder):
    if name == "darknet":
        sized = test_saved_models.CFG.replace("[net]", "[net]\nwidth=64\nheight=64")
        (folder / "net.cfg").write_text(sized)
        return {"cfg": str(folder / "net.cfg")}
    return test_saved_models.narrow(name)


def one(name, folder):
    """The path of a fitted model; None where `fit` has not what it trains on."""
    task = models.catalog.task_of(name)
    side = 96 if name == "inception_v3" else 64
    model = models.build(name, num_classes=3, image_size=side, **options(name, folder))
    model.compile(keras.optimizers.SGD(1e-4))
    data = test_keras_models.pairs(task, 2, 2, side)
    if name.startswith("fast_rcnn"):
        data = data.map(with_proposals)
    (loss,) = model.fit(data, verbose=0, shuffle=False).history["loss"]
    assert np.isfinite(loss), name
    path = folder / f"{name}.keras"
    model.save(path)
    image = test_keras_models.images(2, side=side)
    given = {"image": image}
    if name.startswith("fast_rcnn"):
        return None, loss
    outputs = tf.nest.flatten(model(image))
    numbered = {str(k): np.array(value) for k, value in enumerate(outputs)}
    np.savez(f"{path}.npz", **given, **numbered)
    return path, loss


def with_proposals(image, targets):
    count = tf.ones([tf.shape(image)[0]], tf.int32)
    return image, {**targets, "proposals": targets["boxes"], "num_proposals": count}


def main():
    names, paths = sys.argv[1:] or models.names(), []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            path, loss = one(name, pathlib.Path(folder))
            paths += [str(path)] if path else []
            print(f"{name:32} one step, loss {loss:.4g}", flush=True)
            keras.backend.clear_session()
        done = subprocess.run([sys.executable, "-c", LOAD, *paths], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = done.stdout.splitlines()
    assert len(lines) == len(paths)
    assert all(line.endswith(" same") for line in lines), lines
    print(f"{len(lines)} of {len(names)} loaded in another process: the same outputs, bit for bit")


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    main()

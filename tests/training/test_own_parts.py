"""Parts that a user registers: named in a config, trained with, found again by the commands."""

import os
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
import test_trainer
import warm

from tfvision import errors, losses, metrics, registry, training

records = test_trainer.records
pytestmark = [pytest.mark.addons, pytest.mark.usefixtures("small_model")]
MODULE = """
import tensorflow as tf
from tfvision import losses, metrics, registry

@registry.register("classification_loss", "double")
def double(*, logits, targets, factor=2.0):
    return factor * losses.cross_entropy(logits=logits, targets=targets)

@registry.register("augmentation", "darker")
def darker(sample, seed, *, by=0.5):
    return {**sample, "image": sample["image"] * by}

@registry.register("classification_metric", "confidence")
def confidence(class_names):
    return [Confidence()]

class Confidence(metrics.Metric):
    gathers = ("_sums",)

    def __init__(self):
        self.reset()

    def reset(self):
        self._sums = []

    def update(self, batch, predictions):
        self._sums += [float(row[0]) for row in predictions["top_scores"][batch["valid"]]]

    def result(self):
        return {"confidence": sum(self._sums) / max(len(self._sums), 1)}
"""


@pytest.fixture(autouse=True)
def clean():
    """The tables as they were."""
    before = {kind: [dict(table) for table in tables] for kind, tables in registry.TABLES.items()}
    yield
    registry._OWN.clear()
    for kind, tables in registry.TABLES.items():
        for table, rows in zip(tables, before[kind], strict=True):
            for name in set(table) - set(rows):
                del table[name]


def small(records, **changes):
    return test_trainer.small(records, train={"steps": 4, "log_every": 2}, **changes)


def test_registered_parts_train_and_the_commands_find_them(records, tmp_path):
    exec(MODULE, {"__name__": "my_parts"})
    assert losses.CLASSIFICATION["double"] is losses.LOSSES["double"]
    parts = {"loss": {"name": "double", "factor": 3.0}, "metrics": ("confidence", "top_k")}
    dark = {
        "image_size": (12, 12),
        "resize": "stretch",
        "augment": ({"name": "darker", "by": 0.1},),
    }
    plain = test_trainer.trainer(small(records), tmp_path / "plain")
    plain.fit()
    own = test_trainer.trainer(small(records, **parts), tmp_path / "own")
    results = own.fit()
    assert 0.5 < results["confidence"] <= 1
    columns = training.history(str(tmp_path / "own"))["train"]
    first = training.history(str(tmp_path / "plain"))["train"]
    assert columns["step"] == [2, 4]
    assert columns["loss"][0] == pytest.approx(3 * first["loss"][0], rel=0.2)

    darker = test_trainer.trainer(small(records, inputs=dark), tmp_path / "dark")
    images = [next(iter(each.batches.dataset(0)))["image"] for each in (darker, plain)]
    np.testing.assert_allclose(images[0], 0.1 * images[1], rtol=1e-5)

    (tmp_path / "my_parts.py").write_text(MODULE)
    (tmp_path / "small_parts.py").write_text("import resnet6\nresnet6.register()\n")
    command = ("tfvision.cli", "evaluate", f"--workdir={tmp_path / 'own'}")
    with mock.patch.dict(os.environ, {registry.PLUGINS: "my_parts,small_parts"}):
        done = warm.run(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "confidence" in done.stdout
    with mock.patch.dict(os.environ, {registry.PLUGINS: "my_part"}):
        done = warm.run(*command, cwd=tmp_path)
    assert done.returncode == 2
    assert "TFVISION_PLUGINS: the module 'my_part' cannot be imported" in done.stderr


def test_a_model_of_ones_own_is_a_classifier(records, tmp_path):
    from tfvision import architectures

    @registry.register("classifier", "mine")
    def mine(*, num_classes, image_size, width=4):
        image = tf.keras.Input((*image_size, 3), name="image")
        x = tf.keras.layers.Conv2D(width, 3)(tf.keras.layers.Rescaling(1 / 255)(image))
        x = tf.keras.layers.GlobalAveragePooling2D()(x)
        logits = tf.keras.layers.Dense(num_classes)(x)
        model = tf.keras.Model({"image": image}, {"class_logits": logits})
        return architectures.Net(model, model)

    config = small(records)
    config.model = {"name": "mine", "width": 6}
    made = test_trainer.trainer(config, tmp_path / "run")
    assert made.fit()["images"] == 10


def test_names_and_kinds_are_checked():
    with pytest.raises(errors.UsageError, match="tfvision has a schedule 'cosine'"):
        registry.register("schedule", "cosine", len)
    with pytest.raises(errors.UsageError, match="did you mean 'pixel_loss'"):
        registry.register("pixels_loss", "mine", len)
    with pytest.raises(errors.UsageError, match="must be an identifier"):
        registry.register("pixel_loss", "a b", len)
    registry.register("pixel_loss", "again", len)
    assert registry.register("pixel_loss", "again", max) is max
    assert losses.PIXELS["again"] is max
    assert metrics.METRICS["detection"]["coco"]

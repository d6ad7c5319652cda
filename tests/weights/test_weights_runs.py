import class_folders
import numpy as np
import pytest

from tfvision import architectures, errors, tasks, training, weights
from tfvision import config as configs
from tfvision.weights import native, readers

pytestmark = pytest.mark.addons
MODEL = {"name": "resnet18", "width": 4, "stem": "small"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(folder, its Trainer): two steps on grey squares, with averaged weights."""
    folder = tmp_path_factory.mktemp("start")
    class_folders.write(folder / "images", {"train": 3}, class_folders.steps(8))
    class_folders.convert(folder / "images", folder / "records", ["train"])
    config = configs.config(
        data={"path": str(folder / "records"), "val": "train"},
        model=MODEL,
        inputs={"image_size": (8, 8), "resize": "stretch"},
        train={"batch_size": 3, "steps": 4, "ema": 0.5, "precision": "float32", "keep": 1},
    )
    trainer = training.Trainer(tasks.build(config), config, str(folder / "run"))
    trainer.fit()
    return folder / "run", trainer


def test_another_run_starts_from_the_averaged_weights_of_the_best_checkpoint(run):
    folder, trainer = run
    assert trainer.restore("best")
    with trainer.averaged():
        wanted = native.collect(trainer.net)
    net = architectures.build("resnet18", num_classes=2, image_size=(8, 8), width=4, stem="small")
    weights.load(net, str(folder), source="tfvision")
    for name, array in native.collect(net).items():
        np.testing.assert_array_equal(array, wanted[name])


def test_a_checkpoint_can_be_named_itself(run):
    folder, trainer = run
    (latest,) = (folder / "checkpoints").glob("step-*")
    assert trainer.restore("latest")
    with trainer.averaged():
        wanted = native.collect(trainer.net)
    found = readers.read(str(latest))
    assert set(found) == set(wanted)
    np.testing.assert_array_equal(found["conv1/kernel"], wanted["conv1/kernel"])


def test_a_folder_without_a_run_is_refused(run, tmp_path):
    with pytest.raises(errors.DataError, match="no run of tfvision"):
        readers.read(tmp_path)
    (tmp_path / "state.json").write_text('{"variables": [["a/kernel", [1]]]}')
    with pytest.raises(errors.DataError, match="cannot be read"):
        readers.read(tmp_path)

"""What a run does before its first step, and the folder that it makes only then."""

import json
import pathlib

import numpy as np
import pytest
import test_contract
from test_contract import RCNN, SMALL

from tfvision import config as configs
from tfvision import errors, stack, tasks, training
from tfvision.records import dataset
from tfvision.training import start_checks
from tfvision.weights import native

pytestmark = pytest.mark.usefixtures("small_model")
records = test_contract.records
TRAIN = {"batch_size": 4, "steps": 2, "precision": "float32", "report_input": False}


def settings(records, train=(), **changes):
    base = {"data": {"path": records("classification")}, **SMALL, "train": {**TRAIN, **dict(train)}}
    return configs.config(**{**base, **changes})


def trainer(config, workdir):
    return training.Trainer(tasks.build(config), config, str(workdir))


def reordered(folder, place):
    """The same records with the two class names exchanged."""
    import shutil

    shutil.copytree(folder, place)
    raw = dataset.load(str(place))
    dataset.write(str(place), {**raw, "class_names": raw["class_names"][::-1]})
    return str(place)


@pytest.fixture(scope="module")
def run(records, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "run"
    trainer(settings(records), folder).fit()
    return folder


def test_the_first_batch_changes_no_variable(records, tmp_path):
    run = trainer(settings(records), tmp_path / "run")
    before = [np.array(stack.raw(v)) for v in run.net.variables()]
    start_checks.first_batch(run)
    for value, variable in zip(before, run.net.variables(), strict=True):
        np.testing.assert_array_equal(value, np.array(stack.raw(variable)))
    assert not (tmp_path / "run").exists()


def test_one_side_is_a_square(records):
    for side in (24, (24,)):
        config = settings(records)
        config.inputs.image_size = (24,) if side == (24,) else (24, 24)
        if side == 24:
            config = settings(records, inputs={"image_size": 24, "resize": "letterbox"})
        tasks.build(config)
        assert config.inputs.image_size == (24, 24)


def test_no_epochs_train_nothing_and_keep_the_weights_they_began_with(records, tmp_path):
    run = trainer(settings(records, {"steps": 0, "epochs": 0}), tmp_path / "run")
    before = native.collect(run.net)
    assert run.fit()["images"] == 6
    assert [p.name for p in (tmp_path / "run" / "checkpoints").glob("step*")] == ["step-00000000"]
    for name, value in native.collect(run.net).items():
        np.testing.assert_array_equal(value, before[name])


def test_a_folder_without_a_checkpoint_takes_other_settings(records, tmp_path):
    folder = tmp_path / "run"
    (folder / "tensorboard" / "train").mkdir(parents=True)
    (folder / "config.json").write_text(configs.to_json(settings(records)))
    (folder / "log.jsonl").write_text('{"kind": "train", "step": 1}\n')
    trainer(settings(records, {"steps": 1}), folder).fit()
    assert json.loads((folder / "config.json").read_text())["train"]["steps"] == 1
    assert len((folder / "log.jsonl").read_text().splitlines()) == 2
    with pytest.raises(errors.UsageError, match=r"seed is 1, was 0"):
        trainer(settings(records, {"steps": 1}, seed=1), folder).fit()


def test_the_step_is_traced_once(records, tmp_path):
    run = trainer(settings(records), tmp_path / "run")
    function, batches = run.traced(0)
    function.run(batches, np.int32(1))
    function.run(batches, np.int32(1))
    assert function.run.experimental_get_tracing_count() <= 2


def test_a_run_is_not_scored_on_classes_in_another_order(records, run, tmp_path):
    path = reordered(records("classification"), tmp_path / "records")
    config = settings(records, data={"path": path}, weights={"path": str(run)})
    with pytest.raises(errors.DataError, match="class 0 is 'light' here and 'dark' there"):
        trainer(config, tmp_path / "other").start_weights()


def test_a_head_of_other_classes_is_not_fine_tuned(records, run, tmp_path):
    path = reordered(records("classification"), tmp_path / "records")
    checkpoint = next((run / "checkpoints").glob("step-*"))
    for source in (run, checkpoint):
        changes = {"data": {"path": path}, "weights": {"path": str(source)}}
        with pytest.raises(errors.DataError, match=r"weights\.skip=\('\^fc/',\)"):
            trainer(settings(records, **changes), tmp_path / "other").fit()
        assert not (tmp_path / "other").exists()
    changes["weights"]["skip"] = ("^fc/",)
    trainer(settings(records, **changes), tmp_path / "other").fit()


@pytest.mark.parametrize(
    ("model", "heads"),
    [
        ({"name": "resnet18", "width": 4}, {"fc"}),
        ({"name": "vgg16", "width": 2, "hidden": 8}, {"classifier.6"}),
        ({"name": "inception_v3", "width": 4}, {"fc", "AuxLogits.fc"}),
        (
            {"name": "faster_rcnn_resnet18_fpn", **RCNN},
            {"roi_heads.box_predictor.cls_score", "roi_heads.box_predictor.bbox_pred"},
        ),
    ],
)
def test_the_head_is_what_counts_classes(model, heads):
    from tfvision import architectures

    net = architectures.build(**model, num_classes=3, image_size=(96, 96))
    assert {n.split("/")[0] for n in start_checks.head_variables(net)} == heads


def test_weights_that_do_not_fit_make_no_folder(records, tmp_path):
    native.save({"fc/kernel": np.zeros([3, 3])}, tmp_path / "w.npz")
    config = settings(records, weights={"path": str(tmp_path / "w.npz")})
    with pytest.raises(errors.DataError, match=r"w\.npz: the weights do not fit the model"):
        trainer(config, tmp_path / "run").fit()
    assert not (tmp_path / "run").exists()


def test_a_workdir_that_cannot_be_is_told_first(records, tmp_path):
    (tmp_path / "file").write_text("")
    for workdir in (tmp_path / "file", tmp_path / "file" / "run", tmp_path / ("n" * 300)):
        with pytest.raises(errors.UsageError, match="--workdir"):
            trainer(settings(records), workdir).fit()
    assert [p.name for p in pathlib.Path(tmp_path).iterdir()] == ["file"]

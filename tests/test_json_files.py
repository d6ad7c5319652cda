"""Every file that tfvision reads back, damaged in the ways that files are damaged."""

import functools
import json

import pytest

from tfvision import config as configs
from tfvision import errors, json_files
from tfvision.darknet import cfg as darknet_cfg
from tfvision.darknet import plan as darknet_plan
from tfvision.json_files import COUNT, Maybe
from tfvision.records import dataset
from tfvision.serving import client
from tfvision.training import checkpoints, logs, run_report

SHARD = {"file": "d-train-00000-of-00001.tfrecord", "records": 1, "bytes": 4, "sha256": "0"}
SPLIT = {"shards": [SHARD], "records": 1, "groups": ["labels"], "objects": 0, "max_objects": 0}
DATA = {
    "version": 1,
    "name": "d",
    "class_names": ["a", "b"],
    "category_ids": None,
    "groups": ["labels"],
    "splits": {"train": SPLIT},
}
STATE = {
    "step": 3,
    "variables": [["conv/kernel", [3, 3]], ["conv/bias", []]],
    "best": {"step": 3, "metric": "top1", "value": 0.5, "loss": None},
    "metrics": {"top1": 0.5},
    "learning_rate": None,
    "pending": False,
}
CARD = {"task": "classification", "classes": ["a", "b"], "metrics": {}}
ENTRY = {"kind": "train", "step": 1, "loss": 0.5, "learning_rate": None}


def of_dataset(folder):
    (folder / SHARD["file"]).write_bytes(b"1234")
    return folder / "dataset.json", functools.partial(dataset.read, str(folder))


def of_state(folder):
    return folder / "state.json", functools.partial(checkpoints.read_state, str(folder))


def of_config(folder):
    path = folder / "config.json"
    return path, functools.partial(configs.read, str(path))


def of_card(folder):
    return folder / "model_card.json", functools.partial(client._card, str(folder))


def of_versions(folder):
    path = folder / "versions.json"
    return path, functools.partial(run_report._json, str(path))


def of_log(folder):
    return folder / "log.jsonl", functools.partial(run_report.read_log, str(folder))


SOUND = {
    of_dataset: json.dumps(DATA),
    of_state: json.dumps(STATE),
    of_config: configs.to_json(configs.config()),
    of_card: json.dumps(CARD),
    of_versions: json.dumps({"tensorflow": "2"}),
    of_log: json.dumps(ENTRY) + "\n",
}


def assert_one_line(read, path, words=""):
    with pytest.raises(errors.DataError) as caught:
        read()
    message = str(caught.value)
    assert "\n" not in message
    assert str(path.name) in message
    assert words in message, message
    assert len(message) < 700


@pytest.mark.parametrize("file", list(SOUND))
def test_a_sound_file_is_read_with_a_byte_order_mark_too(tmp_path, file):
    path, read = file(tmp_path)
    path.write_text(SOUND[file], encoding="utf-8")
    read()
    if file is not of_log:
        path.write_text(SOUND[file], encoding="utf-8-sig")
        read()


DAMAGES = {
    "empty": b"",
    "cut": b'{"a": [1, 2',
    "utf-16": '{"a": 1}'.encode("utf-16"),
    "latin-1": '{"é": 1}'.encode("latin-1") + b"\xff",
    "a list": b"[1, 2]\n",
    "text": b'"text"\n',
    "null": b"null\n",
    "deep": b"[" * 100_000 + b"\n",
    "a number of 5,000 digits": b'{"step": ' + b"9" * 5000 + b"}\n",
    "html": b"<!doctype html><html></html>\n",
    "zeros": b"\0" * 64 + b"\n",
}


@pytest.mark.parametrize("damage", list(DAMAGES))
@pytest.mark.parametrize("file", [f for f in SOUND if f is not of_log])
def test_what_is_no_json_object_is_one_line(tmp_path, file, damage):
    path, read = file(tmp_path)
    path.write_bytes(DAMAGES[damage])
    assert_one_line(read, path)


@pytest.mark.parametrize("damage", [d for d in DAMAGES if d not in ("empty", "cut")])
def test_a_line_of_the_log_is_named(tmp_path, damage):
    path, read = of_log(tmp_path)
    path.write_bytes(SOUND[of_log].encode() + DAMAGES[damage].rstrip(b"\n") + b"\n")
    assert_one_line(read, path, "log.jsonl, line 2")


def test_a_log_that_was_cut_in_its_last_line_is_read(tmp_path):
    path, read = of_log(tmp_path)
    path.write_text(SOUND[of_log] * 2 + '{"kind": "tr')
    assert len(read()["train"]) == 2
    assert len(list(logs.entries(str(path)))) == 2


FIELDS = [
    (of_dataset, "version", 2, "version is 2, this tfvision reads 1"),
    (of_dataset, "version", "1", "field version is"),
    (of_dataset, "name", 5, "field name is 5, and must be text"),
    (of_dataset, "class_names", "ab", 'field class_names is "ab", and must be a list'),
    (of_dataset, "class_names", ["a", 1], "field class_names[1] is 1, and must be text"),
    (of_dataset, "category_ids", [1.5, 2], "field category_ids[0] is 1.5"),
    (of_dataset, "splits", [], "field splits is [], and must be an object"),
    (of_dataset, "splits.train", None, "field splits.train is missing or null"),
    (of_dataset, "splits.train.records", -5, "field splits.train.records is -5, and must be a"),
    (of_dataset, "splits.train.records", "1", 'splits.train.records is "1"'),
    (of_dataset, "splits.train.records", True, "splits.train.records is true"),
    (of_dataset, "splits.train.records", 10**30, "splits.train.records is 1000000"),
    (of_dataset, "splits.train.shards", {}, "splits.train.shards is {}"),
    (of_dataset, "splits.train.shards.0.bytes", 4.0, "splits.train.shards[0].bytes is 4.0"),
    (of_dataset, "splits.train.shards.0.file", None, "splits.train.shards[0].file is missing"),
    (of_dataset, "splits.train.groups", None, "splits.train.groups is missing"),
    (of_dataset, "splits.train.notes", "x", "splits.train.notes is"),
    (of_dataset, "splits.train.teaches", "no", "must be true or false"),
    (of_state, "step", -1, "field step is -1"),
    (of_state, "step", "3", 'field step is "3"'),
    (of_state, "variables", 3, "field variables is 3"),
    (of_state, "variables.0", ["conv/kernel"], "and must be a list of 2"),
    (of_state, "variables.0.1", "3", "field variables[0][1] is"),
    (of_state, "variables.0.1.0", -3, "field variables[0][1][0] is -3"),
    (of_state, "best", [], "field best is []"),
    (of_state, "best.value", float("nan"), "field best.value is NaN, and must be a finite number"),
    (of_state, "best.step", None, "field best.step is missing"),
    (of_state, "metrics", [1], "field metrics is [1]"),
    (of_state, "learning_rate", "0.1", "field learning_rate is"),
    (of_state, "pending", 1, "field pending is 1, and must be true or false"),
    (of_config, "model", 5, "config.model is a section, not 5"),
    (of_config, "seed", "0", "config.seed must be int, not str"),
    (of_config, "seeds", 0, "config has no key 'seeds'; did you mean 'seed'"),
    (of_config, "train.batch_size", None, "config.train.batch_size must be int"),
    (of_config, "inputs.image_size", "224", "config.inputs.image_size must be tuple"),
    (of_config, "data", [], "config.data is a section"),
    (of_card, "task", None, "field task is missing"),
    (of_card, "classes", {"a": 0}, "field classes is"),
    (of_card, "classes.0", 3, "field classes[0] is 3"),
    (of_card, "config", "x", 'field config is "x"'),
    (of_card, "category_ids", ["1"], "field category_ids[0] is"),
    (of_log, "kind", 3, "log.jsonl, line 1: field kind is 3"),
    (of_log, "step", None, "field step is missing"),
    (of_log, "step", 1.5, "field step is 1.5"),
    (of_log, "loss", "low", 'field loss is "low", and must be a finite number'),
    (of_log, "loss", [], "field loss is []"),
]


def changed(tree, path, value):
    """A copy of a tree with the value at a path, or without it where the value is None."""
    tree = json.loads(tree)
    place = tree
    *way, last = path.split(".")
    for key in way:
        place = place[int(key) if isinstance(place, list) else key]
    last = int(last) if isinstance(place, list) else last
    if value is None and isinstance(place, dict) and path.count(".") != 1:
        place.pop(last)
    else:
        place[last] = value
    return tree


@pytest.mark.parametrize(("file", "field", "value", "words"), FIELDS)
def test_a_wrong_field_is_named_with_its_value(tmp_path, file, field, value, words):
    path, read = file(tmp_path)
    end = "\n" if file is of_log else ""
    path.write_text(json.dumps(changed(SOUND[file], field, value)) + end)
    assert_one_line(read, path, words)


def test_shapes():
    shape = {"a": COUNT, "b?": Maybe([float]), str: (str, int)}
    json_files.check({"a": 0, "b": None, "c": ["x", -1]}, shape)
    json_files.check({"a": 0, "b": [1, 2.5]}, shape)
    for wrong in ({}, {"a": 1, "b": [None]}, {"a": 1, "c": ["x"]}, {"a": 1, "c": [1, 1]}):
        with pytest.raises(json_files._WrongError):
            json_files.check(wrong, shape)


CFGS = {
    "[convolutional]\nfilters=0": "line 5: filters=0 is not from 1",
    "[convolutional]\nfilters=1e12": "line 5: filters=1e12 is not from 1",
    "[convolutional]\nfilters=inf": "line 5: filters=inf is not a number",
    "[convolutional]\nfilters=nan": "line 5: filters=nan is not a number",
    "[convolutional]\nsize=0": "line 5: size=0 is not from 1",
    "[convolutional]\nsize=-3": "line 5: size=-3",
    "[convolutional]\nstride=0": "line 5: stride=0",
    "[convolutional]\npadding=-1": "line 5: padding=-1",
    "[convolutional]\ngroups=0": "line 5: groups=0",
    "[maxpool]\nsize=2\nstride=0": "line 6: stride=0",
    "[upsample]\nstride=-2": "line 5: stride=-2",
    "[connected]\noutput=0": "line 5: output=0",
    "[dropout]\nprobability=inf": "line 5: probability=inf is not finite",
    "[convolutional]\nfilters=18\n[yolo]\nclasses=0": "line 7: classes=0",
    "[convolutional]\nfilters=18\n[yolo]\nclasses=" + "9" * 5000: "line 7: classes=9999",
    "[convolutional]\nfilters=18\n[yolo]\nanchors=1,nan\nmask=0": "line 7: anchors=1,nan is not f",
    "[convolutional]\nfilters=18\n[yolo]\nmask=inf": "line 7: mask=inf is not a number",
    "[convolutional]\nfilters=1000000\nsize=100\nstride=1": "weights; a layer has",
    "[convolutional]\nfilters=1\nsize=1000\nstride=1": "has no pixel left of its input",
}


@pytest.mark.parametrize("text", list(CFGS))
def test_numbers_of_a_cfg_that_cannot_be_name_their_line(text):
    def planned():
        sections = darknet_cfg.parse(f"[net]\nwidth=64\nheight=64\n{text}\n")
        return darknet_plan.plan(sections[1:], (64, 64))

    with pytest.raises(errors.DataError) as caught:
        planned()
    assert CFGS[text] in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("size", ["width=0", "width=-1", "height=1000000000", "channels=0"])
def test_sizes_of_a_cfg_are_bounded(size):
    with pytest.raises(errors.DataError, match=f"line 2: {size} is not from 1"):
        darknet_cfg.parse(f"[net]\n{size}\n")

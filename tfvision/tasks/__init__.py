"""The tasks by name: the only place where inputs, architectures, losses and metrics meet."""

from __future__ import annotations

import hashlib
import os

from tfvision import errors, rules
from tfvision.records import dataset
from tfvision.task import Task
from tfvision.tasks import config_checks
from tfvision.tasks.box_tasks import DetectionTask, InstanceTask
from tfvision.tasks.classification_task import ClassificationTask
from tfvision.tasks.segmentation_task import SegmentationTask

TASKS: dict[str, type[Task]] = {
    task.name: task for task in (ClassificationTask, SegmentationTask, DetectionTask, InstanceTask)
}
# The group of the schema that a data set must have, by task.
NEEDS = {
    "classification": "labels",
    "segmentation": "label_map",
    "detection": "objects",
    "instance": "masks",
}


def resolve(config) -> None:
    """Fills config.data.class_names from dataset.json; does nothing where they are known.

    Raises DataError where num_classes disagrees or the data set lacks what the task needs."""
    errors.choose(TASKS, config.task, "task")
    if not config.data.path:
        if config.data.class_names:
            return
        raise errors.UsageError(
            "config.data.path is empty; give the folder of a converted data set"
        )
    data = _find(config)
    asked, in_dataset = config.data.num_classes, len(data.class_names)
    if asked and asked != in_dataset:
        raise errors.DataError(
            f"config.data.num_classes is {asked}, but {data.path} has {in_dataset} classes;"
            " leave it at 0 to take the data set's"
        )
    needed = NEEDS[config.task]
    if needed not in data.groups:
        raise errors.DataError(
            f"{data.path} has no {needed}, which task '{config.task}' needs"
            f" (it has: {', '.join(data.groups) or 'images only'})"
        )
    known = tuple(config.data.class_names)
    if known and known != tuple(data.class_names):
        raise errors.DataError(
            f"the classes of {data.path} are not those of the run:"
            f" {errors.difference(data.class_names, known)}; convert the data with --labels"
            " in the run's order, or train another run on it"
        )
    config.data.class_names = tuple(data.class_names)
    if needed in ("objects", "masks"):
        _fill_max_boxes(config, data)
    config.data.path, config.data.folder = data.path, os.path.abspath(data.path)
    # Going on with a run on other records would not be the same run.
    config.data.fingerprint = _fingerprint(data)


def _fingerprint(data: dataset.Dataset) -> str:
    shards = [shard.sha256 for split in data.splits.values() for shard in split.shards]
    return hashlib.sha256("".join(shards).encode()).hexdigest()[:16]


def _find(config) -> dataset.Dataset:
    """The data set in data.path; a run's is looked for in data.folder too.

    Of two the one with the run's records is taken, whatever the present folder makes of a path."""
    places = [config.data.path]
    if config.data.folder and config.data.folder != os.path.abspath(config.data.path):
        places.append(config.data.folder)
    there = [place for place in places if dataset.is_there(place)]
    if not there and config.data.folder:
        raise errors.DataError(
            f"there is no data set in {' or '.join(places)}; --data=DIR says where it is now"
        )
    read = [dataset.read(place) for place in there or places]
    same = [data for data in read if _fingerprint(data) == config.data.fingerprint]
    return (same or read)[0]


def _fill_max_boxes(config, data: dataset.Dataset) -> None:
    """config.detection.max_boxes: so many that no box is cut off; a smaller number is reported."""
    fullest = max((split.max_objects for split in data.splits.values()), default=0)
    if config.inputs.mix.name == "mosaic":
        fullest *= 4
    if not config.detection.max_boxes:
        config.detection.max_boxes = max(fullest, 1)
    elif config.detection.max_boxes < fullest:
        print(
            f"the fullest image of {data.path} has {fullest} objects; training looks at the first"
            f" {config.detection.max_boxes} (config.detection.max_boxes)"
        )


def build(config) -> Task:
    """The Task of a config. Raises UsageError for unknown names, DataError for unfit data."""
    rules.check(config)
    errors.choose(TASKS, config.task, "task")
    config_checks.check(config)
    resolve(config)
    config_checks.class_weights(config, len(config.data.class_names))
    return TASKS[config.task](config, tuple(config.data.class_names))

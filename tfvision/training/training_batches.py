"""The training batches of a run: which images, for which worker, made here or by input services."""

from __future__ import annotations

import functools

import tensorflow as tf

from tfvision import errors
from tfvision.inputs import pipeline, service
from tfvision.records import dataset
from tfvision.task import Task
from tfvision.training import speed
from tfvision.training.distributed import Workers


class TrainingBatches:
    """What the config makes of the training split, for one worker of a run.

    replicas: of all workers. Raises UsageError where there are fewer shards than workers that
    read shards of their own."""

    def __init__(self, task: Task, config, data: dataset.Dataset, workers: Workers, replicas: int):
        self._task, self._config = task, config
        self._workers, self._replicas = workers, replicas // workers.count
        self.service = service.InputService(config.inputs.service)
        self._order = self._make_order(data)

    def _make_order(self, data: dataset.Dataset) -> pipeline.Order:
        config, split = self._config, data.split(self._config.data.train)
        counts: tuple[int, ...] = ()
        if config.inputs.by_files and self._workers.count > 1:
            counts = tuple(shard.records for shard in split.shards)
            if len(counts) < self._workers.count:
                raise errors.UsageError(
                    f"config.inputs.by_files: split '{config.data.train}' has {len(counts)} shards"
                    f" for {self._workers.count} workers; convert it with more (--shards), or leave"
                    " it out"
                )
        return pipeline.Order(
            data.files(config.data.train),
            split.records,
            config.train.batch_size,
            config.seed,
            config.data.shuffle_buffer,
            config.inputs.aspect_ratio_grouping,
            counts,
        )

    def dataset(self, start: int) -> tf.data.Dataset:
        """This worker's endless batches from the step `start` on, one for each replica of its own.

        Raises InputServiceLost for a service that is not there."""
        make = functools.partial(
            pipeline.train,
            self._order,
            self._task.fields,
            self._task.prepare_train,
            start_step=start,
            mix=self._task.mix,
            worker=self._workers.number,
            workers=self._workers.count,
        )
        if not self.service:
            return make(replicas=self._replicas)
        batches = self.service.batches(lambda turn: make(turn=turn))
        return pipeline.parts(batches, self._replicas).prefetch(1)

    def source_ids(self, step: int) -> list[str]:
        """The source_ids of the images of all workers in the batch of `step`, counted from 0."""
        return pipeline.source_ids(self._order, step, self._workers.count)

    def rate(self) -> float:
        """Images a second, of all workers, when nothing else runs; takes some seconds."""
        batches = self.dataset(0)
        each = self._config.train.batch_size / self._replicas  # a replica takes a batch of its own
        with self.service.reported():
            return speed.input_rate(batches) * each

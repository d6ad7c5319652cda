"""Input services in this process, and records of ids: what comes from them, and what does not."""

import collections
import time

import numpy as np
import pytest
import tensorflow as tf
import test_pipeline_turned

from tfvision import errors
from tfvision.inputs import pipeline, seeds, service

PORTS = (15310, 15312)


@pytest.fixture(scope="module")
def two():
    """The addresses of two services."""
    servers = [service.Server("localhost", port) for port in PORTS]
    yield [f"grpc://localhost:{port}" for port in PORTS]
    for server in servers:
        server.close()


def prepare(record):
    draw = tf.random.stateless_uniform([2], seeds.fold(record["seed"], 7))
    return {"id": tf.strings.to_number(record["source_id"], tf.int32), "draw": draw}


def mix(batch, seed, step):
    return {**batch, "mixed": tf.random.stateless_uniform([4], seed) + tf.cast(step, tf.float32)}


def maker(files, records, start=0, **options):
    order = pipeline.Order(files, records, 4, seed=3, shuffle_buffer=8)

    def make(turn=None, **more):
        return pipeline.train(
            order, (), prepare, start_step=start, mix=mix, turn=turn, **options, **more
        )

    return make


def assert_same(one, other, steps):
    count = 0
    for a, b in zip(one.take(steps), other.take(steps), strict=True):
        assert a.keys() == b.keys()
        for key in a:
            np.testing.assert_array_equal(a[key].numpy(), b[key].numpy(), err_msg=key)
        count += 1
    assert count == steps


@pytest.mark.addons
@pytest.mark.parametrize("count", [1, 2])
def test_the_batches_of_services_are_those_made_here_also_from_a_later_step(tmp_path, two, count):
    files = test_pipeline_turned.write(tmp_path, [(4, 6)] * 11)
    remote = service.InputService(",".join(two[:count]))
    with remote.reported():
        for start, share in ((0, {}), (5, {}), (3, {"worker": 1, "workers": 2})):
            make = maker(files, 11, start, **share)
            assert_same(make(), remote.batches(make), 7)
        assert_same(make(replicas=2), pipeline.parts(remote.batches(make), 2), 5)
    remote.close()


def raised(remote, make, steps=100):
    with pytest.raises(errors.TfvisionError) as error, remote.reported():
        for _ in remote.batches(make).take(steps):
            pass
    assert "\n" not in str(error.value)
    return error.value


def test_a_service_that_ends_is_named_after_a_bounded_time(tmp_path, monkeypatch):
    monkeypatch.setattr(service, "PATIENCE", 1.5)
    make = maker(test_pipeline_turned.write(tmp_path, [(4, 6)] * 11), 11)
    remote = service.InputService(f"grpc://localhost:{PORTS[0] + 4}")
    begun = time.monotonic()
    error = raised(remote, make)
    assert str(error).startswith(
        "config.inputs.service: grpc://localhost:15314 was not reached for 1.5 s; start"
    )
    assert time.monotonic() - begun < 6

    server = service.Server("localhost", PORTS[0] + 4)
    batches = iter(remote.batches(make))
    next(batches)
    server.close()
    begun = time.monotonic()
    lost = pytest.raises(service.InputServiceLost, match="grpc://localhost:15314")
    with lost as error, remote.reported():
        collections.deque(batches, maxlen=0)
    assert error.value.exit_code == 75
    assert time.monotonic() - begun < 12
    remote.close()


def test_a_service_that_was_started_again_or_has_a_second_worker_is_not_read_on(tmp_path):
    make = maker(test_pipeline_turned.write(tmp_path, [(4, 6)] * 11), 11)
    port, remote = PORTS[0] + 6, service.InputService(f"grpc://localhost:{PORTS[0] + 6}")
    servers = [service.Server("localhost", port)]
    batches = iter(remote.batches(make))
    next(batches)
    servers.pop().close()
    servers.append(service.Server("localhost", port))
    again = pytest.raises(service.InputServiceLost, match="has ended or was started again")
    with again, remote.reported():
        collections.deque(batches, maxlen=0)

    config = tf.data.experimental.service.WorkerConfig(dispatcher_address=f"localhost:{port}")
    second = tf.data.experimental.service.WorkerServer(config)
    error = raised(remote, make)
    assert "grpc://localhost:15316 sent batch" in str(error)
    assert "one `tfvision input-service`, with no other worker" in str(error)
    remote.close()
    second.stop()
    servers.pop().close()


def test_records_that_the_service_does_not_have_are_no_reason_to_start_again(tmp_path, two):
    error = raised(service.InputService(two[0]), maker([str(tmp_path / "gone")], 11))
    assert isinstance(error, errors.UsageError)
    assert "config.inputs.service: grpc://localhost:15310 cannot make a batch" in str(error)
    assert "the records at this path" in str(error)

"""A run whose batches are made by input services ends as the one that makes them itself."""

import signal
import time

import keras
import pytest
import test_trainer
import warm

from tfvision import errors
from tfvision.inputs import service

records = test_trainer.records
pytestmark = pytest.mark.usefixtures("small_model")
PORTS = (15320, 15322)


class StopAfter(keras.callbacks.Callback):
    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = batch + 1 >= self.step


def config(records, addresses=""):
    inputs = {"image_size": (12, 12), "resize": "stretch", "mix": {"name": "mixup"}}
    inputs |= {"augment": [{"name": "horizontal_flip"}], "service": addresses}
    return test_trainer.small(records, inputs=inputs)


@pytest.mark.addons
def test_a_run_fed_by_two_services_ends_as_the_local_one_also_when_it_is_resumed(
    records, tmp_path, monkeypatch
):
    test_trainer.trainer(config(records), tmp_path / "local").fit()
    servers = [service.Server("localhost", port) for port in PORTS]
    two = ",".join(f"grpc://localhost:{port}" for port in PORTS)
    remote = tmp_path / "remote"
    test_trainer.trainer(config(records, two), remote, callbacks=[StopAfter(4)]).fit()
    begun, _ = test_trainer.weights_of(remote)
    assert begun == "step-00000004"
    test_trainer.trainer(config(records, two.split(",")[1]), remote).fit()
    test_trainer.assert_same_weights(tmp_path / "local", remote)

    for server in servers:
        server.close()
    monkeypatch.setattr(service, "PATIENCE", 0.3)
    gone = test_trainer.trainer(config(records, two), tmp_path / "gone")
    with pytest.raises(
        errors.TfvisionError, match=r"inputs.service: grpc://localhost:15320 was not"
    ):
        gone.fit()
    assert not (tmp_path / "gone").exists()


def test_an_address_of_another_form_is_refused(records, tmp_path):
    with pytest.raises(errors.UsageError, match=r"inputs.service is 'a:5050'.*grpc://HOST:PORT"):
        test_trainer.trainer(config(records, "a:5050"), tmp_path / "run")


def test_the_command_serves_until_sigterm_and_refuses_a_port_that_is_taken():
    arguments = ("input-service", "--host=localhost", f"--port={PORTS[0] + 4}")
    process = warm.Process("tfvision.cli", *arguments)
    until = time.monotonic() + 60
    while not service._answers(f"grpc://localhost:{PORTS[0] + 5}"):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.05)
    refused = warm.run("tfvision.cli", *arguments)
    assert refused.returncode == 2
    assert "--port: port 15324 cannot be taken" in refused.stderr
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert out == "making batches at grpc://localhost:15324\nended\n"

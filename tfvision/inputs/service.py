"""Training batches from other machines, through tf.data's service, in the order of the local ones.

Each address is one `tfvision input-service`: a dispatcher that has one worker. Of K addresses
number k makes the batches k, k + K, ... of a process that trains, which takes them in turn. tf.data
keeps the order of one worker and of no more, and one that begins again begins at its first batch:
so batches are numbered, and one that comes out of turn is an error. A job has no name and belongs
to one iterator: who resumes at a step gets a job from that step on.
"""

from __future__ import annotations

import contextlib
import itertools
import queue
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from tfvision import errors

PATIENCE = 60.0  # seconds that an address may not answer before a run ends
SILENCE = 600.0  # seconds that a service that answers may take for a batch
_AHEAD = 2  # batches of each address that wait here
_LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError)


class InputServiceLost(errors.TfvisionError):
    """An input service has ended or cannot be reached; start all again."""

    exit_code = 75  # of sysexits.h: a temporary failure, try again


class _Closed(Exception):
    """The reading was ended here."""


class InputService:
    """The services that `config.inputs.service` names; "": none.

    `batches` reads from them, `reported` tells what went wrong there, `close` ends the reading."""

    def __init__(self, text: str):
        self.addresses = [address for address in text.split(",") if address]
        self._readers: list[_Reader] = []
        self._error: Exception | None = None

    def __bool__(self) -> bool:
        return bool(self.addresses)

    def batches(self, make: Callable[[tuple[int, int]], tf.data.Dataset]) -> tf.data.Dataset:
        """The batches of the services in turn.

        make: (k, K) -> the dataset of the batches k, k + K, ... Raises InputServiceLost for an
        address where nobody answers."""
        count = len(self.addresses)
        made = [make((number, count)) for number in range(count)]
        for address in self.addresses:
            _wait_for(address)

        def read() -> Iterator[Any]:
            readers = [_Reader(*pair) for pair in zip(self.addresses, made, strict=True)]
            self._readers += readers
            try:
                for number in itertools.count():
                    yield readers[number % count].next()
            except _Closed:
                return
            except Exception as error:
                self._error = error
                raise
            finally:
                for reader in readers:
                    reader.close()

        return tf.data.Dataset.from_generator(read, output_signature=made[0].element_spec)

    @contextlib.contextmanager
    def reported(self) -> Iterator[None]:
        """TensorFlow's error on a batch that did not come becomes the one of the service."""
        try:
            yield
        except tf.errors.OpError as error:
            if self._error is None:
                raise
            raise self._error from error

    def close(self) -> None:
        """Ends the reading."""
        for reader in self._readers:
            reader.close()
        self._readers.clear()


class _Reader:
    """Reads ahead from one service, in a thread: who waits there cannot be interrupted."""

    def __init__(self, address: str, dataset: tf.data.Dataset):
        self._address, self._dataset = address, dataset
        self._ready: queue.Queue = queue.Queue(_AHEAD)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._fill, daemon=True)
        self._thread.start()

    def next(self) -> Any:
        """The next batch. Raises what stopped the reading, InputServiceLost, and _Closed."""
        begun = answered = asked = time.monotonic()
        while not self._closed.is_set():
            try:
                item = self._ready.get(timeout=0.1)
            except queue.Empty:
                now = time.monotonic()
                if now - asked > 1.0:
                    asked = now
                    answered = now if _answers(self._address) else answered
                if now - answered > PATIENCE:
                    raise _unreachable(self._address) from None
                if now - begun > SILENCE:
                    raise _lost(self._address, f"has sent no batch for {SILENCE:g} s") from None
                continue
            if isinstance(item, Exception):
                raise item
            return item
        raise _Closed

    def close(self) -> None:
        """Ends the thread, unless it waits for a service that is gone."""
        self._closed.set()
        self._thread.join(2.0)

    def _fill(self) -> None:
        try:
            for expected, (number, batch) in enumerate(self._remote()):
                if int(number) != expected:
                    raise _lost(
                        self._address,
                        f"sent batch {int(number)} in the place of {expected}; it has to be one"
                        " `tfvision input-service`, with no other worker",
                    )
                if not self._put(batch):
                    return
        except Exception as error:
            self._put(_told(self._address, error))

    def _remote(self) -> tf.data.Dataset:
        return self._dataset.enumerate().apply(
            tf.data.experimental.service.distribute(
                processing_mode="parallel_epochs", service=self._address, compression=None
            )
        )

    def _put(self, item: Any) -> bool:
        while not self._closed.is_set():
            with contextlib.suppress(queue.Full):
                self._ready.put(item, timeout=0.1)
                return True
        return False


def _told(address: str, error: Exception) -> Exception:
    """An error of the reading as what the user is told; one of a record stays as it is."""
    damaged = (tf.errors.DataLossError, tf.errors.InvalidArgumentError)
    if isinstance(error, (errors.TfvisionError, *damaged)):
        return error
    if isinstance(error, _LOST) or "iteration client id" in str(error):
        return _lost(address, "has ended or was started again")
    return errors.UsageError(
        f"config.inputs.service: {address} cannot make a batch ({errors.one_line(error)}); it needs"
        " this version of TensorFlow and the records at this path"
    )


def _lost(address: str, what: str) -> InputServiceLost:
    return InputServiceLost(
        f"config.inputs.service: {address} {what}; what is saved is kept, and the same command goes"
        " on from there"
    )


def _unreachable(address: str) -> InputServiceLost:
    return _lost(
        address,
        f"was not reached for {PATIENCE:g} s; start `tfvision input-service` there or take the"
        " address out",
    )


def _wait_for(address: str) -> None:
    until = time.monotonic() + PATIENCE
    while not _answers(address):
        if time.monotonic() > until:
            raise _unreachable(address)
        time.sleep(0.2)


def _answers(address: str) -> bool:
    host, _, port = re.sub(r"^grpc://", "", address).rpartition(":")
    with contextlib.suppress(OSError):
        socket.create_connection((host.strip("[]"), int(port)), timeout=2.0).close()
        return True
    return False


class Server:
    """A dispatcher at `port` with its one worker at `port` + 1, until `close`.

    host: the name by which those that train reach this machine. Raises UsageError for a port that
    is taken."""

    def __init__(self, host: str, port: int):
        service = tf.data.experimental.service
        for number in (port, port + 1):
            _check_free(number)
        with errors.reported(f"--port is {port}: no service can be started"):
            self._dispatcher = service.DispatchServer(service.DispatcherConfig(port=port))
            address = f"localhost:{port}"
            self._worker = service.WorkerServer(
                service.WorkerConfig(
                    dispatcher_address=address,
                    worker_address=f"{host}:{port + 1}",
                    port=port + 1,
                )
            )

    def close(self) -> None:
        """Ends both; who reads from them is told."""
        self._worker.stop()
        self._dispatcher.stop()


def _check_free(port: int) -> None:
    try:
        socket.create_server(("", port)).close()
    except (OSError, OverflowError) as error:
        raise errors.UsageError(
            f"--port: port {port} cannot be taken ({error}); choose another, of which the next one"
            " is free too"
        ) from None

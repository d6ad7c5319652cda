"""tfvision input-service: makes training batches for the runs that name it.

Each machine that helps runs one:
  tfvision input-service --host=a
  tfvision train ... --config.inputs.service=grpc://a:5050,grpc://b:5050
It listens on --port (of the dispatcher) and the next one (of its worker), to whoever reaches them,
and runs what it is sent: for a private network only. It needs the version of TensorFlow of those
that train, and the records at the same path. SIGTERM and Ctrl-C end it.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Sequence

from absl import app, flags

from tfvision import command_line

_PORT = flags.DEFINE_integer("port", 5050, "Port; the next one is taken too.", 1, 65534)
_HOST = flags.DEFINE_string(
    "host", None, "Name by which others reach this machine; by default the one it has."
)


def main(argv: Sequence[str]) -> None:
    """Serves until it is stopped. Raises UsageError for a port that is taken."""
    command_line.flags_only(argv, "input-service")
    ends = {signal.SIGTERM, signal.SIGINT}
    # Before TensorFlow makes its threads: they leave these signals to this one too.
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    import tensorflow as tf

    from tfvision.inputs import service

    tf.config.set_visible_devices([], "GPU")
    host = _HOST.value or socket.gethostname()
    server = service.Server(host, _PORT.value)
    print(f"making batches at grpc://{host}:{_PORT.value}", flush=True)
    signal.sigwait(ends)
    server.close()
    print("ended", flush=True)


if __name__ == "__main__":
    app.run(main)

"""tfvision serve: a development server with TensorFlow Serving's REST contract.

One process on one machine; TensorFlow Serving takes the same folder for production.
"""

from __future__ import annotations

from collections.abc import Sequence

from absl import app, flags

from tfvision import command_line, errors

_MODEL = flags.DEFINE_string("model", None, "BASE (its highest version is served) or BASE/N.")
_NAME = flags.DEFINE_string("name", None, "The model's name in the address; BASE's by default.")
_HOST = flags.DEFINE_string("host", "127.0.0.1", "Address to listen on; 0.0.0.0 is everybody's.")
_PORT = flags.DEFINE_integer("port", 8501, "Port; 0 picks a free one.")
_PATIENCE = flags.DEFINE_float(
    "patience", 30.0, "Seconds after which a request that stays half sent is closed.", 0.1
)


def main(argv: Sequence[str]) -> None:
    """Serves until it is stopped. Raises UsageError and DataError."""
    command_line.flags_only(argv, "serve")
    command_line.needed(_MODEL)
    _check_name(_NAME.value or "")
    try:
        from tfvision.serving import listening
    except ModuleNotFoundError as error:
        if error.name != "uvicorn":
            raise
        raise errors.UsageError(
            "serve needs an ASGI server: pip install 'tfvision[serve]'"
        ) from None
    from tfvision import serving
    from tfvision.serving import server

    bound = server.bind(_HOST.value, _PORT.value)
    model = serving.load(_MODEL.value)
    application = server.Server(model, _NAME.value or "", patience=_PATIENCE.value)
    host, port = bound.getsockname()[:2]
    address = f"http://{host}:{port}{application.address}:predict"
    print(f"serving {model.folder} at {address}", flush=True)
    listening.run(application, bound)


def _check_name(name: str) -> None:
    if name != name.strip() or any(letter == "/" or not letter.isprintable() for letter in name):
        raise errors.UsageError(
            f"--name is {name!r}; in an address it is a word without /, such as balloons"
        )


if __name__ == "__main__":
    app.run(main)

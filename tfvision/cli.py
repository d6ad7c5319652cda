"""The command `tfvision VERB`: finds the verb's main and turns errors into one line.

Nothing but the verb's own module is imported, and no module imports TensorFlow before its work
starts, so `--help` answers at once. Exit codes: 0 done, 1 bad input, 2 usage.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import os
import re
import sys

from absl import app, flags, logging

from tfvision import errors

VERBS = {
    "convert": ("tfvision.tools.convert", "a data set in its own format -> TFRecords"),
    "synthesize": (
        "tfvision.tools.synthesize",
        "write one of the data sets that come with tfvision",
    ),
    "inspect": ("tfvision.tools.inspect_data", "what is in a data set: tables, plots, samples"),
    "verify": ("tfvision.tools.verify", "checks every byte of a data set"),
    "train": ("tfvision.experiments.train", "train an experiment or resume a run"),
    "evaluate": ("tfvision.tools.evaluate", "metrics of a trained run, as a table and as JSON"),
    "export": ("tfvision.tools.export", "a trained run -> a SavedModel that is checked"),
    "predict": ("tfvision.tools.predict", "predictions and pictures for image files"),
    "serve": ("tfvision.tools.serve", "a development server, TensorFlow Serving's REST contract"),
    "input-service": ("tfvision.tools.input_service", "makes training batches for other machines"),
    "import-weights": ("tfvision.tools.import_weights", "foreign weights -> ours"),
    "report": ("tfvision.tools.report", "a trained run as one HTML page"),
    "models": ("tfvision.tools.models", "every architecture by name"),
}


class _QuietTensorFlow(importlib.abc.MetaPathFinder):
    """Silences what TensorFlow's libraries write to the terminal as they are loaded.

    They write it before any log level counts. An error in loading is still raised."""

    def find_spec(self, name, path=None, target=None):
        """Finds tensorflow itself, once, with a loader that is silent."""
        if name != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None:
            load = spec.loader.exec_module
            spec.loader.exec_module = lambda module: self._load(load, module)
        return spec

    @staticmethod
    def _load(load, module):
        sys.stderr.flush()
        kept = os.dup(2)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        try:
            load(module)
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)


def usage() -> str:
    """The text of `tfvision --help`."""
    lines = ["usage: tfvision VERB [--flag=value ...]", "", "verbs:"]
    lines += [f"  {verb:<16}{what}" for verb, (_, what) in VERBS.items()]
    return "\n".join([*lines, "", "tfvision VERB --help tells a verb's flags."])


def _help(verb: str, module) -> str:
    own_flags = flags.FLAGS.get_key_flags_for_module(module)
    lines = [(module.__doc__ or "").strip(), "", f"flags of tfvision {verb}:"]
    for flag in own_flags:
        default = "" if flag.default is None else f" (default: {flag.default})"
        lines.append(f"  --{flag.name:<22}{flag.help}{default}")
    return "\n".join(lines)


def _parse(arguments: list[str]) -> list[str]:
    try:
        return flags.FLAGS(arguments)
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError) as error:
        text = " ".join(str(error).split())
        # absl quotes Python's own error: --flag=x: ('what is wrong', 'x')
        raise errors.UsageError(re.sub(r"\('([^']+)', .*\)$", r"\1", text)) from None


def _run(arguments: list[str]) -> None:
    verb, rest = arguments[1], arguments[2:]
    name, _ = errors.choose(VERBS, verb, "verb")
    module = importlib.import_module(name)
    if {"--help", "-h", "-help"} & set(rest):
        print(_help(verb, module))
        return
    if os.environ.get("TFVISION_PLUGINS"):
        from tfvision import registry

        registry.plugins()
    rest = getattr(module, "arguments", list)(rest)
    logging.set_verbosity(logging.WARNING)  # TensorFlow's savers talk at INFO
    sys.argv = [f"tfvision {verb}", *rest]  # ml_collections looks there too
    app.run(module.main, flags_parser=_parse)


def main() -> None:
    """The console command."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for stream in (sys.stdout, sys.stderr):  # a name that the terminal has no letters for
        stream.reconfigure(errors="backslashreplace")
    sys.meta_path.insert(0, _QuietTensorFlow())
    if len(sys.argv) < 2 or sys.argv[1] in ("--help", "-h", "help"):
        print(usage())
        sys.exit(0 if len(sys.argv) > 1 else 2)
    try:
        _run(sys.argv)
    except errors.TfvisionError as error:
        print("tfvision:", " ".join(str(error).splitlines()), file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # who reads what is printed has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except KeyboardInterrupt:
        print("tfvision: interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()

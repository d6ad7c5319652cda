"""tfvision synthesize: the embedded demo data sets, drawn or unpacked without a download."""

from __future__ import annotations

from collections.abc import Sequence

from absl import app, flags

from tfvision import command_line, errors, synthetic

_NAME = flags.DEFINE_string("name", None, f"One of: {', '.join(synthetic.GENERATORS)}.")
_OUTPUT = flags.DEFINE_string("output", None, "New folder for it; an older one is replaced.")
_SEED = flags.DEFINE_integer("seed", 0, "The same seed gives the same files.", 0, 2**32 - 1)
_TRAIN = flags.DEFINE_integer("train", None, "Training images; the data set's own by default.")
_VAL = flags.DEFINE_integer("val", None, "Validation images; the data set's own by default.")


def main(argv: Sequence[str]) -> None:
    """Writes one data set. Raises UsageError and DataError."""
    command_line.flags_only(argv, "synthesize")
    command_line.needed(_NAME, _OUTPUT)
    write = errors.choose(synthetic.GENERATORS, _NAME.value, "data set")
    write(_OUTPUT.value, train=_TRAIN.value, val=_VAL.value, seed=_SEED.value)
    print(f"{_NAME.value} -> {_OUTPUT.value}")


if __name__ == "__main__":
    app.run(main)

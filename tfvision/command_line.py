"""What every verb asks of its command line before its work."""

from __future__ import annotations

from collections.abc import Sequence

from absl import flags

from tfvision import errors


def flags_only(argv: Sequence[str], verb: str) -> None:
    """Raises UsageError where there is an argument that is not a flag. argv: as absl gives it."""
    if len(argv) > 1:
        raise errors.UsageError(f"unexpected argument '{argv[1]}'; {verb} takes flags only")


def needed(*holders: flags.FlagHolder) -> None:
    """Raises UsageError for the first flag without a value."""
    for flag in holders:
        if not flag.value:
            raise errors.UsageError(f"--{flag.name} is missing")

"""tfvision models: every architecture by name."""

from __future__ import annotations

from collections.abc import Sequence

from absl import app

from tfvision import errors


def main(argv: Sequence[str]) -> None:
    """Prints the names. Raises UsageError for an argument."""
    if len(argv) > 1:
        raise errors.UsageError(f"unexpected argument '{argv[1]}'; models takes none yet")
    from tfvision import models

    print("\n".join(models.names()))


if __name__ == "__main__":
    app.run(main)

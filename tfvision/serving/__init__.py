"""Export, client and development server. Knows `Task`, not the tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfvision.serving.client import Model


def load(path: str) -> Model:
    """An exported model: BASE (its highest version) or BASE/N; see `client.load`."""
    from tfvision.serving import client

    return client.load(path)

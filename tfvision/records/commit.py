"""How a conversion is put in place: renames alone, written down before the first one.

The journal lies in the hidden folder. From its rename on the conversion counts: whoever converts
into that output next carries out what is left of it, and readers refuse until then, so that no
dataset.json is ever read with another conversion's shards.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Sequence

from tfvision import atomic, json_files
from tfvision.records import aside


def put(folder: str, output: str, moves: Sequence[str], removes: Iterable[str]) -> None:
    """Moves files of `folder`, by name, into `output`, in this order, and removes some there."""
    journal = {"moves": list(moves), "removes": sorted(removes)}
    atomic.write_text(os.path.join(folder, aside.JOURNAL), json.dumps(journal))
    finish(folder, output)


def finish(folder: str, output: str) -> None:
    """Carries out the journal in `folder`, if there is one, or what is left of it."""
    path = os.path.join(folder, aside.JOURNAL)
    if not os.path.exists(path):
        return
    way_out = f"remove {folder} and what the conversion has left, and convert again"
    journal = json_files.read(path, {"moves": [str], "removes": [str]}, way_out)
    for name in journal["moves"]:
        source = os.path.join(folder, name)
        if os.path.exists(source):
            os.replace(source, os.path.join(output, name))
    atomic.sync(output)
    for name in journal["removes"]:
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(output, name))
    os.remove(path)

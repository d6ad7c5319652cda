"""A pure function over many items, in order, in several processes and bounded memory."""

from __future__ import annotations

import collections
import concurrent.futures
import concurrent.futures.process
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tfvision import errors

# Items that wait or are done ahead of the one consumed, per worker: enough to keep them busy.
_AHEAD = 8
_function: Callable[[Any], Any] | None = None  # of a worker process, set once when it starts


def _start(function: Callable[[Any], Any]) -> None:
    global _function
    _function = function


def _call(item: Any) -> Any:
    return _function(item)


def ordered_map(
    function: Callable[[Any], Any], items: Iterable[Any], *, workers: int
) -> Iterator[Any]:
    """Yields function(item) in the order of `items`, whatever the number of workers.

    One worker runs in this process. More are spawned, so `function` and the items must
    pickle; an exception comes out where its item would have."""
    if workers <= 1:
        yield from map(function, items)
        return
    executor = concurrent.futures.ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_start, initargs=(function,)
    )
    waiting: collections.deque[concurrent.futures.Future] = collections.deque()
    try:
        for item in items:
            waiting.append(executor.submit(_call, item))
            if len(waiting) >= workers * _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except concurrent.futures.process.BrokenProcessPool as error:
        raise errors.DataError(
            "a worker process ended abruptly (killed, or out of memory); try fewer --workers"
        ) from error
    finally:
        executor.shutdown(wait=True, cancel_futures=True)

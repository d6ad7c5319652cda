"""Which of the state dicts in a checkpoint is read.

Training scripts put the parameters under one key, their moving average under another, and
optimizers, arguments and counters beside them. Where a file has both, the average is taken: it is
what scripts that keep one evaluate, and what a run of ours is read as (`runs`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from tfvision import errors
from tfvision.weights import pickles, prefixes, tensors

# Where training scripts put the parameters and their averages, the likeliest first.
MODELS = (
    *("state_dict", "model_state_dict", "model_state", "model", "net", "network", "net_state_dict"),
    *("weights", "params", "module"),
)
AVERAGES = (
    *("model_ema", "state_dict_ema", "ema_state_dict", "model_ema_state_dict", "ema_model"),
    *("ema", "params_ema", "averaged_model", "swa_model", "swa_state_dict", "shadow"),
)
MODEL, AVERAGE = "model", "average"  # what `which` may be, beside a key
_DEPTH = 6  # of dicts in dicts
_LONGEST = 1000  # characters of a name
_ENTRIES, _NAME_LENGTH = 100_000, 300  # of a network that was pickled whole


class State(NamedTuple):
    """place: the keys on the way, "ema.module"; "" for the outermost dict. entries: by name."""

    place: str
    entries: dict


def choose(content: Any, which: str = "") -> tuple[State, str]:
    """The state dict of a checkpoint's content, and a line on the choice ("" without one).

    which: MODEL, AVERAGE, a key ("model_ema", "ema.module") or "", which takes the average where
    there is one, else the parameters. Raises UsageError for a `which` that the file lacks, and
    DataError for a content without a state dict."""
    states = {MODEL: _first(content, MODELS), AVERAGE: _first(content, AVERAGES)}
    states = {name: state for name, state in states.items() if state is not None}
    if MODEL not in states:
        whole = _state(content, "")
        if whole is not None and whole.place not in [state.place for state in states.values()]:
            states[MODEL] = whole
    if MODEL in states and AVERAGE not in states:
        states = _halves(states[MODEL]) or states
    for state in states.values():
        if which and which == state.place:
            return state, ""
    if which and which not in states:
        return _named(content, which, states), ""
    if not states:
        return _only(content), ""
    name = which or (AVERAGE if AVERAGE in states else MODEL)
    if len(states) == 1:
        return states[name], ""
    other = states[MODEL if name == AVERAGE else AVERAGE]
    return states[name], (
        f"took the {name} '{states[name].place}', not '{other.place}';"
        f" which={MODEL}, {AVERAGE} or a key chooses"
    )


def _halves(state: State) -> dict[str, State]:
    """The parameters and the average of a network that contains both: "model.a", "ema.module.a".

    {} where the names of no average are those of the other half."""
    by_first: dict[str, dict] = {}
    for name, value in state.entries.items():
        by_first.setdefault(str(name).partition(".")[0], {})[str(name)] = value
    for average in AVERAGES:
        rest = [name for name in by_first if name != average]
        if average not in by_first or not rest:
            continue
        names = _bare(by_first[average])
        if len(names) > 1 and any(_bare(by_first[first]) == names for first in rest):
            others = {n: v for first in rest for n, v in by_first[first].items()}
            place = rest[0] if len(rest) == 1 else state.place
            return {MODEL: State(place, others), AVERAGE: State(average, by_first[average])}
    return {}


def _bare(names: Iterable[str]) -> set[str]:
    """The names without what all begin with."""
    names = set(names)
    for _ in range(prefixes.MOST_PARTS):
        prefix = prefixes.common(names)
        names = {name[len(prefix) :] for name in names}
    return names


def _first(content: Any, keys: tuple[str, ...]) -> State | None:
    """The state dict under the first of `keys` that has one."""
    content = _opened(content)
    if not isinstance(content, dict) or _is_module(content):
        return None
    states = (_state(content[key], key) for key in keys if key in content)
    return next((state for state in states if state is not None), None)


def _opened(value: Any) -> Any:
    """A placeholder's state; all else as it is."""
    return value.state if isinstance(value, pickles.Inert) else value


def _state(value: Any, place: str, depth: int = 0, failed: set[int] | None = None) -> State | None:
    """The state dict that a value is, or has in it under one of the known keys.

    failed: ids of dicts that have none; a pickle can hold one dict very many times."""
    value, failed = _opened(value), set() if failed is None else failed
    if not isinstance(value, dict) or depth > _DEPTH or id(value) in failed:
        return None
    if _is_module(value):
        return State(place, dict(_of_modules(value)))
    for key in (*MODELS, *AVERAGES):
        if key in value:
            below = f"{place}.{key}" if place else key
            inner = _state(value[key], below, depth + 1, failed)
            if inner is not None:
                return inner
    if any(map(is_tensor, value.values())):
        return State(place, value)
    failed.add(id(value))
    return None


def is_tensor(value: Any) -> bool:
    """Is it a tensor of torch or an array of NumPy?"""
    return isinstance(value, (tensors.Tensor, tensors.Array))


def _is_module(state: dict) -> bool:
    """Is it the state of a network that was pickled whole?"""
    return "_modules" in state and "_parameters" in state


def _of_modules(module: dict) -> Iterator[tuple[str, Any]]:
    """The named parameters and buffers of a network that was pickled whole."""
    waiting, left = [("", module)], _ENTRIES
    while waiting:
        before, state = waiting.pop()
        groups = [_dict(state.get(name)) for name in ("_parameters", "_buffers", "_modules")]
        left -= 1 + sum(map(len, groups))
        if left < 0 or len(before) > _NAME_LENGTH:
            raise ValueError("a network of too many or too deep modules")
        for name, value in (*groups[0].items(), *groups[1].items()):
            if is_tensor(value):
                yield f"{before}{str(name)[:_NAME_LENGTH]}", value
        for name, child in reversed(groups[2].items()):
            if isinstance(_opened(child), dict):
                waiting.append((f"{before}{str(name)[:_NAME_LENGTH]}.", _opened(child)))


def _dict(value: Any) -> dict:
    return value if isinstance(value, dict) else {}


def _named(content: Any, which: str, states: dict[str, State]) -> State:
    """The state dict under the key `which`, or the keys of `a.b`."""
    value, here = content, ""
    for key in which.split("."):
        value = _dict(_opened(value)).get(key)
        here = f"{here}.{key}" if here else key
    state = _state(value, which)
    if state is not None:
        return state
    names = [f"{name} ('{state.place}')" for name, state in states.items()]
    keys = [str(key)[:99] for key in list(_dict(_opened(content)))[:20]]
    raise errors.UsageError(
        f"which='{which}' is not a state dict of the file; it has {', '.join(names) or 'none'};"
        f" its keys: {', '.join(keys) or 'none'}"
    )


def _only(content: Any) -> State:
    """The one state dict under a key of any name."""
    failed: set[int] = set()
    items = _dict(_opened(content)).items()
    states = [_state(value, str(key)[:99], failed=failed) for key, value in items]
    states = [state for state in states if state is not None]
    if len(states) == 1:
        return states[0]
    if states:
        places = ", ".join(f"'{state.place}'" for state in states[:20])
        raise errors.DataError(f"state dicts under several keys: {places}; choose with which=KEY")
    if isinstance(content, pickles.Inert):
        raise errors.DataError(
            f"a '{content.name}', and code in checkpoints is never run; save the plain state dict"
            " (name -> tensor) alone, or convert it to .safetensors"
        )
    if not isinstance(content, dict):
        raise errors.DataError(f"contains a {type(content).__name__}, not a state dict")
    return State("", content)


def tensors_of(state: State) -> tuple[dict[str, Any], list[str]]:
    """The tensors of a state dict by name, and the names of what is left out beside them.

    Left out is what modules keep of their own (`_extra_state`), and numbers without a module beside
    tensors in modules. Raises DataError for all else that is not a tensor, and for absurd names."""
    entries = {str(name): value for name, value in state.entries.items()}
    modules = any("." in name for name, value in entries.items() if is_tensor(value))
    kept, left = {}, []
    for name, value in entries.items():
        number = modules and "." not in name and isinstance(value, (int, float))
        if not is_tensor(value) and (number or name.endswith("_extra_state")):
            left.append(name[:_LONGEST])
        else:
            _check_entry(name, value)
            kept[name] = value
    return kept, left


def _check_entry(name: str, value: Any) -> None:
    """Raises DataError for an entry of a state dict that is not a tensor, or has an absurd name."""
    if len(name) > _LONGEST:
        raise errors.DataError(f"a name of {len(name):,} characters is not a parameter's")
    if is_tensor(value):
        return
    if isinstance(value, pickles.Inert):
        raise errors.DataError(
            f"{name[:99]!r} is a '{value.name}', not a tensor, and code in checkpoints is"
            " never run; save the plain state dict (name -> tensor) alone"
        )
    raise errors.DataError(
        f"{name[:99]!r} is a {type(value).__name__}, not a tensor; save the state dict alone"
        f" or under one of: {', '.join(MODELS)}"
    )

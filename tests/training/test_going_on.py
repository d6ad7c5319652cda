"""Runs that go on: after a kill at any moment, to a later end, with moved data, past damage."""

import json
import shutil

import file_operations
import numpy as np
import pytest
import tensorflow as tf
import test_trainer

from tfvision import errors, stack
from tfvision.metrics import Metric
from tfvision.training import best, checkpoints, loop, workdirs

records = test_trainer.records
trainer, small = test_trainer.trainer, test_trainer.small


@pytest.fixture(scope="module")
def run(records, small_model):
    """A function: workdir -> one Trainer, as it was made, that trains 3 steps there."""
    settings = {"steps": 3, "eval_every": 2, "checkpoint_every": 1, "keep": 1}
    settings |= {"steps_per_call": 1, "log_every": 1, "ema": 0.9}
    made = trainer(small(records, train=settings), "nowhere")
    begin = [np.array(v) for v in variables(made)]

    def at(workdir):
        for variable, value in zip(variables(made), begin, strict=True):
            variable.assign(value)
        made.workdir, made.best = str(workdir), None
        made.checkpoints.folder = str(workdir / "checkpoints")
        return made

    return at


def variables(made):
    found = [*made.net.variables(), *stack_of(made.optimizer), *made._averages.variables, made.step]
    return [stack.raw(v) for v in found]


def stack_of(optimizer):
    from tfvision import optimizers

    return optimizers.variables(optimizer)


def whole(folder):
    """Each visible checkpoint: its state and its tensors."""
    found = {}
    for path in sorted((folder / "checkpoints").glob("[!.]*")):
        reader = tf.train.load_checkpoint(str(path / "variables"))
        names = sorted(reader.get_variable_to_shape_map())
        tensors = {n: reader.get_tensor(n).tobytes() for n in names if "OBJECT_GRAPH" not in n}
        found[path.name] = (checkpoints.read_state(str(path)), tensors)
    return found


def entries(folder):
    lines = (folder / "log.jsonl").read_text().splitlines()
    return [(e["kind"], e["step"], e["loss"]) for e in map(json.loads, lines)]


def matters(folder):
    """What a resumed run looks at: all that is visible, and the names of what is hidden."""
    places = folder / "checkpoints", folder / "config.json"
    files = [p for place in places for p in (place, *sorted(place.rglob("*")))]
    hidden = [p for p in files if "/." in str(p.relative_to(folder))]
    return [(str(p), p.exists(), p in hidden or p.is_dir() or p.read_bytes()) for p in files
            if p.exists() and (p not in hidden or p.is_dir())]  # fmt: skip


@pytest.fixture(scope="module")
def snapshots(run, tmp_path_factory):
    """The undisturbed run, and what a kill before each operation on its files leaves."""
    folder = tmp_path_factory.mktemp("killed")
    kept, seen = [], None

    def copy(*_):
        nonlocal seen
        if not (folder / "run").is_dir():
            return
        now = matters(folder / "run")
        if now != seen:
            seen = now
            kept.append(folder / f"at-{len(kept)}")
            shutil.copytree(folder / "run", kept[-1])

    with file_operations.before_each(copy):
        run(folder / "run").fit()
    return folder / "run", kept


def copied(folder, place):
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(folder, place)
    return place


def test_a_kill_before_any_operation_on_files_loses_neither_latest_nor_best(run, snapshots):
    undisturbed, kept = snapshots
    expected, logged = whole(undisturbed), entries(undisturbed)
    assert len(kept) > 15
    for number, at in enumerate(kept):
        snapshot = copied(at, undisturbed.parent / f"from-{number}")
        whole(snapshot)  # whatever is visible can be read
        run(snapshot).fit()
        assert whole(snapshot) == expected, snapshot
        assert entries(snapshot) == logged, snapshot


def test_a_refused_operation_ends_in_one_line_and_the_same_command_goes_on(run, snapshots):
    undisturbed, kept = snapshots
    expected = whole(undisturbed)
    refused = 0
    for at in range(0, 400, 7):
        folder = copied(kept[2], undisturbed.parent / "refused")
        caught = file_operations.refused(run(folder).fit, at)
        if caught is None:
            break
        refused += 1
        assert "\n" not in str(caught)
        assert "No space left on device" in str(caught)
        whole(folder)
        run(folder).fit()
        assert whole(folder) == expected, at
    assert refused > 4
    left = [p.name for p in folder.rglob("*") if "aside" in p.name or "removed" in p.name]
    assert not left


def test_two_runs_do_not_share_a_folder(run, tmp_path, records):
    first = run(tmp_path / "run")
    other = trainer(first.config, tmp_path / "run")
    take, tried = loop.Loop.step, []

    def second(self):
        rows, step = take(self), first.steps_done
        if self._trainer is first and not tried:
            with pytest.raises(errors.UsageError, match=r"another run trains in .*/run; wait"):
                other.fit()
            tried.append(step)
        return rows

    loop.Loop.step = second
    try:
        first.fit()
    finally:
        loop.Loop.step = take
    assert tried


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


@pytest.mark.parametrize(
    "broken", ["variables.data-00000-of-00001", "variables.index", "state.json"]
)
def test_a_damaged_latest_checkpoint_is_told_and_the_one_before_taken(
    run, snapshots, tmp_path, capfd, broken
):
    undisturbed, kept = snapshots
    both = next(s for s in kept if {"step-00000002", "step-00000003"} <= set(whole(s)))
    copied(both, tmp_path / "run")
    flip(tmp_path / "run" / "checkpoints" / "step-00000003" / broken)
    with pytest.raises(checkpoints.Damaged, match=r"step-00000003 is damaged: .*strict_resume"):
        run(tmp_path / "run").fit(strict_resume=True)
    run(tmp_path / "run").fit()
    said = [line for line in capfd.readouterr().out.split("\n") if "is damaged" in line]
    assert len(said) == 1
    assert said[0].endswith("the one before it is taken")
    assert whole(tmp_path / "run") == whole(undisturbed)
    flip(tmp_path / "run" / "checkpoints" / "step-00000003" / broken)
    with pytest.raises(checkpoints.Damaged, match="no other checkpoint of this run is intact"):
        run(tmp_path / "run").fit()


def test_the_checkpoint_is_there_when_its_evaluation_fails(run, tmp_path):
    made = run(tmp_path / "run")
    made.evaluate = lambda: (_ for _ in ()).throw(errors.DataError("no more"))
    try:
        with pytest.raises(errors.DataError, match="no more"):
            made.fit()
    finally:
        del made.evaluate
    path = max((tmp_path / "run" / "checkpoints").glob("step-*"))
    assert (path.name, checkpoints.read_state(str(path))["pending"]) == ("step-00000002", True)


def test_ties_go_to_the_lower_loss_and_then_to_the_later_step():
    first = best.better(None, 1, {"top1": 0.5, "loss": 2.0}, "")
    assert first == {"step": 1, "metric": "top1", "value": 0.5, "loss": 2.0}
    assert best.better(first, 2, {"top1": 0.5, "loss": 2.1}, "") is None
    assert best.better(first, 2, {"top1": 0.4, "loss": 0.1}, "") is None
    assert best.better(first, 2, {"top1": 0.5, "loss": 1.9}, "")["step"] == 2
    assert best.better(first, 2, {"top1": 0.5, "loss": 2.0}, "")["step"] == 2
    assert best.better(first, 2, {"top1": 0.6, "loss": 9.0}, "top1")["value"] == 0.6
    assert best.better(first, 2, {"top1": float("nan"), "loss": 1.0}, "") is None
    by_loss = best.better(None, 1, {"top1": 0.5, "loss": 2.0}, "loss")
    assert best.better(by_loss, 2, {"top1": 0.9, "loss": 2.1}, "loss") is None
    without = best.better(None, 1, {"AP": 0.0}, "")
    assert best.better(without, 2, {"AP": 0.0}, "")["step"] == 2


def test_a_later_end_takes_up_the_run_and_says_which_schedule_holds(records, run, tmp_path, capfd):
    made = run(tmp_path / "run")
    made.fit()
    longer = small(records, train={**made.config.train.to_dict(), "steps": 5})
    shorter = small(records, train={**made.config.train.to_dict(), "steps": 2})
    with pytest.raises(errors.UsageError, match="ends at step 3; its end can only be raised"):
        trainer(shorter, tmp_path / "run").fit()
    capfd.readouterr()
    trainer(longer, tmp_path / "run").fit()
    out = capfd.readouterr().out
    assert "resuming from step 3: 5 steps" in out
    assert "the end moves from step 3 to 5: the schedule 'cosine' spans the new length" in out
    assert [e[1] for e in entries(tmp_path / "run") if e[0] == "train"] == [1, 2, 3, 4, 5]
    assert json.loads((tmp_path / "run" / "config.json").read_text())["train"]["steps"] == 5


def test_the_rate_grows_with_the_batch(run, tmp_path):
    made = run(tmp_path / "run")
    with made.config.unlocked():
        made.config.schedule.scale_with_batch = 32
    try:
        assert made.schedule_over(3).learning_rate == pytest.approx(0.02 * 8 / 32)
        made.config.schedule.scale_rule = "sqrt"
        assert made.schedule_over(3).learning_rate == pytest.approx(0.02 * 0.5)
        made.config.schedule.scale_rule = "cubic"
        with pytest.raises(errors.UsageError, match=r"config.schedule.scale_rule 'cubic'"):
            made.schedule_over(3)
    finally:
        made.config.schedule.scale_with_batch = 0
        made.config.schedule.scale_rule = "linear"


def test_a_workdir_alone_names_its_config(tmp_path):
    from tfvision.experiments import train

    (tmp_path / "run").mkdir()
    folder = str(tmp_path / "run")
    assert train.arguments([f"--workdir={folder}"]) == [f"--workdir={folder}"]
    (tmp_path / "run" / "config.json").write_text("{}")
    config = f"--config={folder}/config.json"
    assert train.arguments(["--workdir", folder]) == [config, "--workdir", folder]
    longer = ["--config.train.epochs=9", f"-workdir={folder}"]
    assert train.arguments(longer) == [config, *longer]
    other = ["--config=digits_resnet", f"--workdir={folder}"]
    assert train.arguments(other)[0].endswith("digits_resnet.py")


def test_moved_records_are_found_by_their_full_path_or_by_data(records, tmp_path, monkeypatch):
    from tfvision import overrides, tasks

    copied(records, tmp_path / "a" / "records")
    monkeypatch.chdir(tmp_path / "a")
    config = small("records")
    tasks.resolve(config)
    assert (config.data.path, config.data.folder) == ("records", str(tmp_path / "a" / "records"))
    (tmp_path / "b").mkdir()
    monkeypatch.chdir(tmp_path / "b")
    elsewhere = config.copy_and_resolve_references()
    tasks.resolve(elsewhere)
    assert elsewhere.data.path == str(tmp_path / "a" / "records")
    # other records, which lie where the relative path now leads, are not the run's
    copied(records, tmp_path / "b" / "records")
    file = tmp_path / "b" / "records" / "dataset.json"
    raw = json.loads(file.read_text())
    raw["splits"]["train"]["shards"][0]["sha256"] = "0" * 64
    file.write_text(json.dumps(raw))
    elsewhere = config.copy_and_resolve_references()
    tasks.resolve(elsewhere)
    assert elsewhere.data.path == str(tmp_path / "a" / "records")
    shutil.rmtree(tmp_path / "b" / "records")
    (tmp_path / "a").rename(tmp_path / "c")
    gone = config.copy_and_resolve_references()
    with pytest.raises(errors.DataError, match=r"no data set in records or .*--data=DIR says"):
        tasks.resolve(gone)
    overrides.set_data(gone, str(tmp_path / "c" / "records"))
    tasks.resolve(gone)
    assert gone.data.fingerprint == config.data.fingerprint


def test_an_error_of_a_users_own_is_the_better_the_lower(run, tmp_path):
    made = run(tmp_path / "run")

    class Error(Metric):
        higher_is_better = False

        def reset(self):
            self.value = 0.5

        def update(self, batch, predictions):
            self.value = 0.25

        def result(self):
            return {"mae": self.value}

    made.evaluator.metrics = [Error(), *made.evaluator.metrics]
    try:
        results = made.evaluate()
        assert made.evaluator.lower_is_better(results) == [
            "mae",
            "calibration_error",
            "loss",
            "loss_class",
        ]
        assert "lower_is_better" in workdirs.evaluation_json(1, "val", results, made.evaluator)
        lower = made.evaluator.lower_is_better(results)
        first = best.better(None, 1, {"mae": 0.5}, "", lower)
        assert best.better(first, 2, {"mae": 0.6}, "", lower) is None
        assert best.better(first, 2, {"mae": 0.4}, "", lower)["value"] == 0.4
    finally:
        made.evaluator.metrics = made.evaluator.metrics[1:]

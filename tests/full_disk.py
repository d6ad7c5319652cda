"""Every verb that writes, on a disk that has N KiB free, for every N until it succeeds.

    python tests/full_disk.py [--step=KIB] [--verbs=convert,export ...]

Run as root: it mounts a tmpfs. The first time it is read-only. Each time: one line that says so,
no traceback; what was there before is there still; no file set aside is left; once there is room,
the same command goes on and ends with what an undisturbed one writes. --step is 4 (one block) by
default. The fresh process that checks an export is left out: it writes nothing.
"""

import argparse
import collections
import contextlib
import importlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

import resnet6
from absl import flags

from tfvision import config as configs
from tfvision import errors, serving, sources, synthetic, tasks, training
from tfvision.records import writer
from tfvision.serving import exporter
from tfvision.tools import runs

FORMATS = ("json", "jsonl", "csv", "coco", "yolo")
ROOM = 1 << 20  # KiB, where there is to be enough
REFUSALS = ("No space left on device", "Read-only file system", "cannot be written into")


class Disk:
    """A tmpfs whose free space can be set."""

    def __init__(self, place):
        self.place = pathlib.Path(place)
        self.place.mkdir()
        self._mount(f"size={ROOM}k")

    def _mount(self, options):
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.place], check=True)

    def free(self, kib):
        """Leaves so much room beside what is there."""
        found = os.statvfs(self.place)
        used = (found.f_blocks - found.f_bfree) * found.f_frsize // 1024
        size = max(used + kib, 4)  # 0 is not a limit
        self._mount(f"remount,rw,size={size}k")

    def read_only(self):
        """Refuses every change."""
        self._mount("remount,ro")

    def clear(self):
        self._mount(f"remount,rw,size={ROOM}k")
        for path in self.place.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def close(self):
        subprocess.run(["umount", self.place], check=True)


class Works:
    """What the verbs work on: pictures, records, a run of two steps, its export."""

    def __init__(self, place):
        self.place = pathlib.Path(place)
        self.pictures = self.place / "balloons"
        synthetic.balloons.write(str(self.pictures), train=4, val=3, size=(64, 64))
        self.records = self.place / "records"
        for split in ("train", "val"):
            self.convert(self.records, split)
        self.config = configs.config(
            task="detection",
            data={"path": str(self.records)},
            model={"name": "yolo_v3_small", "width": 2},
            inputs={"image_size": (64, 64), "resize": "letterbox"},
            train={"batch_size": 2, "steps": 2, "precision": "float32", "report_input": False},
        )
        self.small = self._classification(self.place / "digits")
        self.workdir = self.place / "run"
        self.train(self.workdir)
        self.run = runs.open_run(str(self.workdir))
        self._export(self.place / "base")
        self.model = serving.load(str(self.place / "base"))
        self._known = set(flags.FLAGS)
        runs.open_run = lambda *_: self.run
        serving.load = lambda *_: self.model

    def convert(self, output, split="train"):
        images = str(self.pictures / "images" / split)
        notes = str(self.pictures / "annotations" / f"instances_{split}.json")
        source = sources.read("coco", images, notes, split=split)
        writer.write(source, str(output), writer.Options(split=split, name="b", shards=2))

    def train(self, workdir, config=None):
        config = config or self.config
        training.Trainer(tasks.build(config), config, str(workdir)).fit()

    def _classification(self, place):
        """The config of a run of three evaluations, which is quick to start."""
        synthetic.digits.write(str(place / "images"), train=10, val=10)
        for split in ("train", "val"):
            source = sources.read("folder", str(place / "images"), None, split=split)
            writer.write(source, str(place / "records"), writer.Options(split=split))
        resnet6.register()
        return configs.config(
            task="classification",
            data={"path": str(place / "records")},
            model={"name": resnet6.NAME, "width": 2},
            inputs={"image_size": (16, 16)},
            train={
                "batch_size": 2,
                "steps": 3,
                "eval_every": 1,
                "precision": "float32",
                "report_input": False,
            },
        )

    def _export(self, output):
        exporter._check = lambda *_: []
        exporter._report = lambda *_: ""
        samples = runs.samples(self.config, 1)
        options = {"config_json": json.loads(configs.to_json(self.config)), "metrics": {}}
        names = self.run.config.data.class_names
        options |= {"class_names": names, "output": str(output), "samples": samples}
        exporter.export(self.run.task, self.run.net, **options)

    def verb(self, name, *arguments):
        """Calls a tool's main with flags."""
        values = flags.FLAGS
        for flag in set(values) - self._known:
            delattr(values, flag)
        sys.modules.pop(f"tfvision.tools.{name}", None)
        tool = importlib.import_module(f"tfvision.tools.{name}")
        tool.main(values([name, *arguments]))

    def cases(self):
        """{verb: (what writes into a folder, what makes the state before)}."""
        held = f"--workdir={self.workdir}"
        found = {
            "convert": (lambda t: self.convert(t / "out"), None),
            "convert again": (
                lambda t: self.convert(t / "out"),
                lambda t: shutil.copytree(self.records, t / "out"),
            ),
            "export": (lambda t: self._export(t / "base"), None),
            "evaluate": (
                lambda t: self.verb("evaluate", held, f"--output={t}/a/out.json"),
                None,
            ),
            "detections": (
                lambda t: self.verb("evaluate", held, f"--detections={t}/out.json"),
                lambda t: (t / "out.json").write_text("before"),
            ),
            "report": (lambda t: self.verb("report", held, f"--output={t}/r.html"), None),
            "train": (lambda t: self.train(t / "run", self.small), None),
        }
        images = str(self.pictures / "images" / "val")
        for kind in FORMATS:
            given = (f"--model={self.place}/base", f"--format={kind}", images)
            found[f"predict {kind}"] = (
                lambda t, given=given: self.verb("predict", f"--output={t}/out", *given),
                None,
            )
        return found


def content(root):
    """{path below root: bytes, None for a folder}; TensorBoard's files without time and process."""
    return {
        re.sub(r"tfevents\..*", "tfevents", str(path.relative_to(root))): (
            path.read_bytes() if path.is_file() else None
        )
        for path in sorted(root.rglob("*"))
    }


def outcome(work, target):
    """None where it was done, else what was said; "TRACEBACK ..." for what is no line of ours."""
    heard = io.StringIO()
    try:
        with contextlib.redirect_stdout(heard), contextlib.redirect_stderr(heard):
            work(target)
    except errors.TfvisionError as error:
        text = str(error)
        return "TWO LINES " + text if "\n" in text else text.replace(str(target), "DISK")
    except Exception:
        lines = traceback.format_exc().strip().splitlines()
        return f"TRACEBACK {lines[-1][:200]}"
    return None


def faults(verb, said, before, after, whole):
    """What is wrong with the disk after a failure."""
    if said.startswith(("TRACEBACK", "TWO LINES")):
        yield said
    elif not any(words in said for words in REFUSALS):
        yield f"another line: {said}"
    hidden = [name for name in after if pathlib.Path(name).name.startswith(".")]
    if hidden:
        yield f"left: {hidden[0]}"
    partial = verb.startswith("predict")
    if not partial and verb != "train" and after != before:
        yield f"changed: {sorted(set(after) ^ set(before))[:3] or 'bytes'}"
    for name, data in after.items() if partial else ():
        if name.endswith(".json"):
            json.loads(data)
        elif data:
            grows = name.endswith((".jsonl", ".csv"))
            if not (whole[name].startswith(data) if grows else whole[name] == data):
                yield f"half-written: {name}"


def sweep(verb, work, prepare, place, step, most):
    """Runs one verb with more and more room; returns (row of the table, faults by text)."""
    target, wrong, lines = place.place, collections.Counter(), collections.Counter()
    place.clear()
    if prepare:
        prepare(target)
    work(target)
    whole = content(target)
    start, tried = time.monotonic(), 0
    for free in (None, *range(0, most, step)):
        place.clear()
        if prepare:
            prepare(target)
        before = content(target)
        place.read_only() if free is None else place.free(free)
        said, tried = outcome(work, target), tried + 1
        if said is None:
            break
        lines[said.rsplit(": ", 1)[-1][:60]] += 1
        wrong.update(f"{text}" for text in faults(verb, said, before, content(target), whole))
        place.free(ROOM // 2)
        again = outcome(work, target)
        if again is not None:
            wrong[f"not gone on with: {again}"] += 1
        elif set(content(target)) != set(whole):
            wrong[f"other files: {sorted(set(content(target)) ^ set(whole))[:3]}"] += 1
    else:
        wrong[f"no success up to {most} KiB"] += 1
    return (verb, tried, free, time.monotonic() - start, dict(lines)), wrong


def main():
    """Prints the table; exits with 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--step", type=int, default=4, help="KiB; 4 is one block")
    parser.add_argument("--most", type=int, default=8192, help="KiB at most")
    parser.add_argument("--verbs", default="", help="separated by commas; all by default")
    given = parser.parse_args()
    flags.FLAGS(["full_disk"])
    bad = 0
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        with contextlib.redirect_stdout(io.StringIO()):
            works = Works(folder)
        place = Disk(os.path.join(folder, "disk"))
        stack.callback(place.close)
        cases = works.cases()
        print(f"{'verb':16}{'runs':>6}{'enough, KiB':>13}{'seconds':>9}  lines")
        for verb in given.verbs.split(",") if given.verbs else cases:
            with contextlib.redirect_stdout(io.StringIO()):
                row, wrong = sweep(verb, *cases[verb], place, given.step, given.most)
            print(f"{row[0]:16}{row[1]:>6}{row[2]:>13}{row[3]:>9.1f}  {row[4]}", flush=True)
            for text, count in wrong.items():
                print(f"    WRONG {count} times: {text}", flush=True)
            bad += len(wrong)
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()

"""Contenders in processes of their own, timed in turns, so that what else the machine does meets
all of them. Needs neither TensorFlow nor torch: a contender may have a Python of its own.

A contender's script is run with its name and what it is to be; it calls `serve` there.
"""

import os
import resource
import statistics
import subprocess
import sys
import time


class Contender:
    """A process that is warm and waits for its turns; `alive` is false where it cannot run."""

    def __init__(self, script, who, *arguments, python=sys.executable):
        env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
        self.who = who
        self.other = []  # lines that are not answers
        self._process = subprocess.Popen(
            [python, os.path.abspath(script), who, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=env,
        )
        self.alive = self._answer() == "ready"

    def _answer(self):
        for line in self._process.stdout:
            if line.startswith("> "):
                return line[2:].strip()
            self.other.append(line)
        return None

    def turn(self, steps):
        """Seconds, seconds of the processor, peak memory in MiB."""
        self._process.stdin.write(f"{steps}\n")
        self._process.stdin.flush()
        return tuple(float(part) for part in self._answer().split())

    def end(self):
        self._process.stdin.close()
        self._process.wait()


def serve(run):
    """Takes the turns in the contender's own process. run: a function of the number of steps."""
    run(2)
    print("> ready", flush=True)
    for line in sys.stdin:
        start, used = time.perf_counter(), time.process_time()
        run(int(line))
        spent = time.perf_counter() - start, time.process_time() - used
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(">", *spent, peak, flush=True)


def race(contenders, *, rounds, steps):
    """{who: its `turn` of each round} of the contenders that run here; names the others."""
    here = []
    for contender in contenders:
        if contender.alive:
            here.append(contender)
        else:
            print(f"  {contender.who}: not here", flush=True)
    turns = {contender.who: [] for contender in here}
    for _ in range(rounds):
        for contender in here:
            turns[contender.who].append(contender.turn(steps))
    for contender in here:
        contender.end()
    return turns


def rates(turns, images):
    """{who: images/s of each round}. images: in a turn."""
    return {who: [images / seconds for seconds, *_ in rows] for who, rows in turns.items()}


def median_ratio(ones, others):
    """The median of the rounds' ratios of two contenders' numbers."""
    return statistics.median(a / b for a, b in zip(ones, others, strict=True))

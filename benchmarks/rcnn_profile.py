"""Where a graph's time goes, by part of R-CNN and by kind of op; for benchmarks/rcnn_peer.py."""

import collections
import glob
import os
import re
import tempfile

# The first pattern that an op's name has; a gradient's ops carry the name of what they derive.
PARTS = {
    "proposals and NMS": r"proposals",
    "samples and targets": r"anchor_samples|region_samples|mask_targets|mask_rois",
    "detections": r"detections|own_mask|/masks",
    "ROI Align, boxes": r"box_features",
    "ROI Align, masks": r"mask_features",
    "box head": r"box_head|box_predictor|class_logits|box_deltas",
    "mask head": r"mask_head|mask_predictor|mask_logits",
    "RPN": r"rpn|anchors",
    "pyramid": r"backbone\.fpn",
    "backbone": r"pixels|conv1|bn1|relu|maxpool|layer\d",
}
# Ops that hold others: their time is that of what they hold.
HOLDERS = re.compile(r"^(while|If|StatelessIf|PartitionedCall|StatefulPartitionedCall|Case)$")


def events(folder):
    """(name, kind, seconds) of each op's run."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace()
    (path,) = glob.glob(os.path.join(folder, "**", "*.xplane.pb"), recursive=True)
    with open(path, "rb") as file:
        space.ParseFromString(file.read())
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                metadata = plane.event_metadata[event.metadata_id]
                name, _, kind = metadata.name.rpartition(
                    ":"
                )  # what is not an op has no display name
                if kind == metadata.display_name and not HOLDERS.match(kind):
                    yield name, kind, event.duration_ps * 1e-12


def part_of(name):
    part = next((p for p, pattern in PARTS.items() if re.search(pattern, name)), "other")
    return f"{part}, gradient" if "gradient" in name else part


def show(run, steps):
    """Prints the seconds of a step by part, and those of the dearest kinds of op."""
    import tensorflow as tf

    run(2)
    folder = tempfile.mkdtemp()
    options = tf.profiler.experimental.ProfilerOptions(host_tracer_level=3)  # every op
    tf.profiler.experimental.start(folder, options)
    run(steps)
    tf.profiler.experimental.stop()
    parts, kinds = collections.Counter(), collections.Counter()
    for name, kind, seconds in events(folder):
        parts[part_of(name)] += seconds / steps
        kinds[part_of(name), kind] += seconds / steps
    print(f"  {sum(parts.values()):.3f} s of all ops a step", flush=True)
    for part, seconds in parts.most_common():
        dearest = [(k, s) for (p, k), s in kinds.most_common() if p == part][:4]
        listed = ", ".join(f"{kind} {s:.3f}" for kind, s in dearest)
        print(f"  {seconds:7.3f}  {part:<28} {listed}", flush=True)

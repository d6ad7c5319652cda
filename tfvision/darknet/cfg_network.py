"""Darknet's sections -> functional Keras: of a cfg file.

Layer 15 of a cfg is called "L015": its convolution "L015.conv" (that before a head, "L015.head"),
its normalisation "L015.bn", so that a .weights file, which has no names, fills them in order.
Batch normalisation adds 1e-6 inside the root, as OpenCV does; Darknet's CPU code adds it outside,
its GPU code 1e-5 inside. Between 1e-6 and 1e-5 the heads of the published YOLOv3-tiny differ by
3e-4 of their standard deviation, so no box shows it.

Axis letters: B batch, H, W, C channels, A anchors (boxes a cell), K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

from tfvision import layers
from tfvision.darknet import cfg, cfg_layers
from tfvision.darknet import plan as plans
from tfvision.darknet.cfg import Section
from tfvision.darknet.plan import Planned
from tfvision.layers import NormAct
from tfvision.layers.darknet_layers import HEAD_STD

# Darknet's momentum; without an activation, each section's.
NORM_ACT = NormAct(None, bn_momentum=0.99, bn_epsilon=1e-6)


def build(image, sections: Sequence[Section], norm_act: NormAct = NORM_ACT) -> dict:
    """image [B, H, W, 3] RGB 0..255 -> {"yolo_0": raw, ...}, float32, as `Head` says.

    sections: without [net]. A network without a head gives {"class_logits": [B, K]} of what
    comes before a last [softmax]. norm_act: its activation is in place of the sections' own,
    `linear` excepted. Raises DataError for sections that do not fit together."""
    plan = plans.plan(sections, tuple(image.shape[1:3]))
    # Darknet divides by 255 and does no more.
    image = layers.Normalize((0.0,) * 3, (255.0,) * 3, name="pixels")(image)
    done: list = []
    outputs = {}
    for layer in plan:
        inputs = [image if n == plans.IMAGE else done[n] for n in layer.sources]
        after = plan[layer.index + 1 : layer.index + 2]
        is_head = bool(after and after[0].head)
        done.append(_BUILDERS[layer.section.kind](layer, inputs, norm_act, is_head))
        if layer.head:
            outputs[f"yolo_{len(outputs)}"] = done[-1]
    if not outputs:
        x = done[-1]
        if len(x.shape) > 2:
            x = layers.Flatten(name="logits.flatten", dtype="float32")(x)
        outputs["class_logits"] = x
    return outputs


def _activate(x, name, norm_act, layer):
    function, function_options = cfg.ACTIVATIONS[layer.section["activation"]]
    if function == "linear":
        return x
    if norm_act.activation:
        known = function_options if norm_act.activation == function else {}
        function, function_options = norm_act.activation, norm_act.activation_options or known
    return layers.Activation(function, options=function_options, name=f"{name}.activation")(x)


def _convolution(layer, inputs, norm_act, is_head):
    s, name = layer.section, _name(layer)
    x, channels = inputs[0], inputs[0].shape[-1]
    geometry = {
        "strides": s["stride"],
        "padding": plans.convolution_padding(s),
        "name": f"{name}.head" if is_head else f"{name}.conv",
    }
    use_bias = not s["batch_normalize"]
    if is_head:  # logits are float32
        geometry["dtype"] = "float32"
    if s["groups"] == 1:
        std = HEAD_STD if is_head else None
        x = layers.Conv2D(s["filters"], s["size"], use_bias=use_bias, std=std, **geometry)(x)
    elif s["groups"] == channels == s["filters"]:
        x = layers.DepthwiseConv2D(s["size"], **geometry)(x)
        x = cfg_layers.Bias(name=f"{name}.bias")(x) if use_bias else x
    else:
        x = cfg_layers.GroupedConv2D(
            s["filters"], s["size"], groups=s["groups"], use_bias=use_bias, **geometry
        )(x)
    if s["batch_normalize"]:
        x = norm_act.norm(x, f"{name}.bn")
    return _activate(x, name, norm_act, layer)


def _local(layer, inputs, norm_act, is_head):
    s, name = layer.section, _name(layer)
    x = layers.LocallyConnected2D(
        s["filters"], s["size"], strides=s["stride"], padding=s["pad"], name=f"{name}.local"
    )(inputs[0])
    return _activate(x, name, norm_act, layer)


def _connected(layer, inputs, norm_act, is_head):
    name, x = _name(layer), inputs[0]
    if len(x.shape) > 2:
        x = layers.Flatten(name=f"{name}.flatten")(x)
    kind = {"dtype": "float32", "std": HEAD_STD} if is_head else {}
    suffix = "head" if is_head else "connected"
    x = layers.Dense(layer.section["output"], name=f"{name}.{suffix}", **kind)(x)
    return _activate(x, name, norm_act, layer)


def _maxpool(layer, inputs, norm_act, is_head):
    window, stride, padding = plans.pool(layer.section)
    name = f"{_name(layer)}.maxpool"
    return layers.PaddedMaxPool2D(window, strides=stride, padding=padding, name=name)(inputs[0])


def _route(layer, inputs, norm_act, is_head):
    name, groups = _name(layer), layer.section["groups"]
    if groups > 1:
        group = layer.section["group_id"]
        inputs = [
            cfg_layers.ChannelGroup(groups, group, name=f"{name}.group{i}")(x)
            for i, x in enumerate(inputs)
        ]
    return layers.Concatenate(name=f"{name}.route")(inputs) if len(inputs) > 1 else inputs[0]


def _shortcut(layer, inputs, norm_act, is_head):
    name = _name(layer)
    return _activate(layers.Add(name=f"{name}.shortcut")(inputs), name, norm_act, layer)


def _name(layer: Planned) -> str:
    return f"L{layer.index:03d}"


def _simple(make):
    """A builder of layers that one section alone says all about."""

    def build_one(layer, inputs, norm_act, is_head):
        name = f"{_name(layer)}.{layer.section.kind}"
        return make(layer.section, name)(inputs[0])

    return build_one


def _nothing(layer, inputs, norm_act, is_head):
    return inputs[0]


_BUILDERS = {
    "convolutional": _convolution,
    "local": _local,
    "connected": _connected,
    "maxpool": _maxpool,
    "avgpool": _simple(lambda s, name: layers.AdaptiveAveragePool2D(1, name=name)),
    "upsample": _simple(lambda s, name: layers.Upsample(s["stride"], name=name)),
    "reorg": _simple(lambda s, name: layers.Reorg(s["stride"], name=name)),
    "route": _route,
    "shortcut": _shortcut,
    "dropout": _simple(lambda s, name: layers.Dropout(s["probability"], name=name)),
    "softmax": _nothing,
    "cost": _nothing,
    "detection": _simple(
        lambda s, name: layers.DetectionCells(s["side"], s["num"], name=name, dtype="float32")
    ),
    "region": _simple(lambda s, name: layers.AnchorCells(s["num"], name=name, dtype="float32")),
    "yolo": _simple(
        lambda s, name: layers.AnchorCells(len(s["mask"]) or s["num"], name=name, dtype="float32")
    ),
}

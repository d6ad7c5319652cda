"""The pictures that need training: optimizers' paths, trust ratios, regularised weights."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf
from pages import INK, figure, save
from sklearn import datasets

from tfvision import layers, losses, optimizers, stack
from tfvision.optimizers import own
from tfvision.training.step import regularization


def surface(w: tf.Tensor) -> tf.Tensor:
    """A tilted valley, 40 times steeper across than along; the minimum 0 is at (1, 0.5)."""
    x, y = w[..., 0] - 1.0, w[..., 1] - 0.5
    return 0.05 * (x + 0.5 * y) ** 2 + 2.0 * (0.5 * x - y) ** 2


# Learning rates at which each goes far in 120 steps.
RATES = {"sgd": 0.3, "momentum": 0.04, "nesterov": 0.04, "adagrad": 0.5, "adadelta": 8.0}
RATES |= {"rmsprop": 0.03, "adam": 0.15, "adamw": 0.15, "lars": 0.02, "lamb": 0.04}


def optimizer_paths() -> None:
    """Paths in the valley, and the trust ratios of LAMB and LARS over the steps."""
    page, axes = figure(2, 2, height=4.0)
    grid = np.stack(np.meshgrid(np.linspace(-2, 2, 161), np.linspace(-1.6, 2.2, 161)), -1)
    levels = np.geomspace(0.005, 20, 14)
    names = list(optimizers.OPTIMIZERS)
    half, (x, y) = len(names) // 2, grid.transpose(2, 0, 1)
    for axis, part in zip(axes[:2], (names[:half], names[half:]), strict=True):
        axis.contour(x, y, surface(grid), levels, colors="#cbd5e1", linewidths=1)
        for name, ink in zip(part, INK, strict=False):
            path = np.array(walked(name))
            axis.plot(*path.T, ".-", color=ink, markersize=3, linewidth=1.2, label=name)
        axis.plot(1, 0.5, "k*", markersize=9)
        axis.legend(frameon=True, fontsize=8, loc="lower right", edgecolor="none")
        axis.set(xlim=(-2, 2), ylim=(-1.6, 2.2), title="120 steps from (-1.8, 1) to the star")
    for axis, kind in zip(axes[2:], ("lamb", "lars"), strict=True):
        for label, values, ink in zip(*trust_ratios(kind), INK, strict=False):
            axis.plot(np.arange(1, len(values) + 1), values, color=ink, label=label)
        axis.set(yscale="log", xlabel="step", title=f"{kind}: trust ratio of each kernel (digits)")
        axis.legend(frameon=False, fontsize=8)
    save(page, "optimizers")


def walked(name: str) -> list:
    """The points of an optimizer's path."""
    make = keras.Variable if stack.KERAS_3 else tf.Variable
    w = make([-1.8, 1.0], name="kernel")
    options = {"eta": 1.0} if name == "lars" else {}
    optimizer = optimizers.build(name, RATES[name], **options)
    optimizers.create_slots(optimizer, [w])
    path = [np.array(w)]
    for _ in range(120):
        with tf.GradientTape() as tape:
            loss = surface(tf.convert_to_tensor(stack.raw(w)))
        gradient = tape.gradient(loss, stack.raw(w))
        optimizer.apply_gradients([(gradient, w)])
        path.append(np.array(w))
    return path


def digits_net() -> keras.Sequential:
    """Three dense layers on scikit-learn's digits, 64 pixels in 0..1."""
    keras.utils.set_random_seed(0)
    parts = [layers.Dense(64, name="dense1"), layers.Activation("relu")]
    parts += [layers.Dense(64, name="dense2"), layers.Activation("relu")]
    net = keras.Sequential([*parts, layers.Dense(10, name="logits")])
    net.build((None, 64))
    return net


def digits_steps(net, count: int, *, l1: float = 0.0, l2: float = 0.0) -> Iterator[list]:
    """Yields the gradients of `count` training steps of 64 digits; who takes them applies them."""
    found = datasets.load_digits()
    pixels, labels = found.data.astype(np.float32) / 16.0, tf.constant(found.target)
    rng = np.random.default_rng(0)
    for _ in range(count):
        rows = rng.choice(1400, 64, replace=False)  # the others are held out
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(
                losses.cross_entropy(logits=net(pixels[rows]), targets=tf.gather(labels, rows))
            )
            terms = regularization(net.trainable_variables, l1=l1, l2=l2, exclude=own.UNDECAYED)
            loss = tf.add_n([loss, *terms.values()])
        yield tape.gradient(loss, [stack.raw(v) for v in net.trainable_variables])


def trust_ratios(kind: str) -> tuple[list[str], list[list[float]]]:
    """(names, ratios by step) of the kernels: the step taken over the step without the ratio."""
    net, rate = digits_net(), 0.01
    if kind == "lamb":
        optimizer = own.LAMB(rate, exclude_from_layer_adaptation=["bare"])
    else:
        optimizer = own.LARS(rate * 10, momentum=0.0, eta=0.02, exclude=["bare"])
    kernels = [v for v in net.trainable_variables if "kernel" in stack.variable_path(v)]
    names = ["dense1", "dense2", "logits"]
    slots = {id(v): [tf.zeros(v.shape)] * len(optimizer.SLOTS) for v in net.trainable_variables}
    ratios: list[list[float]] = [[] for _ in kernels]
    for step, gradients in enumerate(digits_steps(net, 150)):
        optimizer.iterations.assign(step)
        for variable, gradient in zip(net.trainable_variables, gradients, strict=True):
            value = tf.convert_to_tensor(stack.raw(variable))
            arguments = (gradient, value, optimizer.learning_rate, slots[id(variable)])
            new, slots[id(variable)] = optimizer.step(*arguments, "kernel")
            bare, _ = optimizer.step(*arguments, "bare")
            for place, kernel in enumerate(kernels):
                if kernel is variable:
                    ratio = tf.norm(new - value) / tf.norm(bare - value)
                    ratios[place].append(float(ratio))
            variable.assign(new)
    return names, ratios


def regularized_weights() -> None:
    """The weights of the digits' net after 1,500 steps under L1, L2 and decoupled decay."""
    found = datasets.load_digits()
    held_out, labels = found.data[1400:].astype(np.float32) / 16.0, found.target[1400:]
    kinds = {
        "none": ({}, {}),
        "L1, 0.0003": ({"l1": 3e-4}, {}),
        "L2, 0.003": ({"l2": 3e-3}, {}),
        "decoupled weight decay, 0.03": ({}, {"weight_decay": 0.03}),
    }
    page, axes = figure(1, 4, height=2.9)
    for axis, (title, (terms, options)) in zip(axes, kinds.items(), strict=True):
        net = digits_net()
        variables = net.trainable_variables
        optimizer = optimizers.build("momentum", 0.05, **options)
        optimizers.create_slots(optimizer, variables)
        for gradients in digits_steps(net, 1500, **terms):
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
        kernels = [np.array(v).ravel() for v in variables if "kernel" in stack.variable_path(v)]
        weights = np.concatenate(kernels)
        right = float(np.mean(net(held_out).numpy().argmax(1) == labels))
        small = float(np.mean(np.abs(weights) < 0.005))
        axis.hist(weights.clip(-0.5, 0.5), np.linspace(-0.5, 0.5, 81), color=INK[0], log=True)
        text = f"{title}\nright {100 * right:.1f} %, below 0.005: {100 * small:.0f} %"
        axis.set_title(text, fontsize=8)
        axis.set(ylim=(0.8, 9000), xlabel="weight")
    save(page, "regularization")

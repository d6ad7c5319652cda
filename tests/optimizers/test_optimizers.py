import json
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfvision import errors, optimizers, stack

ORACLES = pathlib.Path(__file__).parents[1] / "oracles"
TFA = json.loads((ORACLES / "optimizers_tfa" / "meta.json").read_text())["cases"]
KERAS = json.loads((ORACLES / "optimizers_keras" / "meta.json").read_text())["cases"]
NAMES = {"Lamb": "lamb", "AdamW": "adamw", "Adam": "adam", "SGD": "sgd", "RMSprop": "rmsprop"}
NAMES |= {"Adagrad": "adagrad", "Adadelta": "adadelta"}


def walk(optimizer, folder, case):
    """Applies the stored gradients; compares every step of every variable."""
    golden = np.load(ORACLES / folder / "golden.npz")
    names = [key.split("/")[1] for key in golden.files if key.startswith("init/")]
    make = keras.Variable if stack.KERAS_3 else tf.Variable
    variables = [make(golden[f"init/{name}"], name=name) for name in names]
    optimizers.create_slots(optimizer, variables)
    for step in range(golden[f"grad/{names[0]}"].shape[0]):
        gradients = [tf.constant(golden[f"grad/{name}"][step]) for name in names]
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        for name, variable in zip(names, variables, strict=True):
            np.testing.assert_allclose(
                np.array(variable),
                golden[f"{case}/{name}"][step],
                rtol=2e-5,
                atol=2e-6,
                err_msg=f"{name} step {step}",
            )


@pytest.mark.addons
@pytest.mark.parametrize("case", TFA)
def test_lamb_walks_the_path_of_tensorflow_addons(case):
    optimizer = optimizers.build("lamb", **TFA[case]["arguments"])
    assert ("addons" in type(optimizer).__module__) == (not stack.KERAS_3)
    walk(optimizer, "optimizers_tfa", case)


@pytest.mark.addons
@pytest.mark.parametrize("case", TFA)
def test_our_own_lamb_walks_it_on_both_stacks(case):
    walk(optimizers.own.LAMB(**TFA[case]["arguments"]), "optimizers_tfa", case)


@pytest.mark.parametrize("case", [c for c in KERAS if not c.startswith("Lamb")])
def test_keras_optimizers_by_name_walk_the_path_of_keras(case):
    arguments = dict(KERAS[case]["arguments"])
    excluded = KERAS[case]["exclude_from_weight_decay"]
    # The oracle decays everything where it names no exclusions.
    optimizer = optimizers.build(
        NAMES[KERAS[case]["class"]], exclude_from_weight_decay=excluded or [], **arguments
    )
    walk(optimizer, "optimizers_keras", case)


@pytest.mark.parametrize(
    ("name", "case"), [("momentum", "SGD_momentum"), ("nesterov", "SGD_nesterov")]
)
def test_momentum_without_dampening_is_keras_momentum_at_a_constant_rate(name, case):
    walk(optimizers.build(name, **KERAS[case]["arguments"]), "optimizers_keras", case)


def test_lamb_without_decay_is_keras_lamb_of_the_same_epsilon():
    optimizer = optimizers.build("lamb", learning_rate=0.01, epsilon=1e-7)
    walk(optimizer, "optimizers_keras", "Lamb_default")


def one_variable(optimizer, start, gradients, name="kernel"):
    make = keras.Variable if stack.KERAS_3 else tf.Variable
    variable = make(np.array(start, np.float32), name=name)
    optimizers.create_slots(optimizer, [variable])
    path = []
    for gradient in gradients:
        optimizer.apply_gradients([(tf.constant(gradient, tf.float32), variable)])
        path.append(np.array(variable))
    return np.array(path)


GRADIENTS = np.random.default_rng(0).normal(size=(6, 3))


@pytest.mark.addons
def test_lars_equals_the_loop_of_the_paper():
    optimizer = optimizers.build("lars", 0.5, momentum=0.9, weight_decay=0.01, eta=0.02)
    path = one_variable(optimizer, [1.0, 2.0, 3.0], GRADIENTS)
    w, m = np.array([1.0, 2.0, 3.0]), np.zeros(3)
    for found, g in zip(path, GRADIENTS, strict=True):
        norm = np.linalg.norm(w)
        local = 0.02 * norm / (np.linalg.norm(g) + 0.01 * norm)
        m = 0.9 * m + 0.5 * local * (g + 0.01 * w)
        w = w - m
        np.testing.assert_allclose(found, w, rtol=1e-5)


@pytest.mark.addons
def test_lars_leaves_biases_to_plain_momentum():
    path = one_variable(optimizers.build("lars", 0.1, weight_decay=1.0), [1.0], [[2.0]], "bias")
    np.testing.assert_allclose(path, [[0.8]], rtol=1e-6)


@pytest.mark.addons
def test_momentum_with_dampening_is_the_textbook_average():
    optimizer = optimizers.build("momentum", 0.1, momentum=0.9, dampening=0.9)
    path = one_variable(optimizer, [1.0], [[1.0], [1.0]])
    # m = 0.1, then 0.19
    np.testing.assert_allclose(path, [[0.99], [0.971]], rtol=1e-6)


@pytest.mark.addons
@pytest.mark.parametrize("beta_2", [0.999, 0.9999, 0.99999])
def test_lamb_is_the_formula_in_float64_at_betas_close_to_one(beta_2):
    # without the trust ratio, in which a factor common to the whole update cancels
    optimizer = optimizers.own.LAMB(0.3, beta_2=beta_2, exclude_from_layer_adaptation=["kernel"])
    path = one_variable(optimizer, [1.0, 2.0, 3.0], GRADIENTS)
    w, m, v = np.array([1.0, 2.0, 3.0]), 0.0, 0.0
    for step, (found, g) in enumerate(zip(path, GRADIENTS, strict=True), 1):
        m, v = 0.9 * m + 0.1 * g, beta_2 * v + (1 - beta_2) * g**2
        w = w - 0.3 * m / (1 - 0.9**step) / (np.sqrt(v / (1 - beta_2**step)) + 1e-6)
        np.testing.assert_allclose(found, w, rtol=2e-5, atol=2e-6)


@pytest.mark.addons
def test_lamb_takes_epsilon_inside_the_root():
    optimizer = optimizers.build("lamb", 0.1, epsilon=3.0, epsilon_inside_root=True)
    assert isinstance(optimizer, optimizers.own.LAMB)
    path = one_variable(optimizer, [2.0], [[1.0]])
    # m^ = v^ = 1: update = 1 / sqrt(1 + 3) = 0.5, trust ratio 2 / 0.5: w = 2 - 4 * 0.1 * 0.5
    np.testing.assert_allclose(path, [[1.8]], rtol=1e-6)


def test_a_wrong_name_or_option_is_refused_with_a_suggestion():
    with pytest.raises(errors.UsageError, match="did you mean 'adam'"):
        optimizers.build("adm", 0.1)
    with pytest.raises(errors.UsageError, match="did you mean 'beta_1'"):
        optimizers.build("adam", 0.1, beta1=0.9)
    with pytest.raises(errors.UsageError, match="no option 'beta'"):
        optimizers.build("lars", 0.1, beta=0.9)


@pytest.mark.addons
def test_addons_names_reach_tensorflow_addons_or_say_how_to_get_it():
    if stack.KERAS_3:
        with pytest.raises(errors.UsageError, match=r"install tfvision\[addons\]"):
            optimizers.build("addons:NovoGrad", 0.1)
        return
    weights = tf.Variable([1.0, 2.0])
    optimizer = optimizers.build("addons:RectifiedAdam", 0.01, beta_1=0.8)
    optimizers.create_slots(optimizer, [weights])
    optimizer.apply_gradients([(tf.constant([1.0, 1.0]), weights)])
    # Rectified Adam's first step, its variance not yet tractable, is lr * gradient.
    np.testing.assert_allclose(weights.numpy(), [0.99, 1.99], rtol=1e-6)
    with pytest.raises(errors.UsageError, match="did you mean 'NovoGrad'"):
        optimizers.build("addons:NovaGrad", 0.1)
    with pytest.raises(errors.UsageError, match=r"choose one of: .*LAMB"):
        optimizers.build("addons:annotations", 0.1)


def rates(name, steps, **options):
    total = options.pop("total", 100)
    schedule = optimizers.schedules.Schedule(name, 2.0, total, **options)
    return [round(float(schedule(step)), 5) for step in steps]


@pytest.mark.addons
def test_schedules_give_the_rates_that_one_computes_by_hand():
    assert rates("constant", [0, 99]) == [2.0, 2.0]
    assert rates("step", [0, 29, 30, 60], total=90) == [2.0, 2.0, 0.2, 0.02]
    assert rates("piecewise", [0, 50], boundaries=[0.5], factors=[0.25]) == [2.0, 0.5]
    assert rates("exponential", [0, 100], factor=0.5, parts=2) == [2.0, 0.5]
    assert rates("polynomial", [0, 50, 100], power=2.0) == [2.0, 0.5, 0.0]
    assert rates("polynomial", [50]) == [1.07177]  # 2 x 0.5^0.9
    assert rates("cosine", [0, 50, 100, 200]) == [2.0, 1.0, 0.0, 0.0]
    assert rates("one_cycle", [0, 30, 100]) == [0.08, 2.0, 0.0002]


@pytest.mark.addons
def test_warm_up_rises_and_the_shape_follows_over_the_rest():
    assert rates("cosine", [0, 4, 9, 10, 55, 100], warmup=10) == [0.2, 1.0, 2.0, 2.0, 1.0, 0.0]
    assert rates("constant", [4], warmup=10, warmup_power=2.0) == [0.5]


def test_a_warm_up_longer_than_the_run_is_refused():
    with pytest.raises(errors.UsageError, match="as long as the whole run"):
        optimizers.schedules.Schedule("cosine", 0.1, 10, warmup=10)


@pytest.mark.addons
@pytest.mark.parametrize(
    ("options", "kernel"), [({}, 0.9996), ({"weight_decay": 0.0}, 1.0), ({"weight_decay": 1}, 0.9)]
)
def test_adamw_decays_kernels_by_its_usual_share_or_as_it_is_told(options, kernel):
    """With a gradient of 0 only the decay is left: 1 - 0.1 * weight_decay."""
    make = keras.Variable if stack.KERAS_3 else tf.Variable
    variables = [make([1.0], name="kernel"), make([1.0], name="bias")]
    optimizer = optimizers.build("adamw", 0.1, **options)
    optimizers.create_slots(optimizer, variables)
    optimizer.apply_gradients([(tf.zeros([1]), variable) for variable in variables])
    np.testing.assert_allclose(np.array(variables[0]), [kernel], rtol=1e-6)
    np.testing.assert_allclose(np.array(variables[1]), [1.0])

"""Members of an ensemble trained at once against one of them alone, alternating in one run.

    python -m tests.benchmarks.ensembles [ROUNDS]

The ratio is what one step of all members costs in steps of one: no more than about their number is wanted. Plain steps
are compared with plain ones and XLA's with XLA's.
"""

import sys
import time

import numpy as np

MEMBERS, EXAMPLES = 5, 5000
CASES = [
    ("shallow_mlp", {"hidden": 10}, 10, False),
    ("shallow_mlp", {"hidden": 10}, 10, True),
    ("shallow_mlp", {"hidden": 100}, 32, False),
    ("shallow_mlp", {"hidden": 100}, 32, True),
    ("lenet5_relu", {}, 64, False),
    ("mcdnn_column", {}, 64, False),
]


def steps_of(name, options, batch_size, members, *, jit_compile):
    """Returns a function that runs some steps of the training of so many members, as `train_ensemble` makes them."""
    import keras

    from zoo.ensembles import Ensemble, create_member, make_trainer, repeat_targets
    from zoo.loop.steps import Steps, make_variables
    from zoo.runs.configuration import resolve

    settings = {"recipe": None, "epochs": None, "learning_rate": None, "validation": None, "seed": 0}
    configuration = resolve(name, "mnist", batch_size=batch_size, options=options, **settings)
    ensemble = Ensemble([create_member(configuration, number) for number in range(1, members + 1)])
    model = make_trainer(ensemble, configuration)
    data = keras.tree.map_structure(lambda array: array[:EXAMPLES], repeat_targets(configuration, "train", members))
    make_variables(model, data)
    steps = Steps(model, model.train_step, data, jit_compile=jit_compile)
    rows = np.arange(EXAMPLES // batch_size * batch_size).reshape(-1, batch_size)

    def run(count):
        start = time.perf_counter()
        for value in keras.tree.flatten(steps(rows, count)):
            np.asarray(value)
        return time.perf_counter() - start

    run(1)  # compiles
    return run


def main(rounds=5):
    print(f"{'model':32} {'batch':>5} {'steps':>6} {'one alone':>10} {f'{MEMBERS} at once':>10} {'ratio':>6}")
    for name, options, batch_size, jit_compile in CASES:
        one, all_of_them = (
            steps_of(name, options, batch_size, members, jit_compile=jit_compile) for members in (1, MEMBERS)
        )
        count = max(1, int(0.3 / one(1)))
        count = min(count, EXAMPLES // batch_size)
        pairs = [(one(count) / count, all_of_them(count) / count) for _ in range(rounds)]
        alone, together = 1000 * np.median(pairs, axis=0)
        title = " ".join([name, *(f"{option}={value}" for option, value in options.items())])
        ratio = np.median([together / alone for alone, together in pairs])
        print(
            f"{title:32} {batch_size:5} {'XLA' if jit_compile else 'plain':>6} {alone:7.2f} ms {together:7.2f} ms "
            f"{ratio:6.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

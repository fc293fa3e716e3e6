"""On how many devices and machines a training runs."""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal

from zoo.errors import InvalidValue, RunFailed
from zoo.utils.constraints import check
from zoo.utils.keras_private import set_worker_timeout

PATIENCE = 40  # seconds that the workers wait for one that does not come

Name = Literal["auto", "none", "mirrored", "multiworker"]


def resolve_strategy(strategy: Any) -> Any:
    """Returns the `tf.distribute.Strategy` that a name stands for.

    It is to be asked before TensorFlow is used for anything else: the connection to other workers is
    made here, and GPUs are told to take memory as they need it.

    Args:
        strategy: `"none"`: one device. `"mirrored"`: all GPUs of this machine. `"multiworker"`: all
            machines of `TF_CONFIG`. `"auto"`: `TF_CONFIG` if it is set, several GPUs if there are, else
            one device. Or a strategy, which is taken as it is.

    Raises:
        InvalidValue: Another name, or `"multiworker"` without a usable `TF_CONFIG`.
    """
    import tensorflow as tf

    if isinstance(strategy, tf.distribute.Strategy):
        return strategy
    name = check("strategy", strategy, Name)
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        with suppress(RuntimeError):  # it is in use already, with what it was given
            tf.config.experimental.set_memory_growth(gpu, True)
    if name == "auto":
        name = "multiworker" if "TF_CONFIG" in os.environ else "mirrored" if len(gpus) > 1 else "none"
    if name == "multiworker":
        config = check_cluster()
        jobs = {job: len(config["cluster"][job]) for job in ("chief", "worker") if job in config["cluster"]}
        set_worker_timeout(jobs, PATIENCE / 2)
        _wait_for_workers(config)
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.MirroredStrategy() if name == "mirrored" else tf.distribute.get_strategy()


def _wait_for_workers(config: dict[str, Any]) -> None:
    """Returns when every worker answers.

    TensorFlow itself waits for them without an end, where neither an exception nor a signal reaches it.

    Raises:
        RunFailed: One of them does not, or the port of this one is taken.
    """
    own = config["cluster"][config["task"]["type"]][int(config["task"]["index"])]
    missing = [address for addresses in config["cluster"].values() for address in addresses if address != own]
    deadline = time.monotonic() + PATIENCE
    try:
        with socket.create_server(("", int(own.rpartition(":")[2])), backlog=128):
            while missing := [address for address in missing if not _answers(address)]:
                if time.monotonic() > deadline:
                    raise RunFailed(f"No worker answers at {', '.join(missing)}, after {PATIENCE} s.")
                time.sleep(0.2)
    except OSError as error:
        raise RunFailed(f"This worker cannot be reached at {own}: {error.strerror}.") from error


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=2):
            return True
    except OSError:
        return False


def check_cluster() -> dict[str, Any]:
    """Returns `TF_CONFIG`, which tells a worker of the others, once it is sure to be usable.

    Raises:
        InvalidValue: It is missing, or has no workers or no task among them.
    """
    text = os.environ.get("TF_CONFIG")
    example = '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'
    if text is None:
        raise InvalidValue(f"The strategy multiworker needs TF_CONFIG in the environment, as in {example}.")
    try:
        config = json.loads(text)
        task, members = config["task"], config["cluster"][config["task"]["type"]]
        if not 0 <= int(task["index"]) < len(members):
            raise ValueError(f"task {task['index']} of {len(members)}")
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidValue(f"TF_CONFIG cannot be used ({error}); got {text}; it is to be like {example}.") from error
    return config


def has_several_workers(strategy: Any) -> bool:
    """Returns whether other processes take part, which wait for this one at every step."""
    resolver = strategy.cluster_resolver
    return resolver is not None and bool(resolver.cluster_spec())


def writes_files(strategy: Any) -> bool:
    """Returns whether it is this process that writes: of several workers, the chief or else the first."""
    if not has_several_workers(strategy):
        return True
    resolver = strategy.cluster_resolver
    chief = "chief" if "chief" in resolver.cluster_spec().jobs else "worker"
    return resolver.task_type == chief and resolver.task_id == 0


@contextmanager
def naming_lost_workers(strategy: Any) -> Iterator[None]:
    """Makes one sentence of what TensorFlow says when another worker is lost.

    Raises:
        RunFailed: A worker ended or cannot be reached.
    """
    import tensorflow as tf

    lost = (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.DeadlineExceededError,
        tf.errors.CancelledError,
        tf.errors.InternalError,
    )
    try:
        yield
    except lost as error:
        if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            raise
        config = check_cluster()
        members = config["cluster"][config["task"]["type"]]
        tasks = {int(number) for number in re.findall(r"task:(\d+)", str(error))} - {int(config["task"]["index"])}
        which = ", ".join(f"{task} ({members[task]})" for task in sorted(tasks) if task < len(members))
        reason = re.split(r"Error reported from [^:]*(?::\d+)?: ", str(error).strip().splitlines()[0])[-1].rstrip(":. ")
        raise RunFailed(
            f"Worker {which or 'of this training'} ended or cannot be reached, so that this one, "
            f"{config['task']['index']} of {len(members)}, cannot go on: {reason}."
        ) from error


def division(strategy: Any, batch_size: int) -> str:
    """Returns in words how a mini-batch is divided.

    >>> import tensorflow as tf
    >>> division(tf.distribute.get_strategy(), 10)
    '10 on one device'
    """
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return f"{batch_size} on one device"
    each, more = divmod(batch_size, replicas)
    return f"{batch_size} over {replicas} replicas, {f'{each} or {each + 1}' if more else each} on each"

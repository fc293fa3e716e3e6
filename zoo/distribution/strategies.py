"""The devices and workers that a training runs on."""

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
from zoo.utils.tensorflow_import import import_tensorflow, require_synchronous, require_tensorflow

PATIENCE = 40  # seconds that the workers wait for a missing one

Name = Literal["auto", "none", "mirrored", "multiworker"]


def resolve_strategy(strategy: Any) -> Any:
    """Returns a `tf.distribute.Strategy` by its name.

    It must be called before TensorFlow is used for anything else: it connects to the other workers, and makes GPUs
    allocate memory only as it is needed.

    Args:
        strategy: `"none"`, one device; `"mirrored"`, all GPUs of this machine; `"multiworker"`, all machines in
            `TF_CONFIG`; `"auto"`, multiworker if `TF_CONFIG` has a cluster, mirrored if there are several GPUs, else
            none. A `tf.distribute.Strategy` is returned as it is.

    Raises:
        InvalidValue: The name is unknown, the workers of the strategy do not update the weights together,
            `"multiworker"` has no valid `TF_CONFIG`, or Keras runs on another backend.
        RunFailed: Another worker does not answer, or the port of this worker is in use.
    """
    if isinstance(strategy, str) and check("strategy", strategy, Name) == "multiworker":
        read_cluster()  # what is wrong with it is told before TensorFlow is imported
    require_tensorflow("Training")
    import_tensorflow()
    import tensorflow as tf

    if isinstance(strategy, tf.distribute.Strategy):
        require_synchronous(strategy)
        return strategy
    name = check("strategy", strategy, Name)
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        with suppress(RuntimeError):  # it is in use already
            tf.config.experimental.set_memory_growth(gpu, True)
    if name == "auto":
        name = "multiworker" if _has_cluster() else "mirrored" if len(gpus) > 1 else "none"
    if name == "multiworker":
        config = read_cluster()
        jobs = {job: len(config["cluster"][job]) for job in ("chief", "worker") if job in config["cluster"]}
        set_worker_timeout(jobs, PATIENCE / 2)
        _wait_for_workers(config)
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.MirroredStrategy() if name == "mirrored" else tf.distribute.get_strategy()


def _has_cluster() -> bool:
    """Returns whether `TF_CONFIG` has a cluster; TensorFlow takes an empty one for a single machine."""
    try:
        return bool(json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster"))
    except (ValueError, AttributeError):
        return True  # `read_cluster` says what is wrong with it


def _wait_for_workers(config: dict[str, Any]) -> None:
    """Waits until every worker answers.

    TensorFlow itself would wait without a limit, and neither an exception nor a signal could end it.

    Raises:
        RunFailed: Another worker does not answer, or the port of this worker is in use.
    """
    address = config["cluster"][config["task"]["type"]][int(config["task"]["index"])]
    missing = [other for addresses in config["cluster"].values() for other in addresses if other != address]
    deadline = time.monotonic() + PATIENCE
    try:
        with socket.create_server(("", int(address.rpartition(":")[2])), backlog=128):
            while missing := [other for other in missing if not _answers(other)]:
                if time.monotonic() > deadline:
                    raise RunFailed(f"No worker answers at {', '.join(missing)} after {PATIENCE} s.")
                time.sleep(0.2)
    except OSError as error:
        raise RunFailed(f"This worker cannot be reached at {address}: {error.strerror}.") from error


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with suppress(OSError), socket.create_connection((host, int(port)), timeout=2):
        return True
    return False


def read_cluster() -> dict[str, Any]:
    """Returns the content of `TF_CONFIG`, which lists the workers of the cluster.

    Raises:
        InvalidValue: It is missing, or lists no workers, or not this one.
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
        if "ps" in config["cluster"]:
            raise ValueError("parameter servers are not supported")
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidValue(f"TF_CONFIG must be like {example}; got {text} ({error}).") from error
    return config


def has_several_workers(strategy: Any) -> bool:
    """Returns whether other processes take part in the training and wait for this one at every step."""
    resolver = strategy.cluster_resolver
    return resolver is not None and bool(resolver.cluster_spec())


def writes_files(strategy: Any) -> bool:
    """Returns whether this process writes the files: of several workers, only the chief or else the first one does."""
    if not has_several_workers(strategy):
        return True
    resolver = strategy.cluster_resolver
    chief = "chief" if "chief" in resolver.cluster_spec().jobs else "worker"
    return resolver.task_type == chief and resolver.task_id == 0


@contextmanager
def explain_lost_workers(strategy: Any) -> Iterator[None]:
    """Turns the errors that TensorFlow raises when another worker is lost into one sentence.

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
        config = read_cluster()
        members, index = config["cluster"][config["task"]["type"]], int(config["task"]["index"])
        tasks = {int(number) for number in re.findall(r"task:(\d+)", str(error))} - {index}
        names = ", ".join(f"{task} ({members[task]})" for task in sorted(tasks) if task < len(members))
        reason = re.split(r"Error reported from [^:]*(?::\d+)?: ", str(error).strip().splitlines()[0])[-1].rstrip(":. ")
        raise RunFailed(
            f"Worker {names or 'of this training'} ended or cannot be reached; worker {index} of {len(members)} "
            f"cannot continue: {reason}."
        ) from error


def describe_division(strategy: Any, batch_size: int) -> str:
    """Returns in words how a batch is divided among the replicas.

    >>> import tensorflow as tf
    >>> describe_division(tf.distribute.get_strategy(), 10)
    '10 on one device'
    """
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return f"{batch_size} on one device"
    share, rest = divmod(batch_size, replicas)
    return f"{batch_size} over {replicas} replicas, {f'{share} or {share + 1}' if rest else share} on each"

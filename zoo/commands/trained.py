"""`zoo probe`, `zoo evaluate`, `zoo export`: commands on a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import zoo
from zoo.commands.options import Trained, WeightsName
from zoo.commands.output import make_table, out, print_files, print_table


def probe(
    target: Trained,
    dataset: Annotated[str | None, typer.Option(metavar="NAME|PATH", help="Data set.", show_default="its own")] = None,
    examples: Annotated[int, typer.Option(help="Number of training examples to measure, the first ones.")] = 1000,
) -> None:
    """Measure the gradient of a saved model in every layer, without training it."""
    from zoo.training import probe

    columns = ["layer", "variable", "l2", "rms", "mean_abs", "max_abs", "zeros"]
    table = make_table(*columns)
    for row in probe(target, dataset, examples=examples)[columns].itertuples(index=False):
        table.add_row(*(f"{value:.3g}" if isinstance(value, float) else value for value in row))
    print_table(table)


def evaluate(
    target: Trained,
    dataset: Annotated[str | None, typer.Option(help="Data set name.", show_default="its own")] = None,
    weights: WeightsName = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="Folder of its files.", show_default="runs/evaluation-NAME-DATASET-DATE-TIME")
    ] = None,
) -> None:
    """Evaluate a trained model: accuracy, confusion, calibration, the worst mistakes."""
    from zoo import datasets
    from zoo.runs.folder import RunFolder
    from zoo.runs.opening import open_model

    if dataset is not None:
        datasets.check_name(dataset)  # an unknown name is reported before TensorFlow is imported
    RunFolder.check_new(run_dir)
    model = open_model(target, weights=weights)

    from zoo import evaluation

    result = evaluation.evaluate(model, dataset)
    folder = evaluation.write(result, run_dir)
    for name, (value, low, high, examples) in result.metrics.items():
        out.print(f"{name} {value:.4f}, 95 % interval {low:.4f} to {high:.4f}, {examples} examples")
    if result.calibration_error is not None:
        out.print(f"expected calibration error {result.calibration_error:.4f}")
    if len(result.confusion):
        table = make_table("class", *result.confusion.columns)
        for label, row in result.confusion.iterrows():
            table.add_row(str(label), *(str(count) if count else "." for count in row))
        out.print(table)
    print_files(folder)


def export(
    target: Trained,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Folder to write; a file for onnx and litert.")],
    format: Annotated[str, typer.Option(help="saved_model, onnx or litert.")] = "saved_model",
    dataset: Annotated[
        str | None, typer.Option(help="Data set whose images the exported model takes.", show_default="its own")
    ] = None,
    weights: WeightsName = None,
) -> None:
    """Export a trained model for TensorFlow Serving, ONNX Runtime or LiteRT."""
    from zoo import datasets
    from zoo.exporting.exporter import resolve_target
    from zoo.runs.opening import open_model

    resolve_target(path, format)  # this and the name are checked before TensorFlow is imported
    if dataset is not None:
        datasets.check_name(dataset)
    model = open_model(target, weights=weights)
    exported = zoo.export(model, path, format=format, dataset=dataset)  # type: ignore[arg-type]
    table = make_table("signature", "difference to the model's own numbers, in a process without the zoo")
    for name, difference in exported.signatures.items():
        table.add_row(name, f"{difference:.0e}")
    print_table(table)
    out.print(f"exported to {exported.path}", soft_wrap=True)

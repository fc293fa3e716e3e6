"""`zoo predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.commands.options import Trained, WeightsName
from zoo.commands.output import make_table, out, print_table
from zoo.errors import InvalidValue

if TYPE_CHECKING:
    import keras

Pictures = Annotated[
    list[Path], typer.Argument(metavar="PICTURE...", help="Pictures, or folders of them; or a table, .csv.")
]
AsIs = Annotated[bool, typer.Option("--as-is", help="Only resize the pictures; do not prepare handwriting.")]
Csv = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Table to write; must not exist.")]
Json = Annotated[bool, typer.Option("--json", help="Print the table as JSON.")]
Show = Annotated[
    Path | None, typer.Option("--show", metavar="FILE", help="Figure to write of what the model is shown (PNG).")
]


def predict(
    target: Trained,
    pictures: Pictures,
    weights: WeightsName = None,
    as_is: AsIs = False,
    csv: Csv = None,
    json: Json = False,
    show: Show = None,
) -> None:
    """Name what is on pictures, with probabilities."""
    for path in (csv, show):
        if path is not None and path.exists():
            raise InvalidValue(f"{path} exists already; name another file.")
    from zoo.prediction import list_pictures, predict
    from zoo.runs.opening import open_model
    from zoo.utils.files import replacing

    files = list_pictures(pictures)
    model = open_model(target, weights=weights)
    frame = predict(model, files, as_is=as_is)
    if json:
        print(frame.to_json(orient="records", indent=2))
    else:
        table = make_table("input", "class", "probability", "next")
        for _, row in frame.iterrows():
            second = row.iloc[3:].astype(float).nlargest(2).index[1]
            table.add_row(row["input"], row["class"], f"{row['probability']:.3f}", f"{second} {row[second]:.3f}")
        print_table(table)
    if csv is not None:
        with replacing(csv) as temporary:
            frame.to_csv(temporary, index=False)
    if show is not None:
        _write_figure(model, files, as_is, frame["class"].tolist(), show)
    if not json and (written := [str(path) for path in (csv, show) if path is not None]):
        out.print(f"wrote {', '.join(written)}", soft_wrap=True)


def _write_figure(model: keras.Model, pictures: list[Path], as_is: bool, classes: list[str], path: Path) -> None:
    from zoo.prediction import plot_inputs, read_inputs
    from zoo.utils.files import replacing

    x, names = read_inputs(model, pictures, as_is=as_is)
    with replacing(path) as temporary:
        plot_inputs(x, [f"{Path(name).name}: {label}" for name, label in zip(names, classes, strict=True)]).savefig(
            temporary, format="png", dpi=100
        )

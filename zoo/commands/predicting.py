"""`zoo predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.commands.options import Trained, WeightsName
from zoo.commands.output import make_table, out, print_table
from zoo.errors import InvalidValue

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
    from zoo.prediction import classify, list_pictures, plot_inputs, read_inputs
    from zoo.runs.opening import open_model
    from zoo.utils.files import replacing

    files = list_pictures(pictures)
    model = open_model(target, weights=weights)
    x, names = read_inputs(model, files, as_is=as_is)
    if show is not None and x.ndim != 4:
        raise InvalidValue("--show must come with pictures; got a table.")
    frame = classify(model, x, names)
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
        captions = [f"{Path(name).name}: {label}" for name, label in zip(names, frame["class"], strict=True)]
        with replacing(show) as temporary:
            plot_inputs(x, captions).savefig(temporary, format="png", dpi=100)
    if not json and (written := [str(path) for path in (csv, show) if path is not None]):
        out.print(f"wrote {', '.join(written)}", soft_wrap=True)

"""Entry of the `zoo` command; the commands are in `zoo.commands`."""

from __future__ import annotations

import sys

import typer

from zoo.commands import experimenting, listing, predicting, searching, trained, training
from zoo.errors import ZooError

app = typer.Typer(
    help="The classic neural networks, in Keras, with the size of the gradient in every layer.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("list")(listing.list_)
for command in (
    listing.show,
    listing.datasets,
    training.train,
    searching.tune,
    trained.probe,
    trained.export,
    trained.evaluate,
    predicting.predict,
    experimenting.reproduce,
    experimenting.experiment,
):
    app.command()(command)


def main() -> None:
    """Runs the command line; an error of the user's is one line, without a traceback."""
    try:
        app()
    except ZooError as error:
        print(f"zoo: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()

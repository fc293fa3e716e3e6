"""A trained classifier names what is on pictures and in arrays of the user's own."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zoo
from tests.zoo.prediction.strokes import write_digits
from zoo import datasets
from zoo.errors import DataError, InvalidValue
from zoo.prediction import read_inputs
from zoo.prediction.handwriting import prepare_handwriting

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    write_digits(folder)
    return folder


@pytest.fixture(scope="module")
def lenet():
    return zoo.create("lenet5_relu", weights="mnist")


def count_right(table):
    return sum(Path(path).stem[-1] == name for path, name in zip(table["input"], table["class"], strict=True))


def test_handwriting_is_read_once_it_is_prepared(digits, lenet):
    assert count_right(zoo.predict(lenet, digits)) >= 29
    assert count_right(zoo.predict(lenet, digits, as_is=True)) < 15


def test_a_table_has_names_and_probabilities(digits, lenet):
    table = zoo.predict(lenet, [digits / "00_0.png", str(digits / "01_1.jpg")])
    assert table.columns.tolist() == ["input", "class", "probability", *"0123456789"]
    assert table["class"].tolist() == ["0", "1"]
    np.testing.assert_allclose(table[list("0123456789")].sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(table["probability"], table[list("0123456789")].max(axis=1))


def test_arrays_are_taken_in_the_numbers_of_the_data_set(lenet, digits):
    x, _ = read_inputs(lenet, digits)
    raw = np.round(x * 255).astype("uint8")
    for array in (raw, raw[..., 0]):
        assert zoo.predict(lenet, array)["class"].tolist() == zoo.predict(lenet, digits)["class"].tolist()


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.zeros((2, 5, 5)), r"inputs must have shape \(examples, 28, 28, 1\); got \(2, 5, 5\)"),
        (np.full((1, 28, 28), 256.0), "from 0 to 255, as in mnist; got values up to 256"),
        (np.full((1, 28, 28), np.nan), "from 0 to 255"),
        ([], "inputs must be paths of pictures or an array"),
        ({"a": 1}, "inputs must be paths of pictures or an array"),
    ],
)
def test_other_inputs_are_refused(lenet, inputs, message):
    with pytest.raises(InvalidValue, match=message):
        zoo.predict(lenet, inputs)


def test_models_that_give_no_class_are_refused(digits):
    with pytest.raises(InvalidValue, match="must be a classifier; autoencoder does not give a class"):
        zoo.predict(zoo.create("autoencoder", weights="mnist"), digits)
    with pytest.raises(InvalidValue, match="must be a trained model of the zoo"):
        zoo.predict(zoo.create("lenet5_relu"), digits)


def test_pictures_that_cannot_be_read_are_named(lenet, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"nothing")
    Image.new("L", (50, 50), 128).save(tmp_path / "blank.png")
    with pytest.raises(DataError, match=r"broken.png is damaged"):
        zoo.predict(lenet, tmp_path / "broken.png")
    with pytest.raises(InvalidValue, match=r"blank.png: A picture must show a written character"):
        zoo.predict(lenet, tmp_path / "blank.png")
    with pytest.raises(DataError, match="No such picture: .*none.png"):
        zoo.predict(lenet, tmp_path / "none.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has no pictures"):
        zoo.predict(lenet, tmp_path / "empty")


class TestHandwriting:
    def test_a_prepared_digit_is_centered_by_mass_in_a_box(self):
        picture = np.ones((100, 60))
        picture[10:50, 5:15] = 0
        prepared = prepare_handwriting(picture, 28, 28)
        rows, columns = np.indices(prepared.shape)
        center = [(prepared * places).sum() / prepared.sum() + 0.5 for places in (rows, columns)]
        np.testing.assert_allclose(center, 14, atol=0.6)
        assert np.ptp(np.flatnonzero(prepared.max(axis=1) > 0.5)) + 1 == 20
        assert prepared.max() == 1

    def test_dark_on_light_is_as_light_on_dark(self):
        picture = np.full((100, 60), 0.9)
        picture[10:50, 5:15] = 0.1
        np.testing.assert_allclose(
            prepare_handwriting(picture, 28, 28), prepare_handwriting(1 - picture, 28, 28), atol=1e-6
        )

    def test_dust_and_shadows_are_dropped(self):
        clean = np.ones((200, 200))
        clean[40:160, 90:114] = 0.2
        dirty = clean * np.linspace(1, 0.6, 200)[:, None]
        dirty[5:8, 5:8] = 0
        np.testing.assert_allclose(prepare_handwriting(dirty, 28, 28), prepare_handwriting(clean, 28, 28), atol=0.3)

    def test_examples_of_mnist_style_are_left_nearly_as_they_are(self, lenet, digits):
        x, _ = read_inputs(lenet, digits)
        again = np.stack([prepare_handwriting(each[..., 0], 28, 28) for each in x])
        assert np.abs(again - x[..., 0]).mean() < 0.05


@pytest.mark.large
class TestOwnPictures:
    def test_a_run_on_own_pictures_reads_them_as_it_was_trained(self, tmp_path):
        rng = np.random.default_rng(0)
        for number in range(60):
            label = ("bright", "dark")[number % 2]
            (tmp_path / "data" / label).mkdir(parents=True, exist_ok=True)
            low, high = (0, 100) if number % 2 else (156, 256)
            pixels = rng.integers(low, high, (9, 9, 3), dtype="uint8")
            Image.fromarray(pixels).save(tmp_path / "data" / label / f"{number}.png")
        data = datasets.load(tmp_path / "data", size=6, invert=True)
        run = zoo.train("deep_mlp", data, epochs=30, run_dir=tmp_path / "run", progress=False)
        model = zoo.load(run.folder / "model.keras")
        table = zoo.predict(model, tmp_path / "data")
        assert [Path(path).parent.name for path in table["input"]] == table["class"].tolist()

    def test_the_command_prints_and_writes(self, digits, tmp_path):
        command = [sys.executable, "-m", "zoo.cli", "predict", "lenet5_relu", str(digits / "02_2.png")]
        files = ["--csv", str(tmp_path / "a.csv"), "--show", str(tmp_path / "a.png")]
        done = subprocess.run([*command, *files], capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        assert "02_2.png  2" in done.stdout
        assert (tmp_path / "a.csv").read_text().count("\n") == 2
        with Image.open(tmp_path / "a.png") as figure:
            assert figure.size[0] > 200
        done = subprocess.run([*command, "--json"], capture_output=True, text=True, cwd=ROOT)
        assert json.loads(done.stdout)[0]["class"] == "2"
        done = subprocess.run([*command, *files], capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 2
        assert "exists already" in done.stderr

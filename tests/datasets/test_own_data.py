"""Data of the user's own: arrays, folders of pictures, `.npz` and IDX files."""

import contextlib
import gzip
import struct
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import zoo
from zoo import datasets, evaluation
from zoo.errors import DataError, InvalidValue, UnknownName, ZooError

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (60, 8, 6), dtype="uint8")
LABELS = np.arange(60) % 3


def write_pictures(folder, x, y, *, suffix="png"):
    for number, (pixels, label) in enumerate(zip(x, y, strict=True)):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / str(label) / f"{number}.{suffix}")


def to_bytes(x):
    return (x[..., 0] * 255).astype("uint8")


class TestArrays:
    @pytest.mark.parametrize(
        ("x", "shape", "levels"),
        [
            (BYTES, (8, 6, 1), 255),
            (BYTES[..., None], (8, 6, 1), 255),
            (BYTES / 255, (8, 6, 1), 1),
            (BYTES / 127.5 - 1, (8, 6, 1), 1),
            (np.stack([BYTES] * 3, axis=-1), (8, 6, 3), 255),
            (BYTES.reshape(60, -1) > 9, (48,), 1),
        ],
    )
    def test_inputs_are_scaled_to_the_unit_range(self, x, shape, levels):
        data = datasets.from_arrays(x, LABELS)
        assert data.input_shape == shape
        assert data.source.levels == levels
        assert np.abs(data.train.x).max() <= 1
        assert [len(split) for split in data.splits.values()] == [43, 5, 12]

    def test_given_parts_are_kept(self):
        data = datasets.from_arrays(BYTES, LABELS, test_data=(BYTES[:9], LABELS[:9]), validation=0.5)
        assert [len(split) for split in data.splits.values()] == [30, 30, 9]
        np.testing.assert_array_equal(data.test.x[..., 0], BYTES[:9] / np.float32(255))

    def test_examples_of_a_group_stay_together(self):
        groups = np.arange(60) // 3
        marked = np.broadcast_to(groups[:, None, None] / np.float32(100), (60, 4, 4))
        data = datasets.from_arrays(marked, LABELS, groups=groups)
        found = [set(split.x[:, 0, 0, 0].tolist()) for split in data.splits.values()]
        assert not found[0] & found[1]
        assert not found[0] & found[2]
        assert sum(map(len, found)) == 20

    @pytest.mark.parametrize(
        ("arguments", "options", "message"),
        [
            ((BYTES.astype(float), LABELS), {}, "x must be in .* levels=1; got values from 0 to 255. .* levels=255"),
            ((BYTES, LABELS), {"levels": 100}, "levels=100; got values"),
            ((np.moveaxis(np.stack([BYTES] * 3, -1), -1, 1), LABELS), {}, "channels last.*got .60, 3, 8, 6"),
            ((BYTES, LABELS[:5]), {}, "a label for each example; got 60 and 5"),
            ((np.full((60, 4), np.nan), LABELS), {}, "x must be finite; got 240"),
            ((np.full((60, 4), "a"), LABELS), {}, "x must be numbers"),
            ((np.zeros(60), LABELS), {}, r"images or rows of numbers, one per example; got shape \(60,\)"),
            ((BYTES, LABELS), {"test": 0}, "test must be a share"),
            ((BYTES, LABELS), {"test": 60}, "test must be a share"),
            ((BYTES, np.arange(60) // 59), {}, "cannot hold every class"),
            ((BYTES, LABELS), {"groups": [1, 2]}, "groups must have one value per example, 60"),
            ((BYTES, LABELS), {"groups": [1] * 60}, "groups must be at least 5"),
            ((BYTES, LABELS), {"test_data": (BYTES[:, :4], LABELS)}, "All examples must have one shape"),
            ((BYTES[LABELS > 0], LABELS[LABELS > 0]), {"test_data": (BYTES, LABELS)}, "0 is only in test"),
            ((BYTES, LABELS), {"class_names": "abcd"}, "got none of d"),
            (
                (BYTES, LABELS),
                {"test_data": (BYTES, np.eye(3)[LABELS])},
                "labels of all parts must have one form",
            ),
        ],
    )
    def test_what_does_not_suit_training_is_refused(self, arguments, options, message):
        with pytest.raises(InvalidValue, match=message):
            datasets.from_arrays(*arguments, **options)

    @settings(max_examples=60, deadline=None)
    @given(
        shape=st.lists(st.integers(0, 12), max_size=4),
        kind=st.sampled_from(["uint8", "float64", "float32", "int64", "bool", "complex128", "object", "U3"]),
        scale=st.sampled_from([0, 1, 300, np.nan]),
        labels=st.lists(
            st.one_of(st.integers(-3, 3), st.text(max_size=2), st.floats(), st.none(), st.booleans()), max_size=12
        ),
    )
    def test_arrays_are_taken_or_refused_in_a_sentence(self, shape, kind, scale, labels):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            x = (RNG.random(shape) * scale).astype(kind)
            with contextlib.suppress(ZooError):
                assert np.isfinite(datasets.from_arrays(x, labels).train.x).all()


class TestFolder:
    def test_pictures_are_the_data_set_by_its_name(self, tmp_path):
        x, y = datasets.digits.read()
        exact = np.round(x * 16).astype("uint8")[..., 0]
        write_pictures(tmp_path / "all", exact * 15, y)
        data, named = datasets.load(tmp_path / "all"), datasets.load("digits")
        assert data.source.class_names == named.source.class_names
        for part, split in data.splits.items():
            np.testing.assert_array_equal(split.y, named.splits[part].y)
            np.testing.assert_allclose(split.x * 17 / 16, named.splits[part].x, rtol=1e-6)

    def test_parts_are_those_of_the_subfolders(self, tmp_path):
        for part, count in (("train", 30), ("val", 9), ("test", 12)):
            write_pictures(tmp_path / part, BYTES[:count], np.array(["cat", "dog", "owl"])[LABELS[:count]])
        data = datasets.load(tmp_path)
        assert {name: len(split) for name, split in data.splits.items()} == {"train": 30, "validation": 9, "test": 12}
        assert data.source.class_names == ("cat", "dog", "owl")

    @pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "gif"])
    def test_files_of_every_kind_have_the_same_pixels(self, tmp_path, suffix):
        write_pictures(tmp_path, BYTES, LABELS, suffix=suffix)
        expected = datasets.from_arrays(BYTES, LABELS)
        np.testing.assert_allclose(datasets.load(tmp_path).test.x, expected.test.x, atol=1e-6)

    def test_colors_transparency_size_and_inversion(self, tmp_path):
        red = np.zeros((8, 6, 4), "uint8")
        red[..., 0], red[:4, :, 3] = 255, 255  # red above, transparent below
        write_pictures(tmp_path, np.stack([red] * 20), np.arange(20) % 2)
        data = datasets.load(tmp_path)
        assert data.input_shape == (8, 6, 3)
        np.testing.assert_array_equal(data.train.x[0, 0, 0], [1, 0, 0])
        np.testing.assert_array_equal(data.train.x[0, 7, 0], [1, 1, 1])  # white
        small = datasets.load(tmp_path, size=4, color=False, invert=True)
        assert small.input_shape == (4, 4, 1)
        assert small.train.x[0, 3, 0, 0] == 0
        assert small.train.x[0, 0, 0, 0] == pytest.approx(1 - 76 / 255)  # the brightness of red

    @pytest.mark.parametrize(
        ("spoil", "error", "message"),
        [
            (lambda path: (path / "0" / "1.png").write_bytes(b"no picture"), DataError, "0/1.png is damaged"),
            (lambda path: (path / "0" / "notes.txt").write_text(""), DataError, "notes.txt is not a picture"),
            (lambda path: Image.new("L", (3, 3)).save(path / "0" / "a.png"), InvalidValue, "one size.*3x3, 8x6"),
            (lambda path: (path / "0").rename(path.parent / "0"), None, ""),
        ],
    )
    def test_what_is_no_picture_is_named(self, tmp_path, spoil, error, message):
        path = tmp_path / "pictures"
        write_pictures(path, BYTES[:20], np.arange(20) % 3)
        spoil(path)
        if error is None:
            assert datasets.load(path).classes == 2
            return
        with pytest.raises(error, match=message):
            datasets.load(path)

    def test_a_folder_without_classes_is_an_error(self, tmp_path):
        Image.new("L", (3, 3)).save(tmp_path / "a.png")
        with pytest.raises(InvalidValue, match="one subfolder of pictures per class; it has none"):
            datasets.load(tmp_path)


class TestFiles:
    @pytest.mark.parametrize(
        "arrays",
        [
            {"x": BYTES, "y": LABELS},
            {"x_train": BYTES, "y_train": LABELS},
            {"x_train": BYTES, "y_train": LABELS, "x_test": BYTES, "y_test": LABELS},
        ],
    )
    def test_npz(self, tmp_path, arrays):
        np.savez(tmp_path / "own.npz", **arrays)
        data = datasets.load(tmp_path / "own.npz")
        assert len(data.test) == (60 if "x_test" in arrays else 12)
        assert data.name == "own"

    @pytest.mark.parametrize("compress", [gzip.compress, bytes])
    def test_idx(self, tmp_path, compress):
        for part in ("train", "t10k"):
            images = struct.pack(">HBBIII", 0, 8, 3, 60, 8, 6) + BYTES.tobytes()
            labels = struct.pack(">HBBI", 0, 8, 1, 60) + LABELS.astype("uint8").tobytes()
            (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(compress(images))
            (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(compress(labels))
        data = datasets.load(tmp_path)
        np.testing.assert_array_equal(data.test.x[..., 0], BYTES / np.float32(255))
        assert data.test.y.tolist() == LABELS.tolist()

    @pytest.mark.parametrize(
        ("name", "content", "error", "message"),
        [
            ("a.npz", b"nothing", DataError, "damaged or another kind"),
            ("a.xls", b"", InvalidValue, "must be a folder of pictures"),
            ("train-images-idx3-ubyte", b"\0\0", DataError, "it has no labels"),
        ],
    )
    def test_other_files_are_refused(self, tmp_path, name, content, error, message):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(error, match=message):
            datasets.load(tmp_path if "idx" in name else tmp_path / name)

    def test_wrong_names_are_refused(self, tmp_path):
        with pytest.raises(DataError, match="No such data set: .*nowhere"):
            datasets.load(tmp_path / "nowhere")
        with pytest.raises(UnknownName, match='Did you mean "digits"'):
            datasets.load("digit")
        with pytest.raises(InvalidValue, match="size is a setting of your own data; got it for digits"):
            datasets.load("digits", size=3)
        np.savez(tmp_path / "own.npz", x=BYTES, y=LABELS)
        with pytest.raises(UnknownName, match='Unknown setting "size" of'):
            datasets.load(tmp_path / "own.npz", size=3)


@pytest.mark.large
def test_a_run_on_own_data_is_resumed_and_evaluated_by_its_path(tmp_path):
    write_pictures(tmp_path / "pictures", BYTES, np.array(["cat", "dog", "owl"])[LABELS])
    data = datasets.load(tmp_path / "pictures", size=5, validation=0.2)
    run = zoo.train("deep_mlp", data, epochs=1, run_dir=tmp_path / "run", progress=False)
    resumed = zoo.resume(run.folder, epochs=2, progress=False)
    assert resumed.metrics["epoch"].tolist() == [1, 2]
    result = evaluation.evaluate(zoo.load(run.folder / "model.keras"))
    assert result.data.digest == data.digest
    assert list(result.confusion.columns) == ["cat", "dog", "owl"]


@pytest.mark.large
class TestRunsOnOwnData:
    @pytest.fixture
    def run(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        write_pictures(tmp_path / "digits.d", BYTES, LABELS)
        data = datasets.load("digits.d", seed=3, size=5)
        return data, zoo.train("deep_mlp", data, epochs=1, run_dir=tmp_path / "run", progress=False)

    def test_its_own_test_examples_are_evaluated_however_the_path_is_written(self, run, tmp_path):
        data, trained = run
        model = zoo.load(trained.folder / "model.keras")
        for dataset in (None, "digits.d", "./digits.d/", tmp_path / "digits.d"):
            assert evaluation.evaluate(model, dataset).data.digest == data.digest

    def test_a_folder_that_has_changed_is_not_evaluated_or_resumed(self, run, tmp_path):
        Image.fromarray(BYTES[0]).save(tmp_path / "digits.d" / "0" / "999.png")
        with pytest.raises(InvalidValue, match="must be as it was when deep_mlp was trained; it has changed"):
            evaluation.evaluate(zoo.load(run[1].folder / "model.keras"))
        with pytest.raises(InvalidValue, match="is not the one that the run was trained on"):
            zoo.resume(run[1].folder, epochs=2, progress=False)

    def test_another_folder_is_read_as_that_of_the_training(self, run, tmp_path):
        model = zoo.load(run[1].folder / "model.keras")
        write_pictures(tmp_path / "others", np.tile(BYTES, (1, 2, 2)), LABELS)
        assert evaluation.evaluate(model, "others").data.input_shape == (5, 5, 1)
        write_pictures(tmp_path / "letters", BYTES, np.array(["a", "b", "c"])[LABELS])
        with pytest.raises(InvalidValue, match="letters must have the classes 0, 1, 2, as deep_mlp has; got a, b, c"):
            evaluation.evaluate(model, "letters")

    def test_data_that_were_not_loaded_must_be_given_again(self, tmp_path):
        data = datasets.from_arrays(BYTES, LABELS)
        run = zoo.train("deep_mlp", data, epochs=1, run_dir=tmp_path / "run", progress=False)
        model = zoo.load(run.folder / "model.keras")
        assert evaluation.evaluate(model, data).data is data
        with pytest.raises(InvalidValue, match="dataset must be given: arrays"):
            evaluation.evaluate(model)
        with pytest.raises(InvalidValue, match="dataset must be given: arrays"):
            zoo.resume(run.folder, epochs=2, progress=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "size must be"),
        ({"size": "28"}, "size must be"),
        ({"size": True}, "size must be"),
        ({"color": "no"}, "color must be"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_settings_are_checked(tmp_path, options, message):
    write_pictures(tmp_path / "own", BYTES[:20], LABELS[:20])
    with pytest.raises(InvalidValue, match=message):
        datasets.load(tmp_path / "own", **options)


def test_other_folders_beside_train_are_refused(tmp_path):
    write_pictures(tmp_path / "train", BYTES[:20], LABELS[:20])
    write_pictures(tmp_path / "valid", BYTES[:20], LABELS[:20])
    assert len(datasets.load(tmp_path).validation) == 20
    write_pictures(tmp_path / "extra", BYTES[:20], LABELS[:20])
    with pytest.raises(InvalidValue, match="folders train, validation and test; got extra too"):
        datasets.load(tmp_path)


def test_masks_of_bytes_are_not_divided():
    assert datasets.from_arrays((BYTES > 99).astype("uint8"), LABELS).train.x.max() == 1


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((BYTES, [[1], [1, 2]] * 30), {}, "y must have one label per example"),
        ((BYTES, 3), {}, "a single value"),
        (([[1], [1, 2]], [1, 2]), {}, "x must be an array of numbers"),
        ((BYTES, LABELS), {"test_data": 3}, "test_data must be inputs and labels"),
        ((BYTES, LABELS), {"seed": -1}, "seed must be"),
        ((np.full((60, 2), 1e300), LABELS), {"levels": 1}, "x must fit into 32-bit numbers"),
        ((BYTES, LABELS), {"groups": np.arange(60), "test": 0.7}, "test must be at most half"),
        ((BYTES, np.arange(60)), {}, "at least two examples of each class; got 60 classes of 60"),
    ],
)
def test_more_arrays_are_refused_in_a_sentence(arguments, options, message):
    with pytest.raises(InvalidValue, match=message):
        datasets.from_arrays(*arguments, **options)

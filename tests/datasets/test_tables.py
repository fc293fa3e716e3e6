"""Tables of the user's own, with scikit-learn's preprocessing as the measure."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_wine
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import zoo
from zoo import datasets
from zoo.datasets.tables import encode_table
from zoo.errors import DataError, InvalidValue, UnknownName

RNG = np.random.default_rng(0)


@pytest.fixture
def frame():
    number = RNG.normal(30, 9, size=100)
    return pd.DataFrame(
        {
            "age": number,
            "visits": RNG.integers(0, 9, 100),
            "town": np.array(["Leon", "Avila", "Soria"])[RNG.integers(3, size=100)],
            "insured": number > 25,
            "person": np.arange(100) // 4,
            "ill": np.where(number > 30, "yes", "no"),
        }
    )


def test_columns_are_those_of_scikit_learn(frame):
    data = datasets.from_table(frame, "ill", drop=["person"])
    rows = {part: encode_table(frame, data.source.columns) for part in data.splits}
    assert data.input_shape == (2 + 3 + 2,)
    assert data.source.class_names == ("no", "yes")
    numbers = frame[["age", "visits"]].to_numpy()
    raw = data.train.x[:, :2] * [column["scale"] for column in data.source.columns[:2]]
    raw = raw + [column["mean"] for column in data.source.columns[:2]]
    np.testing.assert_allclose(StandardScaler().fit_transform(raw), data.train.x[:, :2], atol=1e-4)
    encoded = OneHotEncoder(sparse_output=False).fit_transform(frame[["town", "insured"]].astype(str))
    np.testing.assert_array_equal(rows["train"][:, 2:], encoded)
    mean, scale = np.array([[column["mean"], column["scale"]] for column in data.source.columns[:2]]).T
    np.testing.assert_allclose(rows["train"][:, :2], (numbers - mean) / scale)


def test_examples_of_a_group_stay_together(frame):
    frame["mark"] = frame["person"].astype(float)
    data = datasets.from_table(frame, "insured", drop=["age", "visits", "town", "ill"], group="person", levels=1)
    people = [set(split.x[:, 0].tolist()) for split in data.splits.values()]
    assert not people[0] & people[1]
    assert not people[0] & people[2]


def test_levels_divide_in_place_of_standardizing():
    x, y = datasets.digits.read()
    pixels = pd.DataFrame(np.round(x.reshape(len(x), -1) * 16).astype(int)).add_prefix("pixel_")
    data = datasets.from_table(pixels.assign(digit=y), "digit", levels=16)
    named = datasets.load("digits")
    for part, split in data.splits.items():
        np.testing.assert_array_equal(split.x, named.splits[part].x.reshape(len(split), -1))
        np.testing.assert_array_equal(split.y, named.splits[part].y)


@pytest.mark.parametrize(
    ("change", "options", "kind", "message"),
    [
        (lambda f: f, {"target": "sick"}, UnknownName, 'Unknown column "sick" of table. '),
        (lambda f: f, {"target": "ill", "group": "man"}, UnknownName, 'Unknown column "man"'),
        (lambda f: f.assign(age=f["age"].where(f["age"] > 20)), {}, InvalidValue, "column age must have no missing"),
        (lambda f: f.assign(town=None), {}, InvalidValue, "column town must have no missing values; got 100"),
        (lambda f: f.assign(age=np.inf), {}, InvalidValue, "column age must have finite numbers; got inf"),
        (lambda f: f.assign(day=pd.Timestamp("2026-01-01")), {}, InvalidValue, "column day must .* got dates"),
        (lambda f: f.assign(name=[f"n{i}" for i in range(100)]), {}, InvalidValue, "at most 50 categories; got 100"),
        (lambda f: f[["ill"]], {}, InvalidValue, "must have a column besides ill"),
        (lambda f: f.assign(ill=np.arange(100) / 7), {}, InvalidValue, "labels of classes"),
        (lambda f: f, {"target": "ill", "levels": 0}, InvalidValue, "levels must be an integer >= 1"),
    ],
)
def test_tables_that_do_not_suit_training_are_refused(frame, change, options, kind, message):
    with pytest.raises(kind, match=message):
        datasets.from_table(change(frame), **{"target": "ill", **options})


def test_files_are_read_by_their_path(frame, tmp_path):
    path = tmp_path / "people.csv"
    frame.to_csv(path, index=False)
    data = datasets.load(path, target="ill", group="person")
    assert data.name == "people"
    assert data.digest == datasets.from_table(pd.read_csv(path), "ill", group="person").digest
    with pytest.raises(InvalidValue, match="target must name the column of people.csv"):
        datasets.load(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is damaged or another kind of file"):
        datasets.load(path, target="ill")


@pytest.mark.large
def test_a_model_of_a_table_predicts_rows_as_they_are(tmp_path):
    wine = load_wine(as_frame=True)
    frame = wine.data.assign(kind=np.array(wine.target_names)[wine.target])
    frame.to_csv(tmp_path / "wine.csv", index=False)
    data = datasets.load(tmp_path / "wine.csv", target="kind")
    run = zoo.train("deep_mlp", data, epochs=30, run_dir=tmp_path / "run", progress=False)
    assert run.test["accuracy"] > 0.9
    assert zoo.resume(run.folder, epochs=31, progress=False).metrics["epoch"].iloc[-1] == 31
    model = zoo.load(run.folder / "model.keras")
    for rows in (frame, tmp_path / "wine.csv"):
        assert (zoo.predict(model, rows)["class"] == frame["kind"]).mean() > 0.95
    with pytest.raises(InvalidValue, match="must have the column alcohol"):
        zoo.predict(model, frame.drop(columns="alcohol"))
    with pytest.raises(InvalidValue, match="inputs must be a table with the columns alcohol"):
        zoo.predict(model, frame[wine.feature_names].to_numpy())

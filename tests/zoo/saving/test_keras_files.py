"""A file of this zoo opens as it was saved; one that was meddled with does not open, and nothing in it is run."""

import hashlib
import io
import json
import stat
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

import zoo
from zoo.errors import InvalidValue, UnsafeFile
from zoo.models.origin import origin_of
from zoo.saving.archive import ORIGIN, WEIGHTS


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "model.keras"
    zoo.save(zoo.create("deep_mlp", input_shape=(4,), depth=1, width=3, classes=2), path)
    return path


@pytest.fixture
def trap(tmp_path):
    """A file that an attack would make, were it run."""
    return tmp_path / "run"


def entries_of(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path, entries, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def change(path, **changes):
    """Rewrites parts of a file, and its digest, as an attacker would."""
    entries = entries_of(path)
    origin, config = json.loads(entries[ORIGIN]), json.loads(entries["config.json"])
    if "weights" in changes:
        entries[WEIGHTS] = changes["weights"]
    if "config" in changes:
        changes["config"](config)
    if "origin" in changes:
        changes["origin"](origin)
    origin["weights"] = hashlib.sha256(entries[WEIGHTS]).hexdigest()
    entries |= {ORIGIN: json.dumps(origin), "config.json": json.dumps(config)}
    write(path, entries | changes.get("entries", {}))


def with_weights(edit):
    """Returns the bytes of an HDF5 file with what `edit` writes."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        edit(file)
    return buffer.getvalue()


def layers_of(config):
    return config["config"]["layers"]


@pytest.mark.parametrize("name", zoo.list_models())
def test_every_model_is_restored_with_its_options_and_weights(name, tmp_path):
    model = zoo.create(name)
    zoo.save(model, tmp_path / "model.keras")
    opened = zoo.load(tmp_path / "model.keras")
    assert origin_of(opened) == origin_of(model)
    for ours, theirs in zip(model.get_weights(), opened.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_file_of_a_run_contains_its_training(tmp_path):
    run = zoo.train("shallow_mlp", "moons", epochs=1, seed=3, run_dir=tmp_path / "run", progress=False)
    origin = origin_of(zoo.load(run.folder / "model.keras"))
    assert (origin.recipe.name, origin.recipe.epochs, origin.seed, origin.data["name"]) == ("modern", 1, 3, "moons")
    assert origin_of(run.model).test == run.test


def test_keras_opens_the_file(file):
    opened = keras.saving.load_model(file)
    np.testing.assert_array_equal(opened.get_weights()[0], zoo.load(file).get_weights()[0])


def test_saving_another_model_or_suffix_raises(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(InvalidValue, match="model must come from zoo.create, zoo.train or zoo.load; got sequential"):
        zoo.save(model, tmp_path / "model.keras")
    with pytest.raises(InvalidValue, match=r"path must end in \.keras; got model\.h5"):
        zoo.save(zoo.create("deep_mlp"), tmp_path / "model.h5")
    assert not list(tmp_path.iterdir())


def test_missing_or_invalid_file_raises(tmp_path):
    with pytest.raises(InvalidValue, match="No such model file: "):
        zoo.load(tmp_path / "model.keras")
    (tmp_path / "model.keras").write_bytes(b"rubbish")
    with pytest.raises(UnsafeFile, match=r"not a complete \.keras archive"):
        zoo.load(tmp_path / "model.keras")


def test_truncated_file_raises(file):
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(UnsafeFile, match=r"not a complete \.keras archive"):
        zoo.load(file)


class TestPublishedAttacks:
    """One file per attack."""

    def test_lambda_with_marshalled_code_cve_2024_3660(self, file, trap, tmp_path):
        path = str(trap)
        evil = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: (Path(path).mkdir(), x)[1])])
        trap.rmdir()  # Keras calls the function as it builds
        evil.save(tmp_path / "evil.keras")
        config = json.loads(entries_of(tmp_path / "evil.keras")["config.json"])
        change(file, config=lambda content: layers_of(content).append(layers_of(config)[-1]))
        with pytest.raises(UnsafeFile, match="a Lambda layer, which can contain code"):
            zoo.load(file)
        with pytest.raises(UnsafeFile, match=r"it has no zoo\.json"):
            zoo.load(tmp_path / "evil.keras")
        assert not trap.exists()

    def test_a_module_that_is_imported_cve_2025_1550(self, file, trap, tmp_path):
        (tmp_path / "evil_module.py").write_text(f"open({str(trap)!r}, 'w')")
        evil = {"module": "evil_module", "class_name": "Model", "config": {}, "registered_name": "evil"}
        change(file, config=lambda content: layers_of(content).append(evil))
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(tmp_path)
            with pytest.raises(UnsafeFile, match="names evil_module:Model"):
                zoo.load(file)
        assert not trap.exists()

    def test_a_function_of_python_cve_2025_1550(self, file, trap):
        call = {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}
        change(file, config=lambda content: layers_of(content)[-1]["config"].update(activation=call))
        with pytest.raises(UnsafeFile, match="names os:function"):
            zoo.load(file)

    def test_a_function_of_keras_that_downloads_cve_2025_8747(self, file):
        fetch = {"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "get_file"}
        change(file, config=lambda content: layers_of(content)[-1]["config"].update(activation=fetch))
        with pytest.raises(UnsafeFile, match=r"names keras\.utils:function"):
            zoo.load(file)

    def test_the_old_format_that_ignores_safe_mode_cve_2025_9905(self, tmp_path):
        path = tmp_path / "model.keras"
        with h5py.File(path, "w") as old:
            old.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"layers": []}})
        with pytest.raises(UnsafeFile, match=r"not a complete \.keras archive"):
            zoo.load(path)

    def test_a_configuration_that_turns_safe_mode_off_cve_2025_9906(self, file):
        off = {
            "module": "keras.config",
            "class_name": "function",
            "config": "enable_unsafe_deserialization",
            "registered_name": "enable_unsafe_deserialization",
        }
        change(file, config=lambda content: layers_of(content).insert(0, off))
        with pytest.raises(UnsafeFile, match=r"names keras\.config:function"):
            zoo.load(file)
        with pytest.raises(ValueError, match="safe_mode|Lambda"):  # still on
            keras.layers.Lambda.from_config(keras.layers.Lambda(lambda x: x).get_config())

    def test_a_saved_model_wrapped_as_a_layer_cve_2026_1462(self, file):
        wrapped = {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "/tmp/evil"}}
        change(file, config=lambda content: layers_of(content).append(wrapped))
        with pytest.raises(UnsafeFile, match="TFSMLayer"):
            zoo.load(file)

    def test_a_class_registered_under_the_name_of_this_package(self, file):
        ours = {"module": "builtins", "class_name": "exec", "config": {}, "registered_name": "zoo>RBM"}
        change(file, config=lambda content: layers_of(content).append(ours))
        with pytest.raises(UnsafeFile, match="names builtins:exec"):
            zoo.load(file)

    @pytest.mark.parametrize("name", ["../evil.txt", "/tmp/evil.txt", "a/../../evil", "..\\evil.txt", "C:\\evil.txt"])
    def test_a_path_out_of_the_archive(self, file, name):
        change(file, entries={name: b"evil"})
        with pytest.raises(UnsafeFile, match="leads out of the archive"):
            zoo.load(file)

    def test_an_entry_that_is_a_link(self, file):
        link = zipfile.ZipInfo("model.weights.h5")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        entries = entries_of(file)
        del entries["model.weights.h5"]
        write(file, entries)
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr(link, "/etc/passwd")
        with pytest.raises(UnsafeFile, match="is a link"):
            zoo.load(file)

    def test_an_archive_bomb(self, file):
        write(file, {**entries_of(file), "config.json": b" " * 50_000_000}, zipfile.ZIP_DEFLATED)
        assert file.stat().st_size < 200_000
        with pytest.raises(UnsafeFile, match="must not be compressed; .* unpacks to"):
            zoo.load(file)

    def test_a_text_that_is_too_long(self, file):
        change(file, entries={"config.json": b"[" * 1_500_000})
        with pytest.raises(UnsafeFile, match="must have at most 1000000 bytes; got 1500000"):
            zoo.load(file)

    def test_a_text_that_nests_too_deep(self, file):
        change(file, entries={"config.json": b"[" * 900_000})
        with pytest.raises(UnsafeFile, match="is not valid JSON"):
            zoo.load(file)

    def test_an_unexpected_entry(self, file):
        change(file, entries={"assets/vocabulary.txt": b""})
        with pytest.raises(UnsafeFile, match="has an unexpected entry"):
            zoo.load(file)

    def test_changed_weights(self, file):
        entries = entries_of(file)
        weights = bytearray(entries[WEIGHTS])
        weights[-1] ^= 1
        write(file, {**entries, WEIGHTS: bytes(weights)})
        with pytest.raises(UnsafeFile, match="the digest of the weights differs from that in"):
            zoo.load(file)

    def test_weights_in_another_file(self, file, tmp_path):
        (tmp_path / "secret").write_bytes(b"secret of another user, 64 bytes" * 2)

        def external(weights):
            weights.create_dataset("a", (16,), "f4", external=[(str(tmp_path / "secret"), 0, 64)])

        change(file, weights=with_weights(external))
        with pytest.raises(UnsafeFile, match="stored in another file"):
            zoo.load(file)

    def test_linked_weights(self, file):
        change(file, weights=with_weights(lambda w: w.__setitem__("a", h5py.ExternalLink("/etc/secret.h5", "/x"))))
        with pytest.raises(UnsafeFile, match="are a link"):
            zoo.load(file)
        change(file, weights=with_weights(lambda w: w.__setitem__("a", h5py.SoftLink("/b"))))
        with pytest.raises(UnsafeFile, match="are a link"):
            zoo.load(file)

    def test_weights_that_are_only_declared(self, file):
        change(file, weights=with_weights(lambda w: w.create_dataset("a", (10**12,), "f4", chunks=(1000,))))
        with pytest.raises(UnsafeFile, match="declare 4000000000000 bytes that are not in the file"):
            zoo.load(file)

    def test_compressed_weights(self, file):
        change(file, weights=with_weights(lambda w: w.create_dataset("a", data=np.zeros(10**6), compression="gzip")))
        with pytest.raises(UnsafeFile, match="must not be compressed"):
            zoo.load(file)

    def test_weights_that_are_python_objects(self, file):
        change(file, weights=with_weights(lambda w: w.create_dataset("a", data=["x"], dtype=h5py.string_dtype())))
        with pytest.raises(UnsafeFile, match="are not numbers"):
            zoo.load(file)

    def test_options_that_demand_all_memory_or_time(self, file):
        change(file, origin=lambda content: content["options"].update(width=10**9))
        with pytest.raises(UnsafeFile, match="has far more weights than the"):
            zoo.load(file)
        change(file, origin=lambda content: content["options"].update(width=3, depth=10**9))
        with pytest.raises(UnsafeFile, match="has far more weights than the"):
            zoo.load(file)


def test_name_and_options_are_checked(file):
    change(file, origin=lambda content: content["options"].update(width="__import__('os')"))
    with pytest.raises(UnsafeFile, match="width must be an integer >= 1"):
        zoo.load(file)
    change(file, origin=lambda content: content.update(model="os.system"))
    with pytest.raises(UnsafeFile, match='Unknown model "os.system"'):
        zoo.load(file)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipe": {"name": "x", "lambda": 1}}, "Recipe must have no fields but name, .*; got 'lambda'"),
        ({"recipe": {"name": "x"}}, "Recipe must have name, .*; 'summary' is missing"),
        ({"recipe": [1]}, r"recipe must be a Recipe or None; got \[1\]"),
        ({"data": {"file": "/etc"}}, "data must have no fields but name, .*; got 'file'"),
        ({"data": {"class_names": 5}}, r"data\['class_names'\] must be a list; got 5"),
        ({"data": {"levels": 0}}, r"data\['levels'\] must be an integer >= 1; got 0"),
        ({"test": {"accuracy": "high"}}, r"test\['accuracy'\] must be a number; got 'high'"),
        ({"seed": -1}, "seed must be"),
        ({"options": []}, "options must be a dict; got list"),
        ({"more": 1}, "Origin must have no fields but model, .*; got 'more'"),
    ],
)
def test_description_of_the_training_is_checked(file, changes, message):
    change(file, origin=lambda content: content.update(changes))
    with pytest.raises(UnsafeFile, match=message):
        zoo.load(file)


def test_weights_of_another_shape_raise(file, tmp_path):
    zoo.save(zoo.create("deep_mlp", input_shape=(4,), depth=1, width=5, classes=2), tmp_path / "other.keras")
    change(file, weights=entries_of(tmp_path / "other.keras")[WEIGHTS])
    with pytest.raises(UnsafeFile, match="do not fit the model deep_mlp"):
        zoo.load(file)

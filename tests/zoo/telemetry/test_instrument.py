"""The interface by which a training loop knows an instrument."""

import keras

from zoo.telemetry import GradientProbe, GradientRecorder
from zoo.telemetry.instrument import Instrument, Probe


def test_a_recorder_is_an_instrument_and_a_probe_a_probe(points):
    recorder, probe = GradientRecorder(), GradientProbe(*points, every=3)
    assert isinstance(recorder, Instrument)
    assert not isinstance(recorder, Probe)
    assert isinstance(probe, Probe)
    assert not isinstance(probe, Instrument)
    assert not isinstance(keras.callbacks.TerminateOnNaN(), Instrument | Probe)


def test_a_probe_stops_where_it_measures(points):
    assert GradientProbe(*points, every=3).steps_between_stops == 3
    assert GradientProbe(*points).steps_between_stops is None

"""What goes on inside a model while it trains: the size of the gradient in every layer."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.telemetry.alarms import Alarm, GradientWarning
    from zoo.telemetry.gradient_probe import GradientProbe
    from zoo.telemetry.gradient_recorder import GradientRecorder
    from zoo.telemetry.plots import one_a_layer, plot_gradients, plot_heatmap, plot_profile

__all__ = [
    "Alarm",
    "GradientProbe",
    "GradientRecorder",
    "GradientWarning",
    "one_a_layer",
    "plot_gradients",
    "plot_heatmap",
    "plot_profile",
]

_home = {
    "Alarm": "alarms",
    "GradientProbe": "gradient_probe",
    "GradientRecorder": "gradient_recorder",
    "GradientWarning": "alarms",
    "one_a_layer": "plots",
    "plot_gradients": "plots",
    "plot_heatmap": "plots",
    "plot_profile": "plots",
}


def __getattr__(name: str) -> Any:
    if name in _home:
        return getattr(importlib.import_module(f"zoo.telemetry.{_home[name]}"), name)
    raise AttributeError(f"module 'zoo.telemetry' has no attribute {name!r}")

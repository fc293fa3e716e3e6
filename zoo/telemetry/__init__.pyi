from .alarms import Alarm as Alarm
from .alarms import GradientWarning as GradientWarning
from .gradient_probe import GradientProbe as GradientProbe
from .gradient_recorder import GradientRecorder as GradientRecorder
from .plots import one_a_layer as one_a_layer
from .plots import plot_gradients as plot_gradients
from .plots import plot_heatmap as plot_heatmap
from .plots import plot_profile as plot_profile

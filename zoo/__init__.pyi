from . import datasets as datasets
from . import ensembles as ensembles
from . import layers as layers
from . import models as models
from . import pretraining as pretraining
from . import telemetry as telemetry
from . import training as training
from . import tuning as tuning
from .exporting import export as export
from .models.catalogue import card as card
from .models.catalogue import create as create
from .models.catalogue import list_models as list_models
from .models.layer_table import layer_table as layer_table
from .models.registry import ModelCard as ModelCard
from .prediction import predict as predict
from .recipes import Recipe as Recipe
from .runs.run import open_run as open_run
from .saving.keras_files import load as load
from .saving.keras_files import save as save
from .training import Run as Run
from .training import resume as resume
from .training import train as train

__version__: str

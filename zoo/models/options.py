"""Types of options that several families share. The annotations check the values."""

from typing import Annotated, Literal

from zoo.models.search_space import Choice
from zoo.utils.constraints import at_least, non_negative, probability

Activation = Literal["sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "softplus", "softsign", "linear"]
Classes = Annotated[int, at_least(2)]
KeepProbability = Annotated[float, probability]
Penalty = Annotated[float, non_negative]
Units = Annotated[int, at_least(1)]

ACTIVATIONS = Choice(("relu", "tanh", "sigmoid", "elu"))  # compared in searches

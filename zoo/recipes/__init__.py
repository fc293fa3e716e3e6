"""A training as data, and what its loss means."""

from zoo.recipes.objectives import OBJECTIVES, Objective
from zoo.recipes.recipe import LEGAL, Optimizer, Recipe

__all__ = ["LEGAL", "OBJECTIVES", "Objective", "Optimizer", "Recipe"]

"""A training as data, and what its loss means."""

from zoo.recipes.recipe import LEGAL, Loss, Optimizer, Recipe

__all__ = ["LEGAL", "Loss", "Optimizer", "Recipe"]

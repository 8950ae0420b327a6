"""A module that cannot be imported."""

raise RuntimeError("it is\nbroken")

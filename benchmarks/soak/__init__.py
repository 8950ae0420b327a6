"""A soak test: mixed work drawn from a seed, for as long as wanted, with every item checked.

`items` (what workers yield, and how they fail), `plans` (what a step is made of), `steps` (does it,
and checks), `meters` (what may not grow), `__main__` (the command line).
"""

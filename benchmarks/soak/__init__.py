"""A soak test: mixed work under a seed, for as long as wanted, with every item checked.

`items` (what workers yield, and what they do instead), `plans` (what a step is made of), `steps`
(does it, and checks), `meters` (what may not grow), `__main__` (the command line).
"""

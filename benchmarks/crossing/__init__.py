"""How fast the objects cross that libraries for loading data make.

Each item is sent by a worker of farside, and by a process that pickles into a pipe, in turn.
"""

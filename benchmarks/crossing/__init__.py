"""How fast objects of common data libraries cross from a worker to the loop.

Each item is sent by a worker of farside, and by a process that pickles into a pipe, in turn.
"""

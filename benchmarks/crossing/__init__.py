"""What the libraries that people load with give, and how fast that crosses.

Each item goes from a worker of farside, and from a process that pickles into a pipe, in turn.
"""

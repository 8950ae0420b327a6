"""The command line: ``python -m farside`` and the ``farside`` script. `main` is the way in."""

"""Items of real libraries: tox's real."""

"""Executors: a `crew` of workers runs the tasks of an `executor`.

Tasks are `pending` until a worker has them, then `submitted`. `results` is for `map`. Python's exit
waits for all tasks (`at_exit`).
"""

"""Executors: a `crew` of workers runs the tasks of an `executor`.

Tasks are `pending` until a worker has them, then `submitted`. `results` is for `map`.
"""

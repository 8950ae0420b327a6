"""The parent's side of a worker: what the user holds, and what becomes of it."""

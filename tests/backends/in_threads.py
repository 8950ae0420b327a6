"""A backend as somebody else might write it: workers that are threads of this process."""

from __future__ import annotations

import threading

from farside.backends import (
    Availability,
    Backend,
    ExitStatus,
    Job,
    Options,
    PipeWorkerLink,
    Worker,
    WorkerEnds,
    open_link,
    pack,
    serve,
)


class ThreadBackend(Backend):
    name = "thread"

    @staticmethod
    def availability() -> Availability:
        return Availability(usable=True, reason="threads are everywhere")

    def launch(self, options: Options) -> ThreadWorker:
        # What else a process would need to be told, a thread of this process has.
        job = pack(options, in_process=True)._replace(preparation=None, forward_logs=False)
        return ThreadWorker(job, options.arena_bytes)


class ThreadWorker(Worker):
    def __init__(self, job: Job, arena_bytes: int) -> None:
        self.link, ends = open_link(arena_bytes)
        self._thread = threading.Thread(target=_run, args=[ends, job], daemon=True)
        self._thread.start()

    @property
    def label(self) -> str:
        return f"thread {self._thread.ident}"

    def wait(self, timeout: float) -> bool:
        if self._thread is not threading.current_thread():
            self._thread.join(max(0.0, timeout))
        return not self._thread.is_alive()

    def terminate(self) -> bool:
        return False

    def kill(self) -> bool:
        return False

    def exit_status(self) -> ExitStatus:
        return ExitStatus("its thread has ended")


class Link(PipeWorkerLink):
    """Keeps its ends open for as long as any thread of the worker has it."""

    def __init__(self, ends: WorkerEnds) -> None:
        super().__init__(*(end.fileno() for end in ends))
        self._ends = ends


def _run(ends: WorkerEnds, job: Job) -> None:
    try:
        serve(Link(ends), job)
    except SystemExit:
        pass  # raised by the listener when everything was over already
    finally:
        ends.frames.close()  # the parent learns that it has ended

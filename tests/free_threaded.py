"""What differs on a Python without a GIL, so that a test of it would fail there: and why."""

from __future__ import annotations

from farside._in_c import FREE_THREADED

_NO_GIL = "there is no GIL that C code could hold"
_FRAMES = "Python gives the frames of the thread in the interpreter that it came from"
_COLLECTOR = "functions and classes are freed by the garbage collector alone"
_LATER = "memory is given back later"
_CONTEXTS = "the warning filters are those of a context"
_GENERATOR = "Python 3.14 crashes where threads share a generator"
_AUTO = "'auto' takes a subprocess"
_BLOCK = "a block stays as it is when all is cleared, and the loop looks at that"
_TOLD = "a worker that is told to end may do so before it tells of its failure"

_DIFFERS = {
    "a_call_that_holds_the_GIL": _NO_GIL,
    "-gil]": _NO_GIL,
    "test_the_stack_of_an_iterable_that_hangs[subinterpreter]": _FRAMES,
    "test_the_stack_of_an_initialization_that_hangs[subinterpreter]": _FRAMES,
    "test_a_call_that_takes_too_long[subinterpreter]": _FRAMES,
    "test_what_an_interpreter_does_without": _FRAMES,
    "faults/test_no_collector.py": _COLLECTOR,
    "memory_of_the_worker": _LATER,
    "test_a_worker_has_what_it_was_given_once": _LATER,
    "test_memory_for_arguments_is_given_back": _LATER,
    "test_the_warning_filters_are_the_parents": _CONTEXTS,
    "test_a_filter_whose_category_is_not_there": _CONTEXTS,
    "test_two_threads_that_share_an_iterator": _GENERATOR,
    "test_auto_logs_what_it_takes[subinterpreter]": _AUTO,
    "test_registry.py::test_auto": _AUTO,
    "test_what_is_cleared_while_a_block_is_opened_is_not_taken": _BLOCK,
    "test_what_the_loop_drops_while_another_thread_clears_never_counts": _BLOCK,
    "test_who_clears_counts_what_a_loop_in_another_thread_takes_just_then": _BLOCK,
    "test_what_is_taken_out_counts_as_left_until_that_is_noted": _BLOCK,
    "test_abort_raises_system_exit_in_a_running_initialization": _TOLD,
}


def differs(test: str) -> bool:
    """Tell whether a test, by its id, is about what differs on this Python."""
    return FREE_THREADED and any(part in test for part in _DIFFERS)

"""Ctrl-C while a task is given to a thread: the task is given, then the exception is raised."""

import signal
import threading
import time

import pytest

from romancal_rs._threads import Threads, signals_held_back


class InterruptedOnceTaken:
    """A lock during whose taking Ctrl-C is pressed: Python raises once it is taken."""

    def __init__(self, lock):
        self.lock = lock
        self.pressed = False

    def __enter__(self):
        self.lock.__enter__()
        if threading.current_thread() is threading.main_thread() and not self.pressed:
            self.pressed = True
            signal.raise_signal(signal.SIGINT)

    def __exit__(self, *told):
        self.lock.__exit__(*told)

    def __getattr__(self, name):
        return getattr(self.lock, name)


def test_threads_end_though_ctrl_c_came_while_a_task_was_given():
    """A run that was interrupted waited for ever for the thread of its digests."""
    pool = Threads(1)
    assert pool.submit(lambda: 1).result() == 1
    given = threading.Event()
    pool._idle_semaphore._cond = InterruptedOnceTaken(pool._idle_semaphore._cond)
    with pytest.raises(KeyboardInterrupt):
        pool.submit(given.set)
    assert given.wait(60)
    # A thread that waited for the lock would not end: neither would the tests, if it were joined.
    (thread,) = pool._threads
    pool.shutdown(wait=False)
    thread.join(60)
    assert not thread.is_alive()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_handled_after_the_block_by_who_handles_them(number):
    told = []
    before = signal.signal(number, lambda number, frame: told.append(number))
    try:
        with signals_held_back():
            signal.raise_signal(number)
            signal.raise_signal(number)
            assert told == []
        assert told == [number, number]
        signal.raise_signal(number)
        assert told == [number] * 3
    finally:
        signal.signal(number, before)


def test_an_error_of_the_block_does_not_swallow_ctrl_c():
    def fail():
        with signals_held_back():
            signal.raise_signal(signal.SIGINT)
            raise ValueError

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with signals_held_back():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_than_the_main_one_may_give_tasks():
    found = []
    with Threads(1) as pool:
        thread = threading.Thread(target=lambda: found.append(pool.submit(time.time).result()))
        thread.start()
        thread.join()
    assert len(found) == 1

"""Runs work that would block the event loop in a thread, and always waits for its end."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


async def in_thread(work: Callable[_Given, _Result], *args: _Given.args, **kwargs: _Given.kwargs) -> _Result:
    """Run a function in a thread. A cancelled call still waits for the thread, so that nothing goes on unseen.

    Raises:
        RuntimeError: no thread can be started (`audit.errors.shortage`); then the function is never run.
    """
    task, cancelled = await _finished(asyncio.create_task(_begun(partial(work, *args, **kwargs))))
    if cancelled:
        raise cancelled
    return task.result()


async def to_the_end(work: Callable[_Given, _Result], *args: _Given.args, **kwargs: _Given.kwargs) -> _Result:
    """Run a function in a thread and return its result, even if the call is cancelled meanwhile."""
    task, _ = await _finished(asyncio.create_task(_begun(partial(work, *args, **kwargs))))
    return task.result()


async def _begun(work: Callable[[], _Result]) -> _Result:
    future: Future[_Result] = Future()

    def run() -> None:
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - whoever waits for the result gets it
                future.set_exception(error)

    try:
        asyncio.get_running_loop().run_in_executor(None, copy_context().run, run)
    except RuntimeError:
        # The executor queues the work before it starts a thread: another thread might still run it, unseen.
        if future.cancel():
            raise
    return await asyncio.wrap_future(future)


async def _finished(task: asyncio.Task[_Result]) -> tuple[asyncio.Task[_Result], asyncio.CancelledError | None]:
    """Wait for a task; returns it, and the last cancellation that came meanwhile."""
    cancelled = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    return task, cancelled

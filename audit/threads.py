"""Runs work that would block the event loop in a thread, and always waits for its end."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


async def in_thread(work: Callable[_Given, _Result], *args: _Given.args, **kwargs: _Given.kwargs) -> _Result:
    """Run a function in a thread. A cancelled call still waits for the thread, so that nothing goes on unseen."""
    task, cancelled = await _finished(asyncio.create_task(asyncio.to_thread(work, *args, **kwargs)))
    if cancelled:
        raise cancelled
    return task.result()


async def to_the_end(work: Callable[_Given, _Result], *args: _Given.args, **kwargs: _Given.kwargs) -> _Result:
    """Run a function in a thread and return its result, even if the call is cancelled meanwhile."""
    task, _ = await _finished(asyncio.create_task(asyncio.to_thread(work, *args, **kwargs)))
    return task.result()


async def _finished(task: asyncio.Task[_Result]) -> tuple[asyncio.Task[_Result], asyncio.CancelledError | None]:
    """Wait for a task; returns it, and the last cancellation that came meanwhile."""
    cancelled = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    return task, cancelled

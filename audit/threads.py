"""Work that would block the event loop: done in a thread, and never left alone there."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


async def in_thread(work: Callable[_Given, _Result], *args: _Given.args, **kwargs: _Given.kwargs) -> _Result:
    """Do this in a thread. Where it is cancelled, it is waited for all the same: nothing works on unseen."""
    task, cancelled = await _finished(asyncio.create_task(asyncio.to_thread(work, *args, **kwargs)))
    if cancelled:
        raise cancelled
    return task.result()


async def to_the_end(work: Callable[_Given, _Result], *args: _Given.args, **kwargs: _Given.kwargs) -> _Result:
    """Do this in a thread, and go on behind it even where it is cancelled meanwhile."""
    task, _ = await _finished(asyncio.create_task(asyncio.to_thread(work, *args, **kwargs)))
    return task.result()


async def _finished(task: asyncio.Task[_Result]) -> tuple[asyncio.Task[_Result], asyncio.CancelledError | None]:
    """The same task once it is done, and how it was asked to end before, if it was."""
    cancelled = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    return task, cancelled

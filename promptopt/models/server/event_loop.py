"""An event loop in a thread of its own, and what is closed with it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any


class EventLoop:
    """An event loop in a daemon thread, and what has to be closed with it."""

    def __init__(self) -> None:
        self.resources = contextlib.AsyncExitStack()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="promptopt models", daemon=True)
        self._thread.start()

    def submit(self, work: Coroutine[Any, Any, None]) -> Future[None]:
        """Begin `work` on the loop; callable from any thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        """Cancel what runs, close what was opened, and end the thread."""
        if self._loop.is_closed():
            return
        closing = self.submit(self._close())
        # The garbage collector may call from the loop's own thread, which cannot wait for itself.
        if threading.current_thread() is not self._thread:
            closing.result()
            self._thread.join()
            self._loop.close()

    async def _close(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.resources.aclose()
        # Not at once: the end of this coroutine has yet to reach whoever waits for it.
        self._loop.call_soon(self._loop.stop)

"""Actions on pods that run at the moment, in threads: four pods at a time, and four fetches of images beside them.

A fetch has a pool of its own, so that one slow registry holds up nobody. Nothing here waits but `close`.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from concurrent import futures

from skatelet.pods import act, memory, model
from skatelet.pods.resolving import Resolving
from skatelet.system.podman import Podman

ACTING = 4
"""How many pods are acted on at once: more gains nothing on two cores (measured)."""
Ended = tuple[model.Action, memory.Result, list[tuple[str, str, str]]]
"""An action that has ended, its result, and the events (type, reason, message) on its way."""


class Running:
    """At most one action a pod. `wake` is called, in another thread, at the end of each."""

    def __init__(
        self, podman: Podman, *, wake: Callable[[], None], resolving: Callable[[], Resolving] = Resolving
    ) -> None:
        self._actor = act.Actor(podman, resolving=resolving)
        self._wake = wake
        self._pods_pool = futures.ThreadPoolExecutor(ACTING, thread_name_prefix="pods")
        self._fetch_pool = futures.ThreadPoolExecutor(ACTING, thread_name_prefix="fetch")
        self._acting: set[futures.Future[memory.Result]] = set()
        self._ended: queue.SimpleQueue[Ended] = queue.SimpleQueue()
        self._names: set[str] = set()

    def __contains__(self, pod_name: str) -> bool:
        return pod_name in self._names

    def __bool__(self) -> bool:
        return bool(self._names)

    def begin(self, action: model.Action) -> None:
        """Begin `action`; its end comes by `ended`."""
        self._names.add(action.pod_name)
        said: list[tuple[str, str, str]] = []

        def do() -> memory.Result:
            return self._actor.act(action, lambda type, reason, message: said.append((type, reason, message)))

        def done(future: futures.Future[memory.Result]) -> None:
            self._acting.discard(future)
            if future.cancelled():
                return
            error = future.exception()
            if error is None:
                result = future.result()
            else:
                message = f"{type(error).__name__}: {error}"[:1000]
                result = memory.Result(failure=model.Failure(reason="InternalError", message=message))
            self._ended.put((action, result, said))
            self._wake()

        if isinstance(action, model.Fetch):
            self._fetch_pool.submit(do).add_done_callback(done)
        else:
            future = self._pods_pool.submit(do)
            self._acting.add(future)
            future.add_done_callback(done)

    def ended(self) -> Iterator[Ended]:
        """Every action that has ended since the last call."""
        while True:
            try:
                found = self._ended.get_nowait()
            except queue.Empty:
                return
            self._names.discard(found[0].pod_name)
            yield found

    def close(self, *, patience: float) -> None:
        """Begin nothing more, and leave what runs to itself; the next run looks at what it came to.

        Pods that are just being made or removed have `patience` seconds to end: podman gives up half-way when its caller goes.
        A fetch is never waited for.
        """
        for pool in (self._pods_pool, self._fetch_pool):
            pool.shutdown(wait=False, cancel_futures=True)
        futures.wait(set(self._acting), timeout=patience)

"""skatelet while it is awake: one lock, passes over the node, and a quick return to sleep.

systemd starts it when something lies in the inbox or the OCI hook touched a file (skatelet.path), at boot and every five minutes
(skatelet.timer). It then passes over the node (skatelet.reconcile), and again whenever something happens: a bundle arrives, a
container starts or dies, an action ends, a restart falls due. When nothing has happened for five seconds it exits; a restart due
later than that is left to a timer in PID 1. So nothing of skate's is in memory while nothing happens.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import sdnotify

from skatelet import intake, networking
from skatelet.outlook import Outlook
from skatelet.paths import Paths
from skatelet.reconcile import Node
from skatelet.system import systemctl
from skatelet.system.command import CommandError
from skatelet.system.podman import Podman

LOOK_AGAIN_SECONDS: tuple[float, ...] = (1.0, 5.0)
"""After something happened: when to look again, counted from then. After the last of these looks skatelet leaves."""
STAY_AWAKE_SECONDS = 15.0
"""A restart due sooner than this is waited for; a later one is left to systemd."""
RETRY_SECONDS = 5.0
RETRIES = 6
"""How often podman is asked again before it is left to the drift timer."""
BUSY_SECONDS = 60.0
"""The end of an action makes a pass by itself; this is only for what the file watcher might have missed."""
WORK_TO_LOOK = 3.0
LONGEST_PACE = 0.5
"""While actions run, passes take at most a quarter of the time: podman lists 60 containers in 40 ms when all is quiet, and a
pass at the end of each action would keep it from its work."""
STUCK_SECONDS = 60.0
"""Pause between passes while something in the inbox cannot be removed: to exit would have PID 1 start us at once."""
WATCH_MILLISECONDS = 20
UNTOLD_MILLISECONDS = 1000
CLOSE_SECONDS = 10.0
"""How long an action on a pod may take to its end when systemd asks us to stop; systemd waits 30 s."""


class Signals:
    """What systemd is told, and how often it wants to hear from us."""

    def __init__(self) -> None:
        self._notifier = sdnotify.SystemdNotifier()
        # What skatelet starts has nothing to tell systemd in its name.
        os.environ.pop("NOTIFY_SOCKET", None)
        microseconds = os.environ.get("WATCHDOG_USEC", "")
        self._interval = int(microseconds) / 3e6 if microseconds.isdecimal() else None
        self._last = time.monotonic()

    def say(self, message: str) -> None:
        self._notifier.notify(message)

    def ping(self) -> None:
        """Feed the watchdog, if there is one and it is time."""
        now = time.monotonic()
        if self._interval is not None and now - self._last >= self._interval:
            self._last = now
            self.say("WATCHDOG=1")

    @property
    def pause(self) -> float:
        """The longest time to wait without a ping, in seconds."""
        return min(self._interval or 60.0, 60.0)


class Stopped(Exception):
    """systemd asked us to stop."""


def run(
    paths: Paths,
    *,
    first_look: Callable[[], list[dict[str, Any]]] | None = None,
    start_again_in: Callable[[float], None] = systemctl.start_again_in,
) -> int:
    """Be awake until there is nothing to do. The exit code is 0 unless another skatelet is at work (75, EX_TEMPFAIL)."""
    with _lock(paths) as held:
        if not held:
            print("another skatelet is at work", flush=True)
            return os.EX_TEMPFAIL
        signals = Signals()
        signals.say("READY=1\nSTATUS=looking")
        happenings: queue.SimpleQueue[str] = queue.SimpleQueue()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: happenings.put("stop"))
        looked, ending = threading.Event(), threading.Event()
        for directory in (paths.inbox, paths.wake):
            directory.mkdir(parents=True, exist_ok=True)
        node = Node(
            paths,
            podman=Podman(paths.podman_socket),
            clock=time.time,
            wait=lambda future: _wait(future, signals),
            wake=lambda: happenings.put("done"),
            first_look=first_look,
            network=lambda: _network(paths, lambda: happenings.put("done")),
        )
        threading.Thread(target=_watch, args=(paths, happenings, looked, ending), daemon=True).start()
        try:
            outlook = _loop(paths, node, signals, happenings, looked)
            if outlook.due is not None:
                _leave_to_systemd(outlook.due, start_again_in)
        except Stopped:
            pass
        finally:
            signals.say("STOPPING=1")
            ending.set()
            node.close(patience=CLOSE_SECONDS)
    return os.EX_OK


def _network(paths: Paths, wake: Callable[[], None]) -> networking.Network:
    from skatelet import wiring

    return wiring.network(paths, wake=wake)


def _loop(
    paths: Paths, node: Node, signals: Signals, happenings: queue.SimpleQueue[str], looked: threading.Event
) -> Outlook:
    quiet = _Quiet()
    failures = 0
    while True:
        outlook = node.once()
        looked.set()
        signals.say(f"STATUS={_describe(outlook)}")
        failures = failures + 1 if outlook.failed else 0
        if outlook.happened:
            quiet.start()
        patience = _patience(outlook, failures, quiet)
        if patience is None:
            if not _something_lies_there(paths):
                return outlook
            patience = 0.0
        if _next(happenings, patience, signals):
            quiet.start()
        if outlook.busy:
            _let_work(happenings, min(LONGEST_PACE, WORK_TO_LOOK * outlook.looked))


class _Quiet:
    """How long nothing has happened, and when to look again all the same.

    A container's end is told by the hook before podman is through with it, and the removal of one is not told at all: so after
    something happened there is a look a second later, and one before leaving. When nothing ever happened (a run of the drift
    timer with nothing to do) the first look is the last.
    """

    def __init__(self) -> None:
        self._since: float | None = None
        self._looks = LOOK_AGAIN_SECONDS

    def start(self) -> None:
        self._since, self._looks = time.monotonic(), LOOK_AGAIN_SECONDS

    def until_next_look(self) -> float | None:
        """Seconds, or None when there need be no further look."""
        if self._since is None or not self._looks:
            return None
        return max(0.0, self._since + self._looks[0] - time.monotonic())

    def looked(self) -> None:
        """A look that was due takes place now."""
        self._looks = self._looks[1:]


def _patience(outlook: Outlook, failures: int, quiet: _Quiet) -> float | None:
    """How long to wait for something to happen before the next pass, in seconds; None when it is time to leave."""
    if outlook.stuck:
        return STUCK_SECONDS
    until_due = outlook.due - time.time() if outlook.due is not None else None
    if outlook.busy:
        return BUSY_SECONDS if until_due is None else min(BUSY_SECONDS, max(0.0, until_due))
    if outlook.failed and failures <= RETRIES:
        return RETRY_SECONDS
    if until_due is not None and until_due > STAY_AWAKE_SECONDS:
        until_due = None
    until_look = quiet.until_next_look()
    if until_look is not None and (until_due is None or until_look <= until_due):
        quiet.looked()
        return until_look
    return None if until_due is None else max(0.0, until_due)


def _something_lies_there(paths: Paths) -> bool:
    """Whether a file came that the watcher has not told of: systemd would start us again at once."""
    return intake.waiting(paths) or any(paths.wake.glob("*"))


def _next(happenings: queue.SimpleQueue[str], patience: float, signals: Signals) -> bool:
    """Wait up to `patience` seconds for something to happen; several things at once are one. Raises Stopped."""
    until = time.monotonic() + patience
    while True:
        signals.ping()
        try:
            everything = {happenings.get(timeout=max(0.0, min(until - time.monotonic(), signals.pause)))}
        except queue.Empty:
            if time.monotonic() >= until:
                return False
            continue
        with contextlib.suppress(queue.Empty):
            while True:
                everything.add(happenings.get_nowait())
        if "stop" in everything:
            raise Stopped
        return True


def _let_work(happenings: queue.SimpleQueue[str], seconds: float) -> None:
    """Leave the machine to the actions that run for `seconds`; what happens meanwhile makes one pass. Raises Stopped."""
    until = time.monotonic() + seconds
    with contextlib.suppress(queue.Empty):
        while True:
            if happenings.get(timeout=max(0.0, until - time.monotonic())) == "stop":
                raise Stopped


def _wait(future: futures.Future[Any], signals: Signals) -> Any:
    while True:
        try:
            return future.result(timeout=signals.pause)
        except futures.TimeoutError:
            if future.done():
                raise
            signals.ping()


def _watch(paths: Paths, happenings: queue.SimpleQueue[str], looked: threading.Event, stop: threading.Event) -> None:
    """Tell of every change in the inbox and of the hook's touches, from the first pass on until `stop` is set."""
    looked.wait()
    import watchfiles  # takes 40 ms of a processor that the first pass has better use for

    changes = watchfiles.watch(
        paths.inbox,
        paths.wake,
        debounce=2 * WATCH_MILLISECONDS,
        step=WATCH_MILLISECONDS,
        stop_event=stop,
        # What came before the watch began shows in the first of these looks.
        rust_timeout=UNTOLD_MILLISECONDS,
        yield_on_timeout=True,
        recursive=False,
        raise_interrupt=False,
        watch_filter=None,
    )
    for _ in changes:
        if _something_lies_there(paths):
            happenings.put("change")


def _leave_to_systemd(due: float, start_again_in: Callable[[float], None]) -> None:
    try:
        start_again_in(max(1.0, due - time.time()))
    except CommandError as error:
        # The drift timer comes anyway, within five minutes.
        print(f"cannot leave a timer for the next restart: {error}", flush=True)


def _describe(outlook: Outlook) -> str:
    if outlook.busy:
        return "acting on pods"
    if outlook.failed:
        return outlook.failed
    if outlook.stuck:
        return "something in the inbox cannot be removed"
    if outlook.due is not None:
        return "waiting for a restart that is due"
    return "all is as desired"


@contextlib.contextmanager
def _lock(paths: Paths) -> Iterator[bool]:
    """Whether we are the only one at work. The kernel lets the lock go when we end, however we end."""
    paths.lock.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held = True
    except BlockingIOError:
        held = False
    try:
        yield held
    finally:
        os.close(handle)

"""How long skatelet stays awake, and that it leaves."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from skatelet import awake
from skatelet.contract import bundle, canonical
from skatelet.outlook import Outlook
from skatelet.paths import Paths
from tests.unit import fake_podman


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    paths = Paths(root=tmp_path)
    paths.identity.parent.mkdir(parents=True)
    identity = bundle.NodeIdentity(cluster="c", node="n", subnet="10.66.1.0/24")
    paths.identity.write_bytes(canonical.dump(identity.to_data()))
    monkeypatch.setattr(awake, "Podman", lambda _: fake_podman.FakePodman())
    monkeypatch.setattr(awake.signal, "signal", lambda *_: None)
    monkeypatch.setattr(awake, "LOOK_AGAIN_SECONDS", (0.05, 0.1))
    return paths


def test_a_run_with_nothing_to_do_leaves_at_once(paths: Paths) -> None:
    assert awake.run(paths, start_again_in=lambda _: pytest.fail("nothing is due")) == 0
    assert paths.status.exists()


def test_what_arrives_while_awake_is_consumed_before_leaving(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    paths.inbox.mkdir(parents=True)
    (paths.inbox / "1.bundle").write_bytes(b"nonsense")
    original, passes = awake.Node.once, []

    def once(node: awake.Node) -> Outlook:
        outlook = original(node)
        passes.append(outlook)
        if len(passes) == 1:
            (paths.inbox / "2.bundle").write_bytes(b"nonsense")
        return outlook

    monkeypatch.setattr(awake.Node, "once", once)
    assert awake.run(paths, start_again_in=lambda _: None) == 0
    assert not list(paths.inbox.iterdir())


def test_two_never_work_at_once(paths: Paths) -> None:
    paths.lock.parent.mkdir(parents=True)
    handle = os.open(paths.lock, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert awake.run(paths) == os.EX_TEMPFAIL
    finally:
        os.close(handle)
    assert not paths.status.exists()


def test_a_restart_that_is_due_soon_is_waited_for_and_a_later_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(awake.time, "time", lambda: 1000.0)
    quiet = awake._Quiet()
    assert awake._patience(Outlook(due=1010.0), 0, quiet) == 10.0
    assert awake._patience(Outlook(due=1100.0), 0, quiet) is None
    assert awake._patience(Outlook(due=900.0), 0, quiet) == 0.0


def test_while_something_is_stuck_in_the_inbox_it_stays() -> None:
    assert awake._patience(Outlook(stuck=("x",)), 0, awake._Quiet()) == awake.STUCK_SECONDS


def test_podman_that_stays_away_is_left_to_the_timer() -> None:
    quiet = awake._Quiet()
    assert awake._patience(Outlook(failed="podman does not answer"), awake.RETRIES, quiet) == awake.RETRY_SECONDS
    assert awake._patience(Outlook(failed="podman does not answer"), awake.RETRIES + 1, quiet) is None

"""One pass over the node: take what came in, look, plan, start what is to be done, and say how things stand.

A pass never waits for an action. Actions run in threads (skatelet.pods.running); each one's end makes the next pass, which looks
again and plans what can be done now. A pod whose action still runs is left alone until it ends.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from typing import Any, TypeVar

from skatelet import identity, intake, networking, report, services, store
from skatelet.contract import bundle, status
from skatelet.network import reconcile as network
from skatelet.outlook import Outlook, earlier
from skatelet.paths import Paths
from skatelet.pods import draining, lost, memory, model, observe, plan, resolving, running, view, words
from skatelet.pods.desired import desired_pods
from skatelet.reconciler import Condition
from skatelet.system import host
from skatelet.system.podman import Podman, PodmanError

T = TypeVar("T")


class Node:
    """The node during one run of skatelet. `wait` waits for a future while keeping the watchdog fed."""

    def __init__(
        self,
        paths: Paths,
        *,
        podman: Podman,
        clock: Callable[[], float],
        wait: Callable[[futures.Future[Any]], Any],
        wake: Callable[[], None],
        first_look: Callable[[], list[dict[str, Any]]] | None = None,
        network: Callable[[], networking.Network] | None = None,
    ) -> None:
        self._paths = paths
        self._podman = podman
        self._clock = clock
        self._wait = wait
        self._first_look = first_look
        self._running = running.Running(
            podman, wake=wake, resolving=lambda: resolving.resolving(self._identity or identity.NOBODY, paths)
        )
        self._make_network = network
        self._network: networking.Network | None = None
        self._draining: Mapping[str, float] = {}
        self._leaving: frozenset[str] = frozenset()
        self._conditions: dict[str, Condition] = {}
        self._calls_pool = futures.ThreadPoolExecutor(2, thread_name_prefix="calls")
        self._group = host.drop_group()
        self._reporter = report.Reporter(paths.status, group=self._group)
        self._state = store.load(paths.memory)
        self._who = identity.Reader(paths)
        self._identity: bundle.NodeIdentity | None = None
        self._bundle: bundle.Bundle | None = None
        self._bundle_data = b""
        self._broken: str = ""
        self._desired: tuple[model.DesiredPod, ...] = ()
        self._desired_of: bundle.Bundle | None = None
        self._unwritten = ""
        self._happened = False
        self._instances: list[status.InstanceStatus] = []
        self._images: list[str] = []
        self._seen: tuple[model.SeenPod, ...] = ()
        self._load_bundle()

    def close(self, *, patience: float = 0.0) -> None:
        """Begin nothing more, and leave what runs to itself; see skatelet.pods.running."""
        self._calls_pool.shutdown(wait=False, cancel_futures=True)
        if self._network is not None:
            self._network.close()
        self._running.close(patience=patience)

    def once(self) -> Outlook:
        """One pass. Whatever goes wrong inside is in the status afterwards, and the inbox is empty afterwards."""
        self._happened = False
        self._consumed: list[str] = []
        outlook = Outlook(busy=bool(self._running))
        stuck: list[str] = []
        self._identity = self._who.read()
        try:
            self._take_in()
            outlook, condition = self._reconcile()
        except Exception as error:  # a bug of ours: it must be seen, and must not make PID 1 spin
            stuck = intake.clear_all(self._paths)
            condition = Condition(
                word="False", reason="InternalError", message=f"{type(error).__name__}: {error}"[:1000]
            )
        unwritten = self._report(condition)
        stuck = stuck or intake.clear(self._paths, self._consumed)
        if stuck:
            message = f"cannot be removed: {'; '.join(stuck)[:900]}"
            self._report(Condition(word="False", reason="InboxStuck", message=message))
        return dataclasses.replace(
            outlook,
            busy=outlook.busy or bool(self._running),
            happened=self._happened,
            stuck=tuple(stuck),
            failed=unwritten or outlook.failed,
        )

    def _load_bundle(self) -> None:
        try:
            found = store.followed(self._paths.bundle)
        except bundle.BundleError as error:
            self._broken = f"the stored bundle is damaged ({error.reason}): {error}"
            return
        except OSError as error:
            self._broken = f"the stored bundle cannot be read: {error.strerror}"
            return
        if found is not None:
            self._follow(*found)

    def _follow(self, followed: bundle.Bundle, data: bytes) -> None:
        self._bundle, self._bundle_data, self._broken = followed, data, ""

    def _take_in(self) -> None:
        for touched in self._paths.wake.glob("*"):
            touched.unlink(missing_ok=True)
            self._happened = True
        if not intake.waiting(self._paths):
            return
        self._happened = True
        taken = intake.take(self._paths, identity=self._identity, own=self._bundle, own_data=self._bundle_data)
        self._consumed = taken.consumed
        for refusal in taken.refusals:
            self._refuse(refusal)
        if taken.bundle is not None:
            self._follow(taken.bundle, taken.data)
            index = taken.bundle.index
            # It may have been refused before, for a disk that was full then.
            self._state.rejected = [item for item in self._state.rejected if item.generation != index.generation]
            self._event("Normal", "BundleAccepted", f"bundle/{index.generation}", "The node follows this bundle now")
        intake.prune(self._paths, generation=self._bundle.index.generation if self._bundle else 0)

    def _refuse(self, refusal: intake.Refusal) -> None:
        rejection = status.Rejection(
            time=view.stamp(self._clock()),
            generation=refusal.generation,
            sha256=refusal.sha256,
            reason=refusal.reason,
            message=refusal.message,
        )
        self._state.rejected = store.with_rejection(self._state.rejected, rejection)
        which = refusal.generation if refusal.generation is not None else "unknown"
        self._event("Warning", "BundleRejected", f"bundle/{which}", f"{refusal.reason}: {refusal.message}")
        print(f"refused bundle {which}: {refusal.reason}: {refusal.message}", flush=True)

    def _reconcile(self) -> tuple[Outlook, Condition]:
        if self._identity is None:
            message = "this node has no readable /etc/skate/node.yaml: run `skate create node` again"
            return Outlook(), Condition(word="False", reason="NoIdentity", message=message)
        if self._broken:
            return Outlook(), Condition(word="False", reason="BundleUnreadable", message=self._broken)
        if self._bundle is None:
            return Outlook(), Condition(word="True", reason="NoBundle", message="nothing was deployed here yet")
        problem = self._publish_copy()
        if self._desired_of is not self._bundle:
            # Not before: a bundle that is followed no longer, when a new one lies in the inbox, need not be read.
            try:
                self._desired, self._desired_of = desired_pods(self._bundle), self._bundle
            except bundle.UNREADABLE as error:
                self._broken = f"the stored bundle cannot be read by this version: {str(error)[:900]}"
                return Outlook(), Condition(word="False", reason="BundleUnreadable", message=self._broken)
        try:
            subnet = self._identity.subnet
            self._state.network = self._call(
                lambda: network.ensure(
                    self._podman, subnet=subnet, file=self._paths.network_file, known=self._state.network
                )
            )
        except network.NetworkError as error:
            problem = Condition(word="False", reason="NetworkUnfit", message=str(error))
        except PodmanError as error:
            return _without_podman(error)
        try:
            outlook = self._pods()
        except PodmanError as error:
            return _without_podman(error)
        return self._reach_others(self._bundle, self._identity, outlook), problem

    def _publish_copy(self) -> Condition:
        try:
            self._state.accepted_copy = store.publish_copy(
                self._paths, self._bundle_data, known=self._state.accepted_copy, group=self._group
            )
        except OSError as error:
            # The pods do not wait for it.
            message = f"{self._paths.accepted} cannot be written: {error.strerror}"
            return Condition(word="False", reason="StorageFailed", message=message)
        return Condition(word="True", reason="Reconciled")

    def _pods(self) -> Outlook:
        now, began = self._clock(), time.monotonic()
        self._collect(now)
        seen = self._look()
        standing = {pod.name: pod for pod in seen}
        for pod in self._desired:
            if pod.pod_name not in self._running:
                self._note(pod, standing.get(pod.pod_name), now)
        known = {pod.pod_name for pod in self._desired} | set(standing)
        self._state.pods = {name: item for name, item in self._state.pods.items() if name in known}
        todo = plan.plan(desired=self._desired, seen=seen, memory=self._state.pods, now=now)
        drained = self._drain(todo.actions, seen, now)
        for action in drained.now:
            if action.pod_name not in self._running:
                self._running.begin(action)
                self._happened = True
        self._instances = view.instances(
            desired=self._desired, seen=seen, memory=self._state.pods, problems=todo.problems
        )
        self._images = sorted({item.image for pod in seen if pod.managed for item in pod.containers})
        self._seen = seen
        self._reach()
        looked = time.monotonic() - began
        return Outlook(busy=bool(self._running), due=earlier(todo.due, drained.due), looked=looked)

    def _drain(self, actions: Sequence[model.Action], seen: Sequence[model.SeenPod], now: float) -> draining.Draining:
        """Which of `actions` to begin now: what serves is out of the names for a moment before it is stopped."""
        serving = {pod.name for pod in seen if pod.managed and pod.runs} if self._make_network is not None else set()
        found = draining.hold(actions, serving=serving, since=self._draining, now=now)
        self._happened = self._happened or bool(found.since.keys() - self._draining.keys())
        self._draining = found.since
        self._leaving = frozenset(found.since) | {
            action.pod_name for action in actions if isinstance(action, model.Remove)
        }
        return found

    def _reach_others(self, followed: bundle.Bundle, node: bundle.NodeIdentity, outlook: Outlook) -> Outlook:
        if self._make_network is None:
            return outlook
        if self._network is None:
            # Not before: pods are acted on while its modules are read.
            self._network = self._make_network()
        serving = networking.serving_pods(
            followed=followed,
            seen=self._seen,
            leaving=self._leaving,
            node=node.node,
            node_address=services.node_address(node),
        )
        outcome = self._network.reconcile(
            identity=node,
            followed=followed,
            serving=serving,
            now=self._clock(),
            notes=self._state.notes,
        )
        self._conditions = dict(outcome.conditions)
        for event in outcome.events:
            self._event(*event)
        self._happened = self._happened or outcome.acted
        return dataclasses.replace(outlook, busy=outlook.busy or outcome.busy, due=earlier(outlook.due, outcome.due))

    def _look(self) -> tuple[model.SeenPod, ...]:
        first, self._first_look = self._first_look, None
        containers = self._call(first or self._podman.containers)
        seen = observe.observe(
            containers,
            lambda: self._call(self._podman.pods),
            is_lost=lambda item: lost.is_lost(item, paths=self._paths, podman=self._podman),
        )
        boot = host.boot_id(self._paths)
        if boot != self._state.boot_id:
            # Once after each boot: what a cut play left without any container shows up only in the list of pods.
            seen += observe.without_containers(self._call(self._podman.pods))
            self._state.boot_id = boot
        return seen

    def _note(self, pod: model.DesiredPod, seen: model.SeenPod | None, now: float) -> None:
        before = self._state.pods.get(pod.pod_name, model.PodMemory())
        after = memory.note(before, pod, seen, now)
        for name, item in after.containers.items():
            old = before.containers.get(name)
            if item.last is None or (old is not None and old.last == item.last):
                continue
            if item.last.exit_code == 137 and self._out_of_memory(item.id):
                last = dataclasses.replace(item.last, reason="OOMKilled")
                containers = {**after.containers, name: dataclasses.replace(item, last=last)}
                after = dataclasses.replace(after, containers=containers)
            if memory.restart_delay(item.crashes) and plan.restarts(pod.restart_policy, item.last.exit_code):
                message = f"Back-off restarting failed container {name} in pod {pod.name}_{pod.namespace}"
                self._event("Warning", "BackOff", f"pod/{pod.namespace}/{pod.name}", message)
        if after != before:
            self._state.pods[pod.pod_name] = after

    def _out_of_memory(self, container: str) -> bool:
        try:
            found = self._call(lambda: self._podman.container(container))
        except PodmanError:
            return False
        return bool((found.get("State") or {}).get("OOMKilled"))

    def _collect(self, now: float) -> None:
        """Take note of the actions that have ended."""
        for action, result, said in self._running.ended():
            self._happened = True
            name = action.pod_name
            before = self._state.pods.get(name, model.PodMemory())
            self._state.pods[name] = memory.apply(before, action, result, now)
            for type_, reason, message in said:
                self._event(type_, reason, words.about(action), message)
            verb = type(action).__name__.lower()
            print(f"{verb} {name}: {words.outcome(result)}", flush=True)

    def _reach(self) -> None:
        if self._bundle is None:
            return
        generation = self._bundle.index.generation
        if generation > self._state.reached and all(
            self._state.pods.get(pod.pod_name, model.PodMemory()).ran for pod in self._desired
        ):
            self._state.reached = generation

    def _report(self, ready: Condition) -> str:
        """Write down how things stand. Gives back what could not be written, in words; empty when all was."""
        unwritten = self._write_down(ready)
        if unwritten:
            # The status may lie on another disk than skatelet's memory: then it can say so.
            self._write_down(Condition(word="False", reason="StorageFailed", message=unwritten))
        if unwritten and unwritten != self._unwritten:
            print(unwritten, flush=True)
        self._unwritten = unwritten
        return unwritten

    def _write_down(self, ready: Condition) -> str:
        now = view.stamp(self._clock())
        word, reason, message = report.pods_ready(self._instances)
        pods_ready = Condition(word=word, reason=reason, message=message)
        for type_, condition in {"Ready": ready, "PodsReady": pods_ready, **self._conditions}.items():
            self._state.conditions = store.with_condition(
                self._state.conditions,
                time=now,
                type=type_,
                status_word=condition.word,
                reason=condition.reason,
                message=condition.message,
            )
        node = self._identity or identity.NOBODY
        seen = report.Seen(
            identity=node,
            info=host.node_info(self._paths, identity=node, podman_version=self._podman_version(), images=self._images),
            generation_seen=self._bundle.index.generation if self._bundle else 0,
            generation_reached=self._state.reached,
            conditions=self._state.conditions,
            instances=self._instances,
            events=self._state.events,
            rejected=self._state.rejected,
        )
        unwritten = []
        try:
            store.save(self._state, self._paths.memory)
        except OSError as error:
            unwritten.append(f"{self._paths.memory} cannot be written: {error.strerror}")
        try:
            self._reporter.write(report.build(seen, time=now))
        except OSError as error:
            unwritten.append(f"{self._paths.status} cannot be written: {error.strerror}")
        return "; ".join(unwritten)

    def _podman_version(self) -> str:
        """Asked again only when podman's binary is another file."""
        try:
            found = self._paths.podman_binary.stat()
        except OSError:
            return self._state.podman_version
        key = f"{found.st_ino} {found.st_mtime_ns} {found.st_size}"
        if key != self._state.podman:
            try:
                self._state.podman_version = self._call(self._podman.version)
            except PodmanError:
                return self._state.podman_version
            self._state.podman = key
        return self._state.podman_version

    def _event(self, type: str, reason: str, object: str, message: str) -> None:
        self._state.events = store.with_event(
            self._state.events,
            time=view.stamp(self._clock()),
            type=type,
            reason=reason,
            object=object,
            message=message,
        )

    def _call(self, function: Callable[[], T]) -> T:
        result: T = self._wait(self._calls_pool.submit(function))
        return result


def _without_podman(error: PodmanError) -> tuple[Outlook, Condition]:
    condition = Condition(word="False", reason="PodmanUnavailable", message=str(error))
    return Outlook(failed="podman does not answer"), condition

"""What this machine's kernel cannot do for its nodes, and how test nodes cope with it. Users' hosts never get any of this.

Containers' limits need the cgroup v2 controllers cpu, memory and pids, and raising resource limits needs CAP_SYS_RESOURCE.
Ordinary machines have both and their nodes run podman as it comes. Small virtual machines and CI runners may lack them; there
podman is told to set no limit of its own and to use `unlimited_runc`. Limits are then seen in `podman inspect` but not kept.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from skate.sandbox import launcher, unlimited_runc

CONTROLLERS = frozenset({"cpu", "memory", "pids"})
CAP_SYS_RESOURCE = 24
RUNTIME = "/usr/local/lib/skate-sandbox/runc"

_CONTAINERS_CONF = f"""\
# The machine below this test node cannot keep containers' limits.
[containers]
pids_limit = 0

[engine]
runtime = "runc"

[engine.runtimes]
runc = ["{RUNTIME}"]
"""


def lacking() -> list[str]:
    """What this machine lacks, in words; empty on an ordinary one."""
    found = (launcher.unified_mount() / "cgroup.controllers").read_text(encoding="ascii").split()
    missing = [f"the cgroup v2 controller {name}" for name in sorted(CONTROLLERS - set(found))]
    status = Path("/proc/self/status").read_text(encoding="ascii")
    effective = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))
    if not int(effective, 16) >> CAP_SYS_RESOURCE & 1:
        missing.append("CAP_SYS_RESOURCE")
    return missing


def apply(upper: Path) -> None:
    """Let the node whose own files are under `upper` do without what this machine lacks; nothing on an ordinary machine."""
    if not lacking():
        return
    runtime = upper / RUNTIME.lstrip("/")
    runtime.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(unlimited_runc.__file__, runtime)
    runtime.chmod(0o755)
    configuration = upper / "etc/containers/containers.conf"
    configuration.parent.mkdir(parents=True, exist_ok=True)
    configuration.write_text(_CONTAINERS_CONF, encoding="utf-8")

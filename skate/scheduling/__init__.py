"""Where instances go: a pure function from nodes, workloads and what stands already to placements and addresses.

    model       what goes in and what comes out
    placing     schedule(): keep what runs, replace what changed where it stood, place what is new
    filters     why a node cannot take an instance, in kube-scheduler's words
    scores      which of the nodes that can take it does
    ledger      the account of one node while a schedule is made
    addresses   which address of the node's subnet
    names       what an instance is called
    surplus     which instances go when there are too many
    changes     difference(): what a new schedule changes

No I/O, no clock, no chance: the same input gives the same schedule, whatever order it comes in. docs/scheduling.md is the
account for users.
"""

from skate.scheduling.changes import Changes, difference
from skate.scheduling.model import (
    DEPLOYMENT,
    POD,
    HostPort,
    Key,
    Node,
    Placed,
    Schedule,
    Unplaced,
    Workload,
)
from skate.scheduling.names import template_hash
from skate.scheduling.placing import schedule

__all__ = [
    "DEPLOYMENT",
    "POD",
    "Changes",
    "HostPort",
    "Key",
    "Node",
    "Placed",
    "Schedule",
    "Unplaced",
    "Workload",
    "difference",
    "schedule",
    "template_hash",
]

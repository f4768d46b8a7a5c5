"""The reconciler of pods: the bundle's instances become podman pods, and stay what the bundle says.

`desired` reads the bundle, `observe` reads podman (one call), `memory` keeps what podman forgets (restarts, backoff), `plan`
decides, purely, `act` does one action, `view` says it in Kubernetes' words for the status. `manifest` writes what podman plays.
"""

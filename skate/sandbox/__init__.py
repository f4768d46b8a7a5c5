"""Real nodes on one Linux machine, for trying skate and for its tests: what kind and k3d are to Kubernetes.

A node is a Debian or Ubuntu with systemd as its PID 1, sshd, podman and nginx, booted by systemd-nspawn on a private bridge. It
looks like a host that was installed a minute ago: what `skate create node` does to it is what it does to any host.

    fleet       create, list and delete a sandbox as a whole; the place to start reading
    node        one node: run a command in it, stop, start, kill, partition, heal
    rootfs      the root file systems that nodes start from, built once and cached
    mirrors     where the packages for them come from: the machine's own apt sources
    network     the bridge, its /24, the nodes' ports on it
    machine     processes: boot a node, find it, stop it, kill it
    launcher    runs in front of systemd-nspawn: mounts, cgroup, reboots
    images      container images into nodes, without a registry
    limits      what this machine's kernel cannot do, and how nodes cope
    state       what is kept on disk, and where
    host        commands on this machine, and what it must have installed

Nothing but the files under `state.root()` says what exists: processes, bridges and mounts are found by looking, never by
remembered process ids. So a sandbox can be deleted after a crash at any point, or after a reboot of the machine.
"""

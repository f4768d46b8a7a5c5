"""What the package promises that can be told without a node: pins, reproducibility, and agreement with the contract."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import io
import json
import pathlib
import re
import tarfile
import types
import zipfile

import pytest

from skatelet.contract import drop, status

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "packaging" / "debian" / "shipped"


@pytest.fixture(scope="module")
def build_deb() -> types.ModuleType:
    loader = importlib.machinery.SourceFileLoader("build_deb", str(ROOT / "packaging" / "build-deb"))
    loader.set_data = lambda *_, **__: None  # no bytecode into packaging/
    spec = importlib.util.spec_from_loader("build_deb", loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def wheel(path: pathlib.Path, files: dict[str, str]) -> pathlib.Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def directives(path: pathlib.Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def tmpfiles() -> dict[str, tuple[str, str, str]]:
    lines = (SHIPPED / "tmpfiles.d" / "skatelet.conf").read_text().splitlines()
    entries = [line.split() for line in lines if not line.startswith("#")]
    return {path: (mode, user, group) for _, path, mode, user, group, _ in entries}


def sshd_options() -> dict[str, str]:
    lines = (SHIPPED / "50-skate.conf").read_text().splitlines()
    options = [line.strip().split(" ", 1) for line in lines if line and not line.startswith("#")]
    return {key: value for key, value in options}


def test_the_shared_objects_of_two_pythons_lie_side_by_side(build_deb, tmp_path):
    vendor, licenses = tmp_path / "vendor", tmp_path / "licenses"
    for python in ("311", "313"):
        files = {
            "core/__init__.py": "same",
            f"core/_core.cpython-{python}-x86_64-linux-gnu.so": python,
            "core/stub.pyi": "",
            "core-1.0.dist-info/RECORD": python,
            "core-1.0.dist-info/licenses/LICENSE": "MIT",
        }
        archive = wheel(tmp_path / f"core-1.0-cp{python}-cp{python}-manylinux.whl", files)
        build_deb.unpack(archive, vendor=vendor, licenses=licenses)
    assert sorted(path.name for path in vendor.rglob("*") if path.is_file()) == [
        "__init__.py",
        "_core.cpython-311-x86_64-linux-gnu.so",
        "_core.cpython-313-x86_64-linux-gnu.so",
    ]
    assert (licenses / "core" / "LICENSE").read_text() == "MIT"


def test_a_module_that_differs_between_two_pythons_stops_the_build(build_deb, tmp_path):
    one = wheel(tmp_path / "core-1.0-cp311.whl", {"core/__init__.py": "one"})
    other = wheel(tmp_path / "core-1.0-cp312.whl", {"core/__init__.py": "other"})
    build_deb.unpack(one, vendor=tmp_path / "v", licenses=tmp_path / "l")
    with pytest.raises(build_deb.BuildError, match="differs"):
        build_deb.unpack(other, vendor=tmp_path / "v", licenses=tmp_path / "l")


@pytest.mark.parametrize("name", ["../evil.py", "/evil.py", "core/../../evil.py"])
def test_a_wheel_cannot_write_outside_of_the_vendor_directory(build_deb, tmp_path, name):
    archive = wheel(tmp_path / "core-1.0-py3-none-any.whl", {name: "boo"})
    with pytest.raises(build_deb.BuildError, match="outside"):
        build_deb.unpack(archive, vendor=tmp_path / "in" / "vendor", licenses=tmp_path / "in" / "licenses")
    assert not list(tmp_path.rglob("evil.py"))


def test_a_source_distribution_gives_its_modules_and_its_licence_but_not_setup_py(build_deb, tmp_path):
    path = tmp_path / "pure-0.1.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in ("pure-0.1/setup.py", "pure-0.1/LICENSE.txt", "pure-0.1/pure/__init__.py"):
            entry = tarfile.TarInfo(name)
            entry.size = 1
            archive.addfile(entry, io.BytesIO(b"x"))
    build_deb.unpack(path, vendor=tmp_path / "v", licenses=tmp_path / "l")
    files = {str(found.relative_to(tmp_path)) for found in tmp_path.rglob("*") if found.is_file()}
    assert files == {"pure-0.1.tar.gz", "v/pure/__init__.py", "l/pure/LICENSE.txt"}


def test_every_pin_has_hashes_and_the_compiled_ones_have_one_for_each_python_and_architecture(build_deb):
    text = build_deb.REQUIREMENTS.read_text()
    pins = re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)
    hashes = {name: len(re.findall(r"--hash=sha256:[0-9a-f]{64}", build_deb._entry(text, name=name))) for name in pins}
    assert min(hashes.values()) >= 1
    combinations = len(build_deb.PYTHONS) * len(build_deb.MACHINES)
    assert hashes["pydantic_core"] == hashes["PyYAML"] == combinations


def test_what_was_altered_after_its_download_is_refused(build_deb, tmp_path):
    (tmp_path / "x-1.whl").write_bytes(b"altered")
    with pytest.raises(build_deb.BuildError, match="not what"):
        build_deb._check_hashes(tmp_path, requirements=f"x==1 --hash=sha256:{'0' * 64}\n")


def test_the_changelog_has_the_version_of_the_project_and_a_date(build_deb):
    assert build_deb.package_version()
    assert build_deb.changelog_epoch() > 1_700_000_000


def test_the_account_sees_the_drop_that_the_contract_describes():
    made = tmpfiles()
    assert made[drop.ROOT] == ("0755", "root", "root")
    for name in drop.WRITABLE:
        assert made[f"{drop.ROOT}/{name}"] == ("0700", drop.ACCOUNT, drop.ACCOUNT)
    for name in drop.READABLE:
        assert made[f"{drop.ROOT}/{name}"] == ("0750", "root", drop.ACCOUNT)


def test_sshd_takes_a_chroot_only_below_directories_that_root_alone_writes():
    made = tmpfiles()
    path = pathlib.PurePosixPath(drop.ROOT)
    ours = [str(parent) for parent in (path, *path.parents) if str(parent) in made]
    assert ours == ["/var/lib/skate/drop", "/var/lib/skate"]
    assert {made[name] for name in ours} == {("0755", "root", "root")}


def test_the_account_can_only_put_and_rename_files():
    options = sshd_options()
    assert options["Match"] == f"User {drop.ACCOUNT}"
    assert options["ChrootDirectory"] == drop.ROOT
    assert options["AuthorizedKeysFile"] == drop.AUTHORIZED_KEYS
    assert options["AuthenticationMethods"] == "publickey"
    assert options["DisableForwarding"] == "yes"
    assert options["PermitTTY"] == "no"
    command = options["ForceCommand"].split()
    assert command[0] == "internal-sftp"
    allowed = set(command[command.index("-p") + 1].split(","))
    assert {"open", "write", "read", "rename", "fsync", "remove", "opendir", "readdir", "fstat"} <= allowed
    # posix-rename replaces its target: claims are exclusive only as long as nobody can.
    assert not allowed & {
        "posix-rename",
        "symlink",
        "hardlink",
        "setstat",
        "fsetstat",
        "mkdir",
        "readlink",
        "copy-data",
    }


def test_skatelet_is_woken_by_a_level_and_by_the_timer_at_the_rate_of_the_heartbeat():
    path = directives(ROOT / "systemd" / "skatelet.path")
    assert path["DirectoryNotEmpty"] == [f"{drop.ROOT}/{drop.INBOX}", "/run/skatelet/wake"]
    assert "PathChanged" not in path
    assert "TriggerLimitBurst" in path
    timer = directives(ROOT / "systemd" / "skatelet.timer")
    assert timer["OnUnitInactiveSec"] == [f"{status.HEARTBEAT_SECONDS // 60}min"]
    assert timer["OnBootSec"] == ["1s"]


def test_a_unit_that_is_only_activated_has_no_install_section():
    assert "[Install]" not in (ROOT / "systemd" / "skatelet.service").read_text()
    assert directives(ROOT / "systemd" / "skatelet.service")["Wants"] == ["podman.socket", "skatelet.path"]


def test_the_hook_is_for_pods_of_skate_only_and_can_never_fail_a_container():
    hook = json.loads((SHIPPED / "cluster.skate.json").read_text())
    assert hook["stages"] == ["poststart", "poststop"]
    (pattern,) = hook["when"]["annotations"]
    assert re.search(pattern, "cluster.skate/instance")
    assert not re.search(pattern, "cluster-skate/instance")
    assert not re.search(pattern, "cluster.skate/instances")
    assert hook["hook"]["args"][-1].endswith("; exit 0")


def test_the_hook_for_infra_containers_tells_of_ends_only_and_can_never_fail_a_container():
    """Annotations of a pod do not reach its infra container; on podman 4.3 and 5.4 only its command tells it apart."""
    hook = json.loads((SHIPPED / "cluster.skate-infra.json").read_text())
    assert hook["stages"] == ["poststop"]
    (pattern,) = hook["when"]["commands"]
    assert re.search(pattern, "/catatonit")
    assert re.search(pattern, "/pause")
    assert not re.search(pattern, "/usr/bin/catatonit")
    assert not re.search(pattern, "/pause.sh")
    assert hook["hook"] == json.loads((SHIPPED / "cluster.skate.json").read_text())["hook"]

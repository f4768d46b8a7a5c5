"""What `-f` may name, and how every mistake is found at once."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from skate import errors, manifests
from skate.manifests import sources

NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {}\n"
NO_URLS = "skate does not read URLs yet: download it and name the file"
POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\nspec:\n  containers:\n  - name: web\n    image: nginx:1.27\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(path: str, text: str | bytes) -> str:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def mistakes(*names: str, **options: object) -> list[str]:
    with pytest.raises(errors.ManifestError) as refusal:
        manifests.load(names, **options)  # type: ignore[arg-type]
    return refusal.value.details or [refusal.value.message]


def names(loaded: manifests.Loaded) -> list[str]:
    return [item.name for item in loaded.objects]


def test_a_directory_gives_its_yaml_and_json_files_in_order() -> None:
    write("dir/b.yaml", NAMESPACE.format("b"))
    write("dir/a.yml", NAMESPACE.format("a"))
    write("dir/c.json", '{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "c"}}')
    write("dir/readme.md", "not a manifest: [")
    write("dir/deep/d.yaml", NAMESPACE.format("d"))
    assert names(manifests.load(["dir"])) == ["a", "b", "c"]
    assert names(manifests.load(["dir"], recursive=True)) == ["a", "b", "c", "d"]


def test_a_file_named_by_itself_may_be_called_anything() -> None:
    assert names(manifests.load([write("web.txt", NAMESPACE.format("a"))])) == ["a"]


def test_a_dash_is_standard_input() -> None:
    assert names(manifests.load(["-"], stdin=io.BytesIO(NAMESPACE.format("a").encode()))) == ["a"]
    assert names(manifests.load(["-"], stdin=io.StringIO(NAMESPACE.format("a")))) == ["a"]
    assert mistakes("-", stdin=io.BytesIO(b"a: [")) == ["stdin:1: did not find expected node content"]


def test_a_manifest_knows_where_it_was_read() -> None:
    write("two.yaml", f"# first\n{NAMESPACE.format('a')}---\n{NAMESPACE.format('b')}")
    first, second = manifests.load(["two.yaml"]).objects
    assert (first.source.file, first.source.document, first.source.line) == ("two.yaml", 1, 2)
    assert (second.source.document, second.source.line, str(second.source)) == (2, 7, "two.yaml:7")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nothing.yaml", 'the path "nothing.yaml" does not exist'),
        ("https://example.com/web.yaml", f"https://example.com/web.yaml: {NO_URLS}"),
        ("HTTP://example.com/web.yaml", f"HTTP://example.com/web.yaml: {NO_URLS}"),
        ("a\x1b[31m.yaml", 'the path "a\\u001b[31m.yaml" does not exist'),
        ("a\0b", 'the path "a\\u0000b" does not exist'),
        ("", 'the path "" does not exist'),
    ],
)  # fmt: skip
def test_a_source_that_cannot_be_had_is_said_in_words(name: str, sentence: str) -> None:
    assert mistakes(name) == [sentence]


def test_a_directory_without_manifests_says_so() -> None:
    write("dir/deep/a.yaml", NAMESPACE.format("a"))
    assert mistakes("dir") == ["dir: no .json, .yaml or .yml file in it (subdirectories are read with -R)"]
    write("other/readme.md", "")
    assert mistakes("other", recursive=True) == ["other: no .json, .yaml or .yml file in it"]


def test_a_file_that_cannot_be_read_does_not_hide_the_others() -> None:
    write("dir/b.yaml", NAMESPACE.format("B"))
    Path("dir/a.yaml").symlink_to("nowhere")
    first, second = mistakes("dir")
    assert first == "dir/a.yaml: No such file or directory"
    assert second.startswith("dir/b.yaml:4: Namespace B: metadata.name: ")


def test_what_is_not_utf8_is_refused_with_its_line() -> None:
    assert mistakes(write("a.yaml", b"a: 1\nb: \xff\n")) == ["a.yaml:2: not UTF-8: byte 0xff"]
    assert mistakes(write("b.yaml", NAMESPACE.encode("utf-16"))) == ["b.yaml:1: not UTF-8: byte 0xff"]


def test_a_byte_order_mark_is_no_mistake() -> None:
    assert names(manifests.load([write("a.yaml", b"\xef\xbb\xbf" + NAMESPACE.format("a").encode())])) == ["a"]


def test_a_huge_file_is_not_read_to_the_end() -> None:
    write("a.yaml", b"#" * (sources.MAX_BYTES + 1))
    assert mistakes("a.yaml") == ["a.yaml: larger than 16 MiB: not a manifest"]


@pytest.mark.parametrize("text", ["[" * 200_000, "- " * 200_000, "{a: " * 200_000])
def test_nesting_without_end_is_refused_and_does_not_crash(text: str) -> None:
    (sentence,) = mistakes(write("a.yaml", text))
    assert sentence.startswith("a.yaml:1: nested deeper than")


def test_aliases_that_explode_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    (sentence,) = mistakes(write("a.yaml", "\n".join(lines)))
    assert "more than 100 aliases" in sentence


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("!!int abc", "'abc' is no whole number"),
        ("!!bool abc", "'abc' is no boolean"),
        ("9" * 5000, "a number of 5000 digits is too long"),
        ("0x" + "f" * 5000, "a number of 5002 digits is too long"),
        ("!!timestamp 2025-01-01", "could not determine a constructor for the tag"),
        ("!!binary aGVsbG8=", "could not determine a constructor for the tag"),
        ("!!set {a}", "could not determine a constructor for the tag"),
    ],
)
def test_a_value_that_json_does_not_have_is_a_mistake_like_others(value: str, words: str) -> None:
    (sentence,) = mistakes(write("a.yaml", NAMESPACE.format(value)))
    assert sentence.startswith("a.yaml:4: ")
    assert words in sentence


@pytest.mark.parametrize(
    "text", ["", "# only a comment\n", "---\n---\n", "null\n", "apiVersion: v1\nkind: List\nitems: []\n"]
)
def test_nothing_at_all_is_kubectls_error(text: str) -> None:
    assert mistakes(write("a.yaml", text)) == ["no objects passed to apply"]


def test_an_empty_file_beside_others_is_passed_over() -> None:
    write("dir/a.yaml", "")
    write("dir/b.yaml", NAMESPACE.format("b"))
    assert names(manifests.load(["dir"])) == ["b"]


def test_every_mistake_in_every_file_is_found_at_once() -> None:
    write("dir/a.yaml", f"{POD}---\nkind: [\n")
    write("dir/b.yaml", POD.replace("name: web\nspec", "name: Web\nspec").replace("image:", "imag:") + "    stdin: 1\n")
    write("dir/c.yaml", "apiVersion: v1\nkind: Endpoints\nmetadata: {name: web}\n---\n" + POD + "  color: red\n")
    found = [line.split(": ")[0] for line in mistakes("dir", "nowhere")]
    in_b = ["dir/b.yaml:4", "dir/b.yaml:8", "dir/b.yaml:9"]
    assert found == ['the path "nowhere" does not exist', "dir/a.yaml:10", *in_b, "dir/c.yaml:2", "dir/c.yaml:13"]


def test_a_syntax_error_does_not_hide_the_documents_before_it() -> None:
    first, second = mistakes(write("a.yaml", f"{NAMESPACE.format('A')}---\nkind: [\n"))
    assert first == "a.yaml:6: did not find expected node content"
    assert second.startswith("a.yaml:4: Namespace A: metadata.name: Invalid value")


def test_the_namespace_flag_fills_in_and_does_not_override() -> None:
    write("a.yaml", POD)
    (pod,) = manifests.load(["a.yaml"], namespace="tools").objects
    assert (pod.namespace, pod.data["metadata"]["namespace"], pod.key) == ("tools", "tools", ("Pod", "tools", "web"))
    write("b.yaml", POD.replace("name: web\nspec", "name: web\n  namespace: a\nspec"))
    assert mistakes("b.yaml", namespace="b") == [
        'b.yaml:5: Pod a/web: metadata.namespace: the namespace from the provided object "a" does not match the namespace "b".'
        " You must pass '--namespace=a' to perform this operation."
    ]
    assert manifests.load(["b.yaml"], namespace="a").objects[0].namespace == "a"
    assert manifests.load([write("c.yaml", NAMESPACE.format("x"))], namespace="b").objects[0].namespace == ""


def test_the_same_name_in_two_namespaces_is_two_objects() -> None:
    write("a.yaml", POD + "---\n" + POD.replace("name: web\nspec", "name: web\n  namespace: tools\nspec"))
    assert [item.key for item in manifests.load(["a.yaml"]).objects] == [
        ("Pod", "default", "web"),
        ("Pod", "tools", "web"),
    ]


def test_the_same_object_in_two_files_names_both_places() -> None:
    write("a.yaml", POD)
    write("b.yaml", NAMESPACE.format("tools") + "---\n" + POD)
    assert mistakes("a.yaml", "b.yaml") == ["b.yaml:6: document 2, Pod default/web: already defined at a.yaml:1"]


def test_validate_says_what_becomes_of_fields_that_are_not_done() -> None:
    write("a.yaml", POD + "    livenessProbe: {exec: {command: [a]}}\n    flavour: vanilla\n  hostPID: false\n")
    unknown = "a.yaml:10: Pod default/web: spec.containers[0].flavour: unknown field"
    not_done = (
        "a.yaml:9: Pod default/web: spec.containers[0].livenessProbe: Kubernetes knows this field, skate does not do it"
    )
    harmless = "a.yaml:11: Pod default/web: spec.hostPID: has no effect, ignored"
    assert mistakes("a.yaml") == [not_done, unknown]
    warned = manifests.load(["a.yaml"], validate="warn")
    assert sorted(warned.warnings) == sorted([f"{unknown}; ignored", f"{not_done}; ignored", harmless])
    ignored = manifests.load(["a.yaml"], validate="ignore")
    assert ignored.warnings == []
    clean = {"name": "web", "image": "nginx:1.27"}
    assert warned.objects[0].data == ignored.objects[0].data
    assert ignored.objects[0].data["spec"] == {"containers": [clean]}


@pytest.mark.parametrize("validate", ["strict", "warn", "ignore"])
def test_wrong_values_are_mistakes_whatever_validate_says(validate: str) -> None:
    write("a.yaml", POD.replace("nginx:1.27", "5"))
    assert mistakes("a.yaml", validate=validate) == [
        "a.yaml:8: Pod default/web: spec.containers[0].image: Invalid type: expected a string, got the number 5: put it in quotes"
    ]


def test_a_field_left_out_by_validate_can_still_be_missed() -> None:
    write("a.yaml", POD + "  volumes:\n  - name: data\n    configMap: {name: x}\n")
    assert mistakes("a.yaml", validate="warn") == [
        "a.yaml:10: Pod default/web: spec.volumes[0]: Required value: must specify a volume type"
    ]


def test_nothing_a_terminal_obeys_gets_into_a_message() -> None:
    evil = '"\\e[31m\\u202e\\x07"'
    write(
        "a.yaml",
        f"apiVersion: v1\nkind: Pod\nmetadata: {{name: {evil}, {evil}: 1, labels: {{{evil}: {evil}}}}}\nspec: {{}}\n",
    )
    write("b.yaml", f"apiVersion: {evil}\nkind: {evil}\n")
    assert all(line.isprintable() for line in mistakes("a.yaml", "b.yaml"))


def test_what_comes_from_the_catalogue_is_refused_without_a_line() -> None:
    with pytest.raises(errors.ManifestError) as refusal:
        manifests.parse({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "A"}})
    assert refusal.value.details[0].startswith("Namespace A: metadata.name: Invalid value")


def test_parsing_does_not_change_what_it_is_given() -> None:
    data = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a"},
        "spec": {"containers": [{"name": "a", "image": "b"}]},
    }
    assert manifests.parse(data).data["metadata"] == {"name": "a", "namespace": "default"}
    assert data["metadata"] == {"name": "a"}


def test_importing_manifests_brings_in_nothing_heavy() -> None:
    heavy = ("asyncio", "asyncssh", "difflib", "subprocess")
    code = f"import sys, skate.manifests; print([name for name in {heavy} if name in sys.modules])"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"


def test_the_examples_are_without_a_mistake_or_a_warning() -> None:
    loaded = manifests.load([str(Path(__file__).parents[2] / "examples")], recursive=True)
    assert loaded.warnings == []
    assert ("Deployment", "default", "web") in [item.key for item in loaded.objects]

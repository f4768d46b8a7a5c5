"""Secret (https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/secret-v1/).

As a user writes it, `data` and `stringData` hold values; in the catalogue they never stand: there `sealed` has taken their place,
which nobody but skate writes. No message says more of a value than the name of its key.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, model_validator

from skate.manifests import formats, problems
from skate.manifests.models import meta, scalars

MAX_BYTES = 1024 * 1024
"""Of all values together, as in Kubernetes."""
_REQUIRED = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
}
_JSON = (".dockercfg", ".dockerconfigjson")


def _keys(value: dict[Any, Any]) -> list[problems.Problem]:
    return [
        problems.invalid((str(key),), key, sentence)
        for key in value
        for sentence in (formats.config_key(key) if isinstance(key, str) else ["must be a string"])
    ]


def _strings(value: Any) -> tuple[dict[str, str], list[problems.Problem]]:
    """A mapping of strings, as far as it is one; pydantic's own words would show the values."""
    if not isinstance(value, dict):
        raise problems.errors(problems.Problem((), "Invalid type: expected a mapping of strings"))
    texts = {str(key): text for key, text in value.items() if isinstance(text, str)}
    sentence = "Invalid type: expected a string: put it in quotes"
    wrong = [problems.Problem((str(key),), sentence) for key in value if str(key) not in texts]
    return texts, _keys(value) + wrong


def _plain(value: Any) -> dict[str, str]:
    texts, wrong = _strings(value)
    if wrong:
        raise problems.errors(*wrong)
    return texts


def _encoded(value: Any) -> dict[str, str]:
    texts, wrong = _strings(value)
    for key, text in texts.items():
        try:
            decode(text)
        except ValueError:
            sentence = "Invalid value: illegal base64 data: encode the value, or write it as it is under stringData"
            wrong.append(problems.Problem((key,), sentence))
    if wrong:
        raise problems.errors(*wrong)
    return texts


def decode(text: str) -> bytes:
    """What stands in base64 under `data`, line breaks in it passed over. Raises ValueError."""
    try:
        return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except binascii.Error:
        raise ValueError("illegal base64 data") from None


class Sealed(scalars.Model):
    """What the catalogue has instead of the values."""

    key: scalars.Text
    """Which of the cluster's keys it is sealed to."""
    fingerprint: scalars.Text
    box: scalars.Text = Field(repr=False)
    keys: list[scalars.Text] = Field(default_factory=list)
    """The names of the values."""


class Secret(scalars.Model):
    api_version: Literal["v1"]
    kind: Literal["Secret"]
    metadata: meta.SecretMeta
    type: scalars.Text = "Opaque"
    data: Annotated[dict[str, str], PlainValidator(_encoded)] = Field(default_factory=dict, repr=False)
    string_data: Annotated[dict[str, str], PlainValidator(_plain)] = Field(default_factory=dict, repr=False)
    immutable: bool = False

    def values(self) -> dict[str, bytes]:
        """What is kept secret, in the clear, by key; `stringData` wins over `data`."""
        values = {key: decode(text) for key, text in self.data.items()}
        return values | {key: text.encode(errors="surrogatepass") for key, text in self.string_data.items()}

    def keys(self) -> list[str]:
        """The names of the values."""
        return sorted({*self.data, *self.string_data})

    @model_validator(mode="after")
    def _has_what_its_type_asks_for(self) -> Secret:
        wrong: list[problems.Problem] = []
        if self.type == "kubernetes.io/service-account-token":
            sentence = f"Unsupported value: {problems.show(self.type)}: skate has no service accounts"
            wrong.append(problems.Problem(("type",), sentence))
        keys = set(self.keys())
        missing = [key for key in _REQUIRED.get(self.type, ()) if key not in keys]
        if self.type == "kubernetes.io/basic-auth" and not keys & {"username", "password"}:
            missing = ["username", "password"]
        wrong += [problems.required(("data", key)) for key in missing]
        wrong += self._value_problems()
        if wrong:
            raise problems.errors(*wrong)
        return self

    def _value_problems(self) -> list[problems.Problem]:
        values = self.values()
        wrong: list[problems.Problem] = []
        if sum(map(len, values.values())) > MAX_BYTES:
            wrong.append(problems.Problem(("data",), f"Too long: may not be more than {MAX_BYTES} bytes"))
        for key in _REQUIRED.get(self.type, ()):
            if key in _JSON and key in values and not _is_json(values[key]):
                field = "stringData" if key in self.string_data else "data"
                wrong.append(problems.Problem((field, key), "Invalid value: must be a JSON mapping"))
        return wrong


class SealedSecret(scalars.Model):
    """A Secret as the catalogue has it."""

    api_version: Literal["v1"]
    kind: Literal["Secret"]
    metadata: meta.SecretMeta
    type: scalars.Text = "Opaque"
    immutable: bool = False
    sealed: Sealed

    def keys(self) -> list[str]:
        """The names of the values."""
        return sorted(self.sealed.keys)


def _is_json(value: bytes) -> bool:
    try:
        return isinstance(json.loads(value), dict)
    except (ValueError, RecursionError):
        return False

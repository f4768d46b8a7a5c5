"""The types of single values: what pydantic checks of one field by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainValidator
from pydantic.alias_generators import to_camel

from skate import quantity
from skate.manifests import formats, problems

INT32 = 2**31 - 1


class Model(BaseModel):
    """One Kubernetes type: the class's name is the type's, unless `kubernetes_type` says otherwise."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        defer_build=True,  # building the schemas takes 50 ms, and `skate get` never needs them
    )

    @classmethod
    def kubernetes_type(cls) -> str:
        """The name of the type in `known_fields.FIELDS`."""
        return cls.__name__


def _text(check: Callable[[str], list[str]], *, optional: bool = False) -> AfterValidator:
    def validate(value: str) -> str:
        if not value and optional:
            return value
        if not value:
            raise problems.errors(problems.required(()))
        if wrong := check(value):
            raise problems.errors(*[problems.invalid((), value, sentence) for sentence in wrong])
        return value

    return AfterValidator(validate)


def _without_nul(value: str) -> str:
    if "\0" in value:
        raise problems.errors(problems.invalid((), value, "must not contain a NUL byte"))
    return value


def _number(low: int, high: int, sentence: str) -> AfterValidator:
    def validate(value: int) -> int:
        if not low <= value <= high:
            raise problems.errors(problems.invalid((), value, sentence))
        return value

    return AfterValidator(validate)


def _mapping(check_key: Callable[[str], list[str]], check_value: Callable[[str], list[str]]) -> AfterValidator:
    def validate(value: dict[str, str]) -> dict[str, str]:
        wrong = [problems.invalid((key,), key, sentence) for key in value for sentence in check_key(key)]
        wrong += [
            problems.invalid((key,), text, sentence) for key, text in value.items() for sentence in check_value(text)
        ]
        if wrong:
            raise problems.errors(*wrong)
        return value

    return AfterValidator(validate)


def _port_or_name(value: Any) -> int | str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        sentence = f"Invalid type: expected the number or the name of a port, got {describe(value)}"
        raise problems.errors(problems.Problem((), sentence))
    if isinstance(value, int):
        if not 1 <= value <= 65535:
            raise problems.errors(problems.invalid((), value, "must be between 1 and 65535, inclusive"))
    elif wrong := formats.port_name(value):
        advice = ": a number must not stand in quotes" if value.isdecimal() else ""
        raise problems.errors(*[problems.invalid((), value, f"{sentence}{advice}") for sentence in wrong])
    return value


def _annotations(value: dict[str, str]) -> dict[str, str]:
    size = sum(len(key.encode()) + len(text.encode(errors="replace")) for key, text in value.items())
    if size > 256 * 1024:
        raise problems.errors(problems.Problem((), "Too long: may not be more than 262144 bytes"))
    return value


def _quantity(value: Any) -> quantity.Raw:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        sentence = f"Invalid type: expected a quantity such as 500m or 64Mi, got {describe(value)}"
        raise problems.errors(problems.Problem((), sentence))
    try:
        number = quantity.parse(value)
    except ValueError as error:
        raise problems.errors(problems.invalid((), value, str(error))) from None
    if number < 0:
        raise problems.errors(problems.invalid((), value, "must be greater than or equal to 0"))
    return value


def _int_or_percent(value: Any) -> int | str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        sentence = f"Invalid type: expected an integer or a percentage, got {describe(value)}"
        raise problems.errors(problems.Problem((), sentence))
    if isinstance(value, int):
        if not 0 <= value <= INT32:
            raise problems.errors(problems.invalid((), value, "must be greater than or equal to 0"))
    elif not (value.endswith("%") and value[:-1].isascii() and value[:-1].isdigit() and len(value) <= 10):
        sentence = (
            "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used"
            " for validation is '[0-9]+%')"
        )
        raise problems.errors(problems.invalid((), value, sentence))
    return value


def describe(value: Any) -> str:
    """What a value is, in the words of YAML: `the number 8080`, `the string "80"`, `a mapping`."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"the boolean {problems.show(value)}"
        case int() | float():
            return f"the number {problems.show(value)}"
        case str():
            return f"the string {problems.show(value)}"
        case list():
            return "a list"
        case dict():
            return "a mapping"
        case _:
            return "a value of an explicit tag (!!…)"


Text = Annotated[str, AfterValidator(_without_nul)]
DnsLabel = Annotated[str, _text(formats.dns_label)]
Dns1035Label = Annotated[str, _text(formats.dns_1035_label)]
DnsSubdomain = Annotated[str, _text(formats.dns_subdomain)]
EnvName = Annotated[str, _text(formats.env_name)]
Image = Annotated[str, _text(formats.image)]
AbsolutePath = Annotated[str, _text(formats.absolute_path)]
IpAddress = Annotated[str, _text(formats.ip_address)]
LabelKey = Annotated[str, _text(formats.qualified_name)]

# An empty string is the same as leaving the field out.
OptionalDnsLabel = Annotated[str, _text(formats.dns_label, optional=True)]
OptionalDnsSubdomain = Annotated[str, _text(formats.dns_subdomain, optional=True)]
HostName = Annotated[str, _text(formats.host_name)]
OptionalHostName = Annotated[str, _text(formats.host_name, optional=True)]
OptionalQualifiedName = Annotated[str, _text(formats.qualified_name, optional=True)]
OptionalPortName = Annotated[str, _text(formats.port_name, optional=True)]
OptionalAbsolutePath = Annotated[str, _text(formats.absolute_path, optional=True)]
OptionalIpAddress = Annotated[str, _text(formats.ip_address, optional=True)]

Count = Annotated[int, _number(0, INT32, "must be greater than or equal to 0")]
"""An int32 from 0."""
Seconds = Annotated[int, _number(0, 2**63 - 1, "must be greater than or equal to 0")]
Id = Annotated[int, _number(0, INT32, "must be between 0 and 2147483647, inclusive")]
Port = Annotated[int, _number(1, 65535, "must be between 1 and 65535, inclusive")]
OptionalPort = Annotated[int, _number(0, 65535, "must be between 1 and 65535, inclusive")]
"""0 is the same as leaving it out."""

Labels = Annotated[dict[str, str], _mapping(formats.own_key, formats.label_value)]
SelectorLabels = Annotated[dict[str, str], _mapping(formats.qualified_name, formats.label_value)]
Annotations = Annotated[
    dict[str, Text], _mapping(lambda key: formats.own_key(key.lower()), lambda _: []), AfterValidator(_annotations)
]
"""Kubernetes lower-cases an annotation's key before it looks at it."""
Quantity = Annotated[quantity.Raw, PlainValidator(_quantity)]
IntOrPercent = Annotated[int | str, PlainValidator(_int_or_percent)]
PortOrName = Annotated[int | str, PlainValidator(_port_or_name)]

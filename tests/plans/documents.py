"""Operations that fit a schema, and variables for them, fitting and not."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

from graphql import (
    GraphQLSchema,
    get_named_type,
    is_abstract_type,
    is_composite_type,
    is_enum_type,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
    is_required_argument,
    is_required_input_field,
)

LITERALS: dict[str, list[str]] = {
    "Int": ["0", "-7", "2147483647"],
    "Float": ["1.5", "3", "-2e3"],
    "String": ['""', '"text"', '"""block"""'],
    "Boolean": ["true", "false"],
    "ID": ['"id"', "5"],
    "DateTime": ['"2026-01-02T03:04:05"', '"1815-12-10T00:00:00"'],
}
VALUES: dict[str, list[Any]] = {
    "Int": [0, -7, 5.0],
    "Float": [1.5, 3],
    "String": ["", "text"],
    "Boolean": [True, False],
    "ID": ["id", 5],
    "DateTime": ["2026-01-02T03:04:05"],
}
ANYTHING: list[Any] = [
    None, 2**40, "wrong", 1.5, True, [], ["x", None], {}, {"text": 1, "no": 2},
    {"text": "fits", "no": 2}, {"text": "fits", "most": None, "inner": {"sure": None}},
    {"text": "fits", "inner": {"color": "PINK"}, "numbers": [1, "2"]}, {"most": 1},
]  # fmt: skip


@dataclass
class Asked:
    """An operation: its text, and the types of its variables."""

    text: str
    variables: dict[str, Any]


@dataclass
class _Writer:
    schema: GraphQLSchema
    chance: Random
    breadth: int
    variables: dict[str, tuple[Any, str]] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    fragments: dict[str, tuple[Any, str]] = field(default_factory=dict)

    def maybe(self, probability: float) -> bool:
        return self.chance.random() < probability

    def selection_set(self, type_: Any, depth: int) -> str:
        count = self.chance.randint(1, self.breadth)
        return "{ " + " ".join(self.selection(type_, depth) for _ in range(count)) + " }"

    def selection(self, type_: Any, depth: int) -> str:
        kind = self.chance.random()
        if kind < 0.12 and depth > 0:
            condition = self.chance.choice(["", f"on {self.condition(type_)} "])
            inner = self.schema.type_map[condition.split()[1]] if condition else type_
            return f"... {condition}{self.directives()} {self.selection_set(inner, depth - 1)}"
        if kind < 0.25 and depth > 0:
            return f"...{self.fragment(type_, depth)} {self.directives()}"
        names = list(type_.fields) if hasattr(type_, "fields") else []
        if kind < 0.32 or not names:
            key = self.chance.choice(["", "kind: ", "of: "])
            return f"{key}__typename {self.directives()}"
        return self.field(type_, self.chance.choice(names), depth)

    def field(self, type_: Any, name: str, depth: int) -> str:
        """A field. One key always asks for one field with the same arguments."""
        definition = type_.fields[name]
        composite = is_composite_type(get_named_type(definition.type))
        if composite and depth <= 0:
            return "__typename"
        number = self.chance.randrange(2)
        key = f"{name}_{number}"
        if key not in self.arguments:
            given = [
                f"{each}: {self.position(argument.type, argument.default_value)}"
                for each, argument in definition.args.items()
                if is_required_argument(argument) or self.maybe(0.6)
            ]
            self.arguments[key] = f"({', '.join(given)})" if given else ""
        written = f"{key}: {name}{self.arguments[key]} {self.directives()}"
        if composite:
            written += self.selection_set(get_named_type(definition.type), depth - 1)
        return written

    def condition(self, type_: Any) -> str:
        """A type that objects of another may be of."""
        known = self.schema.type_map.values()
        kinds = set(self.schema.get_possible_types(type_)) if is_abstract_type(type_) else {type_}
        also = [
            each
            for each in known
            if is_abstract_type(each) and kinds & set(self.schema.get_possible_types(each))
        ]
        possible = [each for each in known if each in kinds]
        return self.chance.choice([type_, *possible, *also]).name

    def fragment(self, type_: Any, depth: int) -> str:
        on = self.condition(type_)
        same = [name for name, (known, text) in self.fragments.items() if known == on and text]
        if same and self.maybe(0.5):
            return self.chance.choice(same)
        name = f"F{len(self.fragments)}"
        self.fragments[name] = (on, "")  # under way: nobody else may use it
        inner = self.selection_set(self.schema.type_map[on], depth - 1)
        self.fragments[name] = (on, f"fragment {name} on {on} {inner}")
        return name

    def directives(self) -> str:
        if self.maybe(0.85):
            return ""
        fixed, kind = self.chance.choice(["true", "false"]), self.chance.choice(["skip", "include"])
        value = self.variable(self.schema.type_map["Boolean"], "!") if self.maybe(0.7) else fixed
        # Of a directive, there may be one only.
        other = f" @include(if: {fixed})" if kind == "skip" and self.maybe(0.2) else ""
        return f"@{kind}(if: {value}){other} "

    def position(self, type_: Any, default: Any = None, *, deep: int = 2) -> str:
        """What is written where a value of a type goes: a variable, or a literal."""
        if self.maybe(0.4):
            if is_non_null_type(type_):
                return self.variable(type_.of_type, "!")
            return self.variable(type_, self.chance.choice(["", "", "!"]))
        return self.literal(type_, deep)

    def variable(self, type_: Any, suffix: str) -> str:
        """A variable of a type. Where it must not be null, it may be so with a default."""
        same = [
            name
            for name, (known, end) in self.variables.items()
            if known == type_ and (not suffix or end not in {"", " = null"})
        ]
        if same and self.maybe(0.5):
            return f"${self.chance.choice(same)}"
        name = f"v{len(self.variables)}"
        if suffix and self.maybe(0.4):
            suffix = f" = {self.literal(type_, 1, null=False)}"
        elif not suffix and self.maybe(0.3):
            suffix = f" = {self.literal(type_, 1)}"
        self.variables[name] = (type_, suffix)
        return f"${name}"

    def literal(self, type_: Any, deep: int = 2, *, null: bool = True) -> str:
        if is_non_null_type(type_):
            return self.literal(type_.of_type, deep, null=False)
        if null and self.maybe(0.1):
            return "null"
        if is_list_type(type_):
            count = self.chance.choice([0, 1, 2, 2, -1])  # one alone needs no brackets
            several = ", ".join(self.inner(type_.of_type, deep) for _ in range(count))
            alone = count < 0
            return self.literal(type_.of_type, deep, null=False) if alone else f"[{several}]"
        if is_input_object_type(type_):
            return self.object_literal(type_, deep)
        if is_enum_type(type_):
            return self.chance.choice(list(type_.values))
        return self.chance.choice(LITERALS.get(type_.name, ['"odd"', "5", "[1, {a: 2}]"]))

    def object_literal(self, type_: Any, deep: int) -> str:
        if type_.is_one_of:
            name = self.chance.choice(list(type_.fields))
            inner = self.literal(type_.fields[name].type, deep, null=False)
            return f"{{{name}: {inner}}}"
        given = [
            f"{name}: {self.inner(each.type, deep - 1)}"
            for name, each in type_.fields.items()
            if is_required_input_field(each) or (deep > 0 and self.maybe(0.4))
        ]
        return "{" + ", ".join(given) + "}"

    def inner(self, type_: Any, deep: int) -> str:
        return self.position(type_, deep=deep) if deep == 2 else self.literal(type_, deep)


def write(schema: GraphQLSchema, chance: Random, *, breadth: int, depth: int) -> Asked:
    """An operation."""
    writer = _Writer(schema, chance, breadth)
    kind = chance.choice(["query", "query", "query", "mutation"])
    root: Any = schema.type_map[kind.capitalize()]
    assert is_object_type(root)
    body = writer.selection_set(root, depth)
    defined = ", ".join(f"${name}: {type_}{end}" for name, (type_, end) in writer.variables.items())
    fragments = " ".join(text for _, text in writer.fragments.values())
    text = f"{kind} Asked{f'({defined})' if defined else ''} {body} {fragments}"
    return Asked(text, {name: type_ for name, (type_, _) in writer.variables.items()})


def variables_for(asked: Asked, chance: Random) -> dict[str, Any]:
    """Values of the variables: mostly as they should be."""
    given: dict[str, Any] = {"unknown": 1} if chance.random() < 0.1 else {}
    spoilt = chance.random() < 0.2
    for name, type_ in asked.variables.items():
        kind = chance.random()
        if spoilt and kind < 0.3:
            given[name] = chance.choice(ANYTHING)
        elif kind < 0.9:
            given[name] = _value(type_, chance, 2)
    return given


def _value(type_: Any, chance: Random, deep: int) -> Any:
    if is_non_null_type(type_):
        return _value(type_.of_type, chance, deep)
    if is_list_type(type_):
        return [_value(type_.of_type, chance, deep) for _ in range(chance.choice([0, 1, 2]))]
    if is_input_object_type(type_):
        names = [name for name, each in type_.fields.items() if is_required_input_field(each)]
        if type_.is_one_of:
            names = [chance.choice(list(type_.fields))]
        elif deep > 0:
            names += [name for name in type_.fields if name not in names and chance.random() < 0.4]
        return {name: _value(type_.fields[name].type, chance, deep - 1) for name in names}
    if is_enum_type(type_):
        return chance.choice(list(type_.values))
    return chance.choice(VALUES.get(type_.name, ["odd", 5, [1, {"a": 2}], {"b": None}]))

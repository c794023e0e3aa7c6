"""Schemas of all kinds of types, with resolvers that do what their world decides."""

from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLFloat,
    GraphQLID,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
    GraphQLUnionType,
    Undefined,
    is_object_type,
)

from tests.plans.worlds import Place, Promise, Trouble, World


async def _soon(value: Any) -> Any:
    return value


def _odd(value: Any) -> Any:
    """Leaves as anything: as it came, as null, later, or not at all."""
    if value == 1:
        return None
    if value == "some":
        return Promise(lambda: _soon("later"))
    if isinstance(value, dict):
        raise Trouble("no dicts")
    return ["odd", repr(value)]


COLOR = GraphQLEnumType("Color", {"RED": 1, "GREEN": "g", "BLUE": None})
ODD = GraphQLScalarType("Odd", serialize=_odd)
JSON = GraphQLScalarType("Json")
LEAF_TYPES: list[Any] = [
    GraphQLInt, GraphQLFloat, GraphQLString, GraphQLString, GraphQLBoolean, GraphQLID, COLOR, ODD,
    JSON,
]  # fmt: skip
FILTER: Any = GraphQLInputObjectType(
    "Filter",
    lambda: {
        "most": GraphQLInputField(GraphQLInt, default_value=3),
        "text": GraphQLInputField(GraphQLNonNull(GraphQLString), out_name="words"),
        "colors": GraphQLInputField(GraphQLList(GraphQLNonNull(COLOR))),
        "json": GraphQLInputField(JSON),
        "both": GraphQLInputField(FILTER),
        "sure": GraphQLInputField(GraphQLNonNull(GraphQLBoolean), default_value=True),
    },
)
ONE: Any = GraphQLInputObjectType(
    "One",
    {"a": GraphQLInputField(GraphQLInt), "b": GraphQLInputField(GraphQLList(GraphQLString))},
    is_one_of=True,
)
# Of nothing but types that every schema has.
SIMPLE: Any = GraphQLInputObjectType(
    "Simple",
    {
        "text": GraphQLInputField(GraphQLNonNull(GraphQLString), out_name="words"),
        "most": GraphQLInputField(GraphQLInt, default_value=3),
        "tags": GraphQLInputField(GraphQLList(GraphQLString), default_value=["tag"]),
        "numbers": GraphQLInputField(GraphQLList(GraphQLNonNull(GraphQLFloat))),
        "inner": GraphQLInputField(
            GraphQLInputObjectType(
                "Inner",
                {
                    "color": GraphQLInputField(COLOR),
                    "sure": GraphQLInputField(GraphQLNonNull(GraphQLBoolean), default_value=True),
                },
            )
        ),
    },
)
INPUT_TYPES: list[Any] = [*LEAF_TYPES, FILTER, SIMPLE, SIMPLE, ONE]
DEFAULTS: dict[Any, Any] = {GraphQLInt: 4, GraphQLString: "by default", GraphQLBoolean: False}


def resolve(source: Any, info: Any, **arguments: Any) -> Any:
    """Answers what the world decides; and spoils what it was given."""
    world: World = info.context
    world.tell(info, arguments)
    for each in arguments.values():
        if isinstance(each, list):
            each.append("spoilt")
        elif isinstance(each, dict):
            each["spoilt"] = True
    info.field_nodes.clear()
    return world.value(info.return_type, tuple(info.path.as_list()))


class Thing:
    """An object whose attributes are what the world decides."""

    def __init__(self, world: World, type_: Any, place: Place, named: str | None) -> None:
        self.world, self.kind, self.place = world, type_, place
        self.__typename = named

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        field = self.kind.fields.get(name)
        if field is None:
            raise AttributeError(name)
        if self.world.chance("method", self.place, name).random() < 0.5:
            return lambda info, **arguments: resolve(self, info, **arguments)
        self.world.log.append(("read", self.place, name))
        return self.world.value(field.type, (*self.place, name))


class Record(Mapping[str, Any]):
    """A mapping of what the world decides."""

    def __init__(self, thing: Thing, named: str | None) -> None:
        self.thing, self.named, self.kind = thing, named, thing.kind

    def __getitem__(self, name: str) -> Any:
        if name == "__typename":
            return self.named
        return getattr(self.thing, name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self.thing.kind.fields)

    def __len__(self) -> int:
        return len(self.thing.kind.fields)


def make(world: World, type_: Any, place: Place, chance: Random) -> Any:
    """An object of a type, in one of several forms."""
    schema = type_.extensions["schema"][0]
    kinds = [type_] if is_object_type(type_) else list(schema.get_possible_types(type_))
    kind = chance.choice(kinds)
    named = chance.choice([kind.name, kind.name, None])
    if world.happens("named wrongly", place):
        named = chance.choice(["Nothing", "Int", "T0", "Query"])
    thing = Thing(world, kind, place, named)
    form = chance.random()
    if form < 0.6:
        return thing
    if form < 0.8:
        return Record(thing, named)
    # With methods alone: what nobody asks for must not be left waiting.
    methods = {
        name: lambda info, **arguments: resolve(thing, info, **arguments) for name in kind.fields
    }
    return {**methods, "kind": kind, "__typename": named}


def _kind_of(value: Any) -> Any:
    return value.get("kind") if type(value) is dict else getattr(value, "kind", None)


def _is_type_of(name: str, style: int) -> Any:
    def check(value: Any, info: Any) -> Any:
        world: World = info.context
        place = tuple(info.path.as_list())
        world.log.append(("is", name, place, info.field_name, type(value).__name__))
        if world.happens(f"is {name}", place):
            raise ValueError("who knows")
        return getattr(_kind_of(value), "name", None) == name

    async def check_later(value: Any, info: Any) -> Any:
        return check(value, info)

    return [None, None, check, check_later][style]


def _resolve_type(style: int) -> Any:
    def find(value: Any, info: Any, abstract: Any) -> Any:
        world: World = info.context
        place = tuple(info.path.as_list())
        world.log.append(("type", abstract.name, place, type(value).__name__))
        if world.happens("type", place):
            return world.chance("which type", place).choice(
                [None, "Nothing", "Int", "Query", 7, ["T0"]]
            )
        return getattr(_kind_of(value), "name", None)

    async def find_later(value: Any, info: Any, abstract: Any) -> Any:
        return find(value, info, abstract)

    return [None, find, find_later][style]


def _output(chance: Random, named: list[Any]) -> Any:
    type_ = chance.choice(named if chance.random() < 0.6 else LEAF_TYPES)
    for _ in range(chance.choice([0, 0, 0, 1, 1, 2])):
        type_ = GraphQLList(GraphQLNonNull(type_) if chance.random() < 0.4 else type_)
    return GraphQLNonNull(type_) if chance.random() < 0.4 else type_


def _argument(chance: Random) -> GraphQLArgument:
    type_ = chance.choice(INPUT_TYPES)
    default = DEFAULTS.get(type_, Undefined) if chance.random() < 0.5 else Undefined
    if chance.random() < 0.2:
        type_, default = GraphQLList(type_), Undefined
    if chance.random() < 0.3:
        type_ = GraphQLNonNull(type_)
    name = chance.choice([None, None, "renamed"])
    return GraphQLArgument(type_, default_value=default, out_name=name)


def build(chance: Random, *, types: int, breadth: int) -> GraphQLSchema:
    """A schema."""
    home: list[Any] = []  # the schema, when it is there
    named: list[Any] = []

    def fields(owner: str) -> dict[str, GraphQLField]:
        return {
            f"{owner.lower()}{index}": GraphQLField(
                _output(chance, named),
                {f"a{each}": _argument(chance) for each in range(chance.choice([0, 0, 1, 2]))},
                resolve=chance.choice([resolve, resolve, None]),
            )
            for index in range(breadth)
        }

    shared: dict[str, Any] = {}

    def inherited(name: str, interfaces: list[Any]) -> dict[str, GraphQLField]:
        found = dict(fields(name))
        for each in interfaces:
            found.update(each.fields)
        return found

    known = {"extensions": {"schema": home}}
    interfaces: list[Any] = []
    for index in range(chance.choice([0, 1, 2])):
        name, above = f"N{index}", interfaces[:1] if chance.random() < 0.5 else []
        shared[name] = GraphQLInterfaceType(
            name, lambda name=name, above=above: inherited(name, above), above,
            resolve_type=_resolve_type(chance.randrange(3)), **known,
        )  # fmt: skip
        interfaces.append(shared[name])
    objects: list[Any] = []
    for index in range(types):
        kept = interfaces if chance.random() < 0.5 else interfaces[:1]
        objects.append(GraphQLObjectType(
            f"T{index}", lambda name=f"T{index}", kept=kept: inherited(name, kept), kept,
            is_type_of=_is_type_of(f"T{index}", chance.randrange(4)), **known,
        ))  # fmt: skip
    named.extend([*objects, *interfaces])
    if chance.random() < 0.7:
        members = chance.sample(objects, chance.randint(1, len(objects)))
        style = chance.randrange(3)
        named.append(GraphQLUnionType("U", members, resolve_type=_resolve_type(style), **known))
    query = GraphQLObjectType("Query", lambda: fields("Query"), **known)
    mutation = GraphQLObjectType("Mutation", lambda: fields("Mutation"), **known)
    schema = GraphQLSchema(query, mutation, types=named)
    home.append(schema)
    return schema

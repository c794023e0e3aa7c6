"""Hostile documents: what each is, sent by POST to a server whose bounds are the default ones."""

from typing import Any, Final

LOGIN: Final = 'login(input: {email: "a@b.test", password: "x"}) { __typename }'
ME: Final = "me { id }"


def fragments(count: int, body: str, on: str = "Query") -> str:
    """F0 … Fn, each with its number and the next one's in the body."""
    return " ".join(
        f"fragment F{n} on {on} {{ {body.replace('@', str(n)).replace('#', str(n + 1))} }}"
        for n in range(count)
    )


def nested(opening: str, inner: str, closing: str, times: int) -> str:
    """Something in something in something."""
    return opening * times + inner + closing * times


DOCUMENTS: Final[dict[str, str]] = {
    # Fragments
    "fragment in itself": "{ ...F } fragment F on Query { ...F }",
    "fragments in a circle of two": "{ ...F } fragment F on Query { ...G } fragment G on Query { ...F }",
    "fragments in a circle below a field": "{ me { ...F } } fragment F on User { id ...G } "
    "fragment G on User { id ...F }",
    "circle that nobody spreads": "{ __typename } fragment F on Query { ...F }",
    "circle of fifty": "{ ...F0 } " + fragments(49, "...F#") + " fragment F49 on Query { ...F0 }",
    "chain of 99": "{ ...F0 } " + fragments(99, "...F#") + " fragment F99 on Query { nothing }",
    "chain of 101": "{ ...F0 } " + fragments(101, "...F#") + " fragment F101 on Query { me { id } }",
    "doubling fragments": "{ ...F0 } " + fragments(20, "...F# ...F#")
    + " fragment F20 on Query { me { id } }",
    "doubling fragments with aliases": "{ me { ...F0 } } "
    + fragments(12, "a@: id ...F# ... { ...F# }", "User") + " fragment F12 on User { id }",
    "tripling fragments": "{ ...F0 } " + fragments(30, "...F# ...F# ...F#")
    + " fragment F30 on Query { me { id } }",
    "doubling without an end": "{ ...F0 } " + fragments(40, "...F# ...F#")
    + " fragment F40 on Query { ...F0 }",
    "fragments that nest fields": "{ ...F0 } " + fragments(60, "a { a { a { a { ...F# } } } }", "A")
    + " fragment F60 on A { a }",
    "fields in fragments, 600 deep": "{ ...F0 } "
    + fragments(30, nested("a { ", "...F#", "}", 20)) + " fragment F30 on Query { a }",
    "unknown fragment": "{ ...Nothing }",
    "fragment twice": "{ ...F } fragment F on Query { a: __typename } "
    "fragment F on Query { __typename }",
    "fragment named on": "{ ...on } fragment on on Query { __typename }",
    "fragment on a scalar": "{ ...F } fragment F on String { length }",
    "fragment on an input": "{ ...F } fragment F on LoginInput { email }",
    "fragment on another type": "{ ...F } fragment F on User { id }",
    "fragment on nothing": "{ ... on { __typename } }",
    "hundred unused fragments": "{ __typename } " + fragments(100, "__typename"),
    "fragment variables": "query { ...F } fragment F($a: Int) on Query { __typename }",
    # Depth
    "sixteen deep": nested("{ a ", "{ b }", "}", 15),
    "two hundred deep": nested("{ a ", "{ b }", "}", 199),
    "five hundred deep": nested("{ a ", "{ b }", "}", 500),
    "inline fragments in each other": nested("{ ... ", "{ __typename }", "}", 150),
    "five hundred inline fragments": nested("{ ... ", "{ __typename }", "}", 500),
    "hundred thousand braces": "{" * 99_999,
    "million braces": "{" * 999_900,
    "million closing braces": "}" * 999_900,
    "brackets": "{ a(b: " + "[" * 90_000,
    "input braces": "{ a(b: " + "{c: " * 20_000,
    "type brackets": "query($a: " + "[" * 90_000,
    "balanced list": "{ a(b: " + nested("[", "", "]", 300) + ") }",
    "list of sixteen": "{ a(b: " + nested("[", "1", "]", 16) + ") }",
    "object of sixteen": "{ a(b: " + nested("{c: ", "1", "}", 16) + ") }",
    "list in a directive": "{ a @b(c: " + nested("[", "1", "]", 16) + ") }",
    "list in a default": "query($a: Int = " + nested("[", "1", "]", 16) + ") { a }",
    # Width
    "two thousand fields": "{ me { " + " ".join(f"f{n}" for n in range(1_900)) + " } }",
    "four thousand fields": "{ me { " + " ".join(f"f{n}" for n in range(4_000)) + " } }",
    "same field a thousand times": "{ me { " + "id " * 1_000 + "} }",
    "same object nine hundred times": "{ " + "me{id} " * 400 + "}",
    "same object with other fields": "{ " + "me{id email} me{name} " * 16 + "}",
    "thirty-one aliases": "{ me { " + " ".join(f"a{n}: id" for n in range(31)) + " } }",
    "six hundred aliases": "{ me { " + " ".join(f"a{n}: id" for n in range(600)) + " } }",
    "aliases of the root": "{ " + " ".join(f"a{n}: me {{ id }}" for n in range(25)) + " }",
    "root fields": "{ " + " ".join(f"f{n}" for n in range(21)) + " }",
    "aliases that hide one field": "{ a: me { id } a: sessions { id } }",
    "alias of another argument": 'mutation { a: revokeSession(id: "1") { __typename } '
    'a: revokeSession(id: "2") { __typename } }',
    "five hundred operations": " ".join(f"query Q{n} {{ me {{ id }} }}" for n in range(250)),
    "operations of one name": "query A { __typename } query A { __typename }",
    "anonymous among others": "{ __typename } query A { __typename }",
    "thousand variables": "query("
    + " ".join(f"$a{n}: Int" for n in range(450)) + ") { __typename }",
    "variable twice": "query($a: Int, $a: Int) { nodes(first: $a) }",
    "variable of an output type": "query($a: User) { me { id } }",
    "variable of an unknown type": "query($a: Nothing) { me { id } }",
    "variable that is not there": "{ me @include(if: $a) { id } }",
    "variable of the wrong type": "query($a: String!) { me @include(if: $a) { id } }",
    "eleven directives": "{ me " + "@include(if: true) " * 11 + "{ id } }",
    "directive twice": "{ me @skip(if: false) @skip(if: false) { id } }",
    "unknown directive": "{ me @admin { id } }",
    "directive of the schema": '{ me @hasRole(anyOf: ["admin"]) { id } }',
    "directive on an operation": "query @skip(if: true) { me { id } }",
    "deprecated as directive": "{ me @deprecated { id } }",
    "directive without its argument": "{ me @skip { id } }",
    "thousand arguments": "{ me(" + " ".join(f"a{n}: 1" for n in range(400)) + ") { id } }",
    "argument twice": 'mutation { revokeSession(id: "a", id: "b") { __typename } }',
    "input field twice": 'mutation { login(input: {password: "a", password: "b"}) { __typename } }',
    # Introspection
    "introspection three times": "{ a: __schema { queryType { name } } "
    "b: __schema { queryType { name } } c: __schema { queryType { name } } }",
    "introspection in a circle of lists": "{ __schema { types { fields { type { fields { type "
    "{ fields { type { fields { name } } } } } } } } } }",
    "possible types in a circle": "{ __schema { types { possibleTypes { interfaces { "
    "possibleTypes { interfaces { name } } } } } } }",
    "types seventeen deep": "{ __schema " + nested("{ queryType { ofType ", "{ name }", "} }", 8)
    + " }",
    "introspection with aliases": "{ __schema { types { "
    + " ".join(f"a{n}: fields {{ name }}" for n in range(40)) + " } } }",
    "__type of a name that is huge": '{ __type(name: "' + "x" * 90_000 + '") { name } }',
    "__typename alone": "{ __typename { name } }",
    "__schema of a mutation": "mutation { __schema { queryType { name } } }",
    # Literals
    "integer of 5,000 digits": "mutation { revokeSession(id: " + "9" * 5_000 + ") { __typename } }",
    "integer of 90,000 digits": "{ a(b: " + "9" * 90_000 + ") }",
    "float of a huge exponent": "{ a(b: 1e999999999999) }",
    "integer with zeros in front": "{ a(b: 0001) }",
    "integer with a letter": "{ a(b: 1x) }",
    "minus alone": "{ a(b: -) }",
    "hexadecimal": "{ a(b: 0xFF) }",
    "number for a string": "mutation { login(input: {email: 1, password: 2}) { __typename } }",
    "enum for a string": "mutation { login(input: {password: admin}) { __typename } }",
    "null for what is required": "mutation { login(input: null) { __typename } }",
    "object for an id": "mutation { revokeSession(id: {a: 1}) { __typename } }",
    "list for an input": 'mutation { login(input: [{password: ""}, {password: ""}]) { __typename } }',
    "field that only servers set": 'mutation { signup(input: {email: "a@b.test", '
    'password: "correct horse", roles: ["admin"]}) { __typename } }',
    "prototype as a field": 'mutation { login(input: {__proto__: 1, password: ""}) { __typename } }',
    "string that is open": '{ a(b: "x',
    "string over two lines": '{ a(b: "x\ny") }',
    "block string that is open": '{ a(b: """x',
    "block string of many lines": '{ a(b: """' + "\n x" * 3_990 + '""") }',
    "escape that is none": '{ a(b: "\\q") }',
    "escape that is cut short": '{ a(b: "\\u00") }',
    "surrogate alone": '{ a(b: "\\uD800") }',
    "surrogates turned round": '{ a(b: "\\uDC00\\uD800") }',
    "code point past the last": '{ a(b: "\\u{110000}") }',
    "braced escape that is open": '{ a(b: "\\u{1") }',
    # Letters
    "NUL": "{ __typename \0 }",
    "bell": "{ __typename \a }",
    "byte order mark inside": "{ __type\ufeffname }",
    "right to left": "{ \u202e__typename }",
    "full width letters": "{ \uff4d\uff45 { id } }",
    "Cyrillic letters": "{ m\u0435 { id } }",
    "zero width joiner": "{ __type\u200dname }",
    "emoji": "{ \U0001f600 }",
    "next line as a space": "{\u0085__typename }",
    "name of 90,000 letters": "{ " + "a" * 90_000 + " }",
    "name of 200,000 letters": "{ " + "a" * 200_000 + " }",
    "comments alone": "# x\n" * 3_000,
    "five thousand comments": "#\n" * 5_000 + "{ __typename }",
    "commas alone": "," * 99_000,
    "five thousand lines": "\n" * 5_000 + "{ __typename }",
    "carriage returns": "\r" * 5_000 + "{ __typename }",
    "comment that hides the end": "{ __typename # }",
    # What is no operation
    "schema definition": "schema { query: Query }",
    "type definition": "type Query { admin: String }",
    "type extension": "extend type Query { admin: String } query { __typename }",
    "directive definition": "directive @a on FIELD query { __typename }",
    "description of an operation": '"hidden" query { nothing }',
    "SQL": "SELECT * FROM gql_auth_users; --",
    "JSON": '{"query": "{ __typename }"}',
    "shell": "$(id) `id`",
    "template": "{{ 7 * 7 }}",
    "empty selection": "{ me { } }",
    "operation without selection": "query A",
    "subscription of nothing": "subscription { nothing }",
    "subscription of two": "subscription { sessionEvents { __typename } a: sessionEvents "
    "{ __typename } }",
    "deferred": "{ ... @defer { me { id } } }",
    "streamed": "{ sessions @stream { id } }",
    "_entities": '{ _entities(representations: [{__typename: "User", id: "1"}]) { __typename } }',
    "_service": "{ _service { sdl } }",
    # Credentials
    "two logins": f"mutation {{ a: {LOGIN} b: {LOGIN} }}",
    "twenty logins": "mutation { " + " ".join(f"a{n}: {LOGIN}" for n in range(20)) + " }",
    "hundred logins": "mutation { " + " ".join(f"a{n}: {LOGIN}" for n in range(100)) + " }",
    "logins in fragments": f"mutation {{ ...F ...G }} fragment F on Mutation {{ a: {LOGIN} }} "
    f"fragment G on Mutation {{ b: {LOGIN} }}",
    "login behind a skip": f"mutation {{ a: {LOGIN} b: " + LOGIN.replace(
        ") {", ") @skip(if: true) {") + " }",
    "login in a query": f"{{ {LOGIN} }}",
    "somebody else's session": '{ session(id: "1") { id } }',
    "arguments that are not there": '{ me(id: "1") { id } }',
    "password of a user": "{ me { id password } }",
    "hash of a user": "{ me { id passwordHash: hash } }",
}  # fmt: skip

# Documents that are right, with hostile variables: (document, variables).
LOG_IN: Final = "mutation($input: LoginInput!) { login(input: $input) { __typename } }"
END: Final = "mutation($id: ID!) { revokeSession(id: $id) { __typename } }"
GOOD: Final = {"email": "a@b.test", "password": "x"}


def deep(value: Any, times: int) -> Any:
    """A value in lists."""
    for _ in range(times):
        value = [value]
    return value


VARIABLES: Final[dict[str, tuple[str, Any]]] = {
    "no variables": (LOG_IN, None),
    "variable null": (LOG_IN, {"input": None}),
    "variable a string": (LOG_IN, {"input": "x"}),
    "variable a list": (LOG_IN, {"input": [GOOD]}),
    "unknown input field": (LOG_IN, {"input": GOOD | {"role": "admin"}}),
    "prototype": (LOG_IN, {"input": GOOD | {"__proto__": {"admin": True}}}),
    "query operators": (LOG_IN, {"input": {"email": {"$ne": None}, "password": {"$ne": None}}}),
    "lists for strings": (LOG_IN, {"input": {"email": ["a@b.test"], "password": ["x"]}}),
    "number for a string variable": (LOG_IN, {"input": GOOD | {"password": 10**18}}),
    "true for a string variable": (LOG_IN, {"input": GOOD | {"password": True}}),
    "input in lists": (LOG_IN, {"input": deep(GOOD, 14)}),
    "deep lists": (LOG_IN, {"input": deep(1, 100)}),
    "deep lists of nobody": ("{ __typename }", {"a": deep(1, 100)}),
    "hundred kilobytes": (LOG_IN, {"input": GOOD | {"password": "x" * 100_000}}),
    "many unknown fields": (LOG_IN, {"input": {f"f{n}": n for n in range(5_000)}}),
    "many variables of nobody": (LOG_IN, {f"v{n}": n for n in range(20_000)}),
    "huge number for an id": (END, {"id": 10**30}),
    "fraction for an id": (END, {"id": 1.5}),
    "infinite number of nobody": ("{ __typename }", {"x": 1e308}),
}

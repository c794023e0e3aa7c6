"""Operations compiled once and executed often: what graphql-core's executor would answer, sooner.

    plan = compile_operation(schema, document, operation_name)   # of a validated document
    answer = plan.execute(root, context, variables)              # or an awaitable of it

It knows graphql-core and Strawberry, and nothing of what uses it.
"""

from gql_auth.plans.compiling import MAX_VARIANTS, Plan, compile_operation
from gql_auth.plans.covering import Uncovered

__all__ = ["MAX_VARIANTS", "Plan", "Uncovered", "compile_operation"]

// Composes gql-auth and a subgraph of reviews with Apollo's own composition, and answers queries by
// the plans of Apollo's own planner, which its gateway's executor carries out on the running server.
import { createHash } from 'node:crypto';
import { composeServices } from '@apollo/composition';
import {
  operationFromDocument,
  ROUTER_SUPPORTED_SUPERGRAPH_FEATURES,
  Supergraph,
} from '@apollo/federation-internals';
import {
  buildOperationContext,
  executeQueryPlan,
  LocalGraphQLDataSource,
  RemoteGraphQLDataSource,
} from '@apollo/gateway';
import { prettyFormatQueryPlan, QueryPlanner } from '@apollo/query-planner';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { parse } from 'graphql';
import { given, tell } from './talk.mjs';

const { url, sdl, authors, queries } = await given();

const typeDefs = parse(`
  extend schema @link(
    url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@external", "@requires"]
  )
  type Query { reviews: [Review!]! }
  type Review { body: String! author: User }
  type User @key(fields: "id") {
    id: ID!
    roles: [String!]! @external
    reviews: [Review!]!
    badge: String @requires(fields: "roles")
  }
`);
const written = (by) => by.map((id) => ({ body: `by ${id}`, author: { id } }));
const resolvers = {
  Query: { reviews: () => written(authors) },
  User: {
    __resolveReference: (reference) => reference,
    reviews: ({ id }) => written([id]),
    badge: ({ roles }) => `badge of ${roles.join(' and ') || 'nobody'}`,
  },
};

class Auth extends RemoteGraphQLDataSource {
  willSendRequest({ request, context }) {
    if (context.token) request.http.headers.set('authorization', `Bearer ${context.token}`);
  }
}

const composed = composeServices([
  { name: 'auth', url, typeDefs: parse(sdl) },
  { name: 'reviews', typeDefs },
]);
const hints = composed.hints?.map(({ definition, message }) => `${definition.code} ${message}`);
if (composed.errors) tell({ errors: composed.errors.map(String) });
else {
  const supergraph = Supergraph.build(composed.supergraphSdl, {
    supportedFeatures: ROUTER_SUPPORTED_SUPERGRAPH_FEATURES,
  });
  const planner = new QueryPlanner(supergraph);
  const apiSchema = supergraph.apiSchema();
  const services = {
    auth: new Auth({ url }),
    reviews: new LocalGraphQLDataSource(buildSubgraphSchema([{ typeDefs, resolvers }])),
  };
  const answers = [];
  for (const { query, token } of queries) {
    const document = parse(query);
    const plan = planner.buildQueryPlan(operationFromDocument(apiSchema, document));
    const answer = await executeQueryPlan(
      plan,
      services,
      {
        request: { query },
        document,
        queryHash: createHash('sha256').update(query).digest('hex'),
        context: { token },
        metrics: {},
      },
      buildOperationContext({ schema: apiSchema.toGraphQLJSSchema(), operationDocument: document }),
      supergraph.schema.toGraphQLJSSchema(),
      apiSchema,
    );
    answers.push({ plan: prettyFormatQueryPlan(plan), ...answer });
  }
  tell({ supergraph: composed.supergraphSdl, hints, answers });
}

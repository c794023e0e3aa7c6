// Apollo Server's standalone server, tokens by jsonwebtoken with a KeyObject (a key given as a
// string is parsed anew for every token, which takes many times as long).
import { createPublicKey, createSecretKey } from 'node:crypto'

import { ApolloServer } from '@apollo/server'
import { startStandaloneServer } from '@apollo/server/standalone'
import jsonwebtoken from 'jsonwebtoken'

import { account, bearer, task, typeDefs } from './accounts.mjs'

const shared = task.algorithm.startsWith('HS')
const key = shared ? createSecretKey(task.key, 'utf8') : createPublicKey(task.key)
const options = { algorithms: [task.algorithm], issuer: task.issuer, audience: task.audience }

const server = new ApolloServer({
  typeDefs,
  resolvers: {
    Query: {
      me: (_root, _args, { header }) =>
        account(jsonwebtoken.verify(bearer(header), key, options)),
    },
  },
  includeStacktraceInErrorResponses: false,
})
await startStandaloneServer(server, {
  listen: { port: task.port, host: '127.0.0.1' },
  context: async ({ req }) => ({ header: req.headers.authorization }),
})

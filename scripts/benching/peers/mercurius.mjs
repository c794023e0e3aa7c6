// mercurius with its JIT on Fastify, tokens by @fastify/jwt: the fastest way it can be set up.
import jwt from '@fastify/jwt'
import fastify from 'fastify'
import mercurius from 'mercurius'

import { account, bearer, task, typeDefs } from './accounts.mjs'

const app = fastify()
const shared = task.algorithm.startsWith('HS')
await app.register(jwt, {
  secret: shared ? task.key : { public: task.key },
  verify: {
    algorithms: [task.algorithm],
    allowedIss: task.issuer,
    allowedAud: task.audience,
    cache: task.cache,
  },
})
await app.register(mercurius, {
  schema: typeDefs,
  resolvers: {
    Query: {
      me: (_root, _args, { header }) => account(app.jwt.verify(bearer(header))),
    },
  },
  context: (request) => ({ header: request.headers.authorization }),
  jit: 1,
})
app.get('/readyz', () => ({}))
await app.listen({ port: task.port, host: '127.0.0.1' })

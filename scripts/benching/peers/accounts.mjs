// What both peers know: the schema, how a row is read, and the task they were given.
import { readFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'

/** port, database, algorithm, key (PEM or secret), issuer, audience, cache (of verified tokens) */
export const task = JSON.parse(readFileSync(process.argv[2], 'utf8'))

export const typeDefs = `#graphql
  type Query { me: User! }
  type User { id: ID! email: String! username: String name: String }
`

const database = new DatabaseSync(task.database, { readOnly: true })
const byId = database.prepare('SELECT id, email, username, name FROM users WHERE id = ?')

/** The caller's row, as our own server reads it: by primary key, prepared once. */
export function account(claims) {
  const row = byId.get(claims.sub)
  if (row === undefined) throw new Error('No such account')
  return row
}

/** The token of an Authorization header. */
export function bearer(header) {
  if (header === undefined || !header.startsWith('Bearer ')) throw new Error('Token required')
  return header.slice(7)
}

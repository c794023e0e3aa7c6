// Apollo Client 4 as its documentation sets it up: a token link, an error link that refreshes once.
import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { CombinedGraphQLErrors } from '@apollo/client/errors';
import { SetContextLink } from '@apollo/client/link/context';
import { ErrorLink } from '@apollo/client/link/error';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { createHash } from 'node:crypto';
import { from, switchMap } from 'rxjs';
import { Browser } from './browser.mjs';
import { isUnauthenticated, REFRESH, tell as tellStory } from './story.mjs';
import { given, tell } from './talk.mjs';

const { url, forward } = await given();
const sha256 = (text) => createHash('sha256').update(text).digest('hex');

function make(name, { link = [], ...options }) {
  const browser = new Browser(new URL(url).origin);
  const session = { token: null, refused: [], refreshes: 0 };

  const withToken = new SetContextLink(({ headers }) => ({
    headers: { ...headers, ...(session.token && { authorization: `Bearer ${session.token}` }) },
  }));
  const refreshing = new ErrorLink(({ error, operation, forward: again }) => {
    if (!CombinedGraphQLErrors.is(error) || !error.errors.some(isUnauthenticated)) return;
    if (operation.operationName === 'Refresh') return;
    session.refused.push(...error.errors.map(({ extensions }) => extensions.reason));
    if (!session.token) return;
    return from(refresh()).pipe(switchMap(() => again(operation)));
  });
  const http = new HttpLink({ uri: url, fetch: browser.fetch, ...options });
  const client = new ApolloClient({
    link: ApolloLink.from([refreshing, withToken, ...link, http]),
    cache: new InMemoryCache(),
    defaultOptions: { query: { fetchPolicy: 'no-cache', errorPolicy: 'all' } },
  });

  async function ask(text, variables) {
    const document = gql(text);
    const { operation } = document.definitions[0];
    const { data, error } = await (operation === 'query'
      ? client.query({ query: document, variables })
      : client.mutate({ mutation: document, variables, errorPolicy: 'all' }));
    if (error && !CombinedGraphQLErrors.is(error)) throw error;
    return { data, errors: error?.errors };
  }

  async function refresh() {
    session.refreshes += 1;
    const { data } = await ask(REFRESH);
    session.token = data.refreshToken.accessToken ?? null;
  }

  return { name, ask, session, browser };
}

const clients = {
  post: make('apollo-post', {}),
  get: make('apollo-get', { useGETForQueries: true }),
  // As clients before the newer media type ask.
  older: make('apollo-older', { headers: { accept: '*/*' } }),
  persisted: make('apollo-persisted', {
    link: [new PersistedQueryLink({ sha256, useGETForHashedQueries: true })],
  }),
};
const stories = {};
for (const [name, client] of Object.entries(clients)) {
  stories[name] = await tellStory(client, () => fetch(forward, { method: 'POST' }));
  stories[name].seen = client.browser.seen;
}
tell(stories);

// urql with its auth exchange, by POST and with GET forced for queries.
import { Client, fetchExchange } from '@urql/core';
import { authExchange } from '@urql/exchange-auth';
import { Browser } from './browser.mjs';
import { isUnauthenticated, REFRESH, tell as tellStory } from './story.mjs';
import { given, tell } from './talk.mjs';

const { url, forward } = await given();

function make(name, preferGetMethod) {
  const browser = new Browser(new URL(url).origin);
  const session = { token: null, refused: [], refreshes: 0 };

  const auth = authExchange(async (utils) => ({
    addAuthToOperation: (operation) =>
      session.token
        ? utils.appendHeaders(operation, { authorization: `Bearer ${session.token}` })
        : operation,
    didAuthError: (error) => {
      const found = error.graphQLErrors.filter(isUnauthenticated);
      session.refused.push(...found.map(({ extensions }) => extensions.reason));
      return found.length > 0 && session.token !== null;
    },
    refreshAuth: async () => {
      session.refreshes += 1;
      const { data } = await utils.mutate(REFRESH, {}, { fetch: browser.fetch });
      session.token = data.refreshToken.accessToken ?? null;
    },
  }));
  const client = new Client({
    url,
    fetch: browser.fetch,
    exchanges: [auth, fetchExchange],
    preferGetMethod,
  });

  async function ask(text, variables = {}) {
    const result = await (text.startsWith('query')
      ? client.query(text, variables).toPromise()
      : client.mutation(text, variables).toPromise());
    if (result.error?.networkError) throw result.error;
    return { data: result.data, errors: result.error?.graphQLErrors };
  }

  return { name, ask, session, browser };
}

const clients = { post: make('urql-post', false), get: make('urql-get', 'force') };
const stories = {};
for (const [name, client] of Object.entries(clients)) {
  stories[name] = await tellStory(client, () => fetch(forward, { method: 'POST' }));
  stories[name].seen = client.browser.seen;
}
tell(stories);

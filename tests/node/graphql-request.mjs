// graphql-request, which leaves the refresh to the application; by POST and by GET.
import { ClientError, GraphQLClient } from 'graphql-request';
import { Browser } from './browser.mjs';
import { isUnauthenticated, REFRESH, tell as tellStory } from './story.mjs';
import { given, tell } from './talk.mjs';

const { url, forward } = await given();

function make(name, method) {
  const browser = new Browser(new URL(url).origin);
  const session = { token: null, refused: [], refreshes: 0 };
  const client = new GraphQLClient(url, {
    method,
    fetch: browser.fetch,
    headers: () => (session.token ? { authorization: `Bearer ${session.token}` } : {}),
  });

  async function once(text, variables) {
    try {
      const { data } = await client.rawRequest(text, variables);
      return { data };
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      return error.response;
    }
  }

  async function ask(text, variables) {
    const answer = await once(text, variables);
    const refused = (answer.errors ?? []).filter(isUnauthenticated);
    session.refused.push(...refused.map(({ extensions }) => extensions.reason));
    if (!refused.length || !session.token) return answer;
    session.refreshes += 1;
    const { data } = await once(REFRESH);
    session.token = data.refreshToken.accessToken ?? null;
    return once(text, variables);
  }

  return { name, ask, session, browser };
}

const clients = { post: make('request-post', 'POST'), get: make('request-get', 'GET') };
const stories = {};
for (const [name, client] of Object.entries(clients)) {
  stories[name] = await tellStory(client, () => fetch(forward, { method: 'POST' }));
  stories[name].seen = client.browser.seen;
}
tell(stories);

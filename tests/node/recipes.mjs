// What docs/subscriptions.md shows, word for word. `session` is the front end's own:
// `accessToken()` gives a token that is good for a while, refreshed where need be, and
// `expiresAt` says when that one ends (milliseconds since 1970).

// graphql-ws
export function socketClient({ createClient, url, session, early = 10_000, ...more }) {
  let timer;
  const client = createClient({
    url,
    connectionParams: async () => ({ Authorization: `Bearer ${await session.accessToken()}` }),
    on: {
      // The server closes a socket with its token, and graphql-ws takes that (4401) for final:
      // be earlier, and come back with the next token.
      connected: () => {
        clearTimeout(timer);
        timer = setTimeout(() => client.terminate(), session.expiresAt - Date.now() - early);
      },
      closed: () => clearTimeout(timer),
    },
    shouldRetry: (event) => event?.code !== 4403, // the session has ended: sign in again
    retryAttempts: Infinity,
    retryWait: (retries) => wait(retries && Math.min(1000 * 2 ** retries, 60_000) * Math.random()),
    ...more,
  });
  return client;
}

const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// graphql-sse
export function streamClient({ createClient, url, session, ...more }) {
  return createClient({
    url,
    headers: async () => ({ Authorization: `Bearer ${await session.accessToken()}` }),
    retryAttempts: Infinity,
    ...more,
  });
}

// A stream that ends with its token says so in its last result: begin it again with the next one.
export function listen(client, operation, sink) {
  let stop;
  const begin = () => {
    let expired = false;
    stop = client.subscribe(operation, {
      next(result) {
        expired = result.errors?.[0]?.extensions?.reason === 'ACCESS_TOKEN_EXPIRED';
        if (!expired) sink.next(result);
      },
      error: (error) => sink.error(error),
      complete: () => (expired ? begin() : sink.complete()),
    });
  };
  begin();
  return () => stop();
}

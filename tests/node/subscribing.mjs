// Real clients listen to `sessionEvents` while sessions begin, tokens expire and sessions end.
import { ApolloClient, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { CombinedGraphQLErrors } from '@apollo/client/errors';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { Client, fetchExchange, subscriptionExchange } from '@urql/core';
import { createClient as createStream } from 'graphql-sse';
import { createClient as createSocket } from 'graphql-ws';
import WebSocket from 'ws';
import { Browser } from './browser.mjs';
import { listen, socketClient, streamClient } from './recipes.mjs';
import { given, tell } from './talk.mjs';

const { url, early } = await given();
const socketUrl = url.replace('http', 'ws');
const EVENTS = `subscription Events { sessionEvents {
  __typename session { id current } ... on SessionEnded { reason }
} }`;
const FIELDS = '... on AuthPayload { accessToken expiresAt }';
const SIGNUP = `mutation Signup($input: SignupInput!) { signup(input: $input) { ${FIELDS} } }`;
const LOGIN = `mutation Login($input: LoginInput!) { login(input: $input) { ${FIELDS} } }`;
const REFRESH = `mutation Refresh { refreshToken { ${FIELDS} } }`;
const OTHERS = 'mutation Others { revokeOtherSessions { endedSessions } }';

/** One device of an account. */
class Device {
  browser = new Browser(new URL(url).origin);
  refreshes = 0;

  constructor(email) {
    this.input = { email, password: 'correct horse battery' };
  }

  async ask(query, variables) {
    const headers = { 'content-type': 'application/json' };
    if (this.token) headers.authorization = `Bearer ${this.token}`;
    const body = JSON.stringify({ query, variables });
    const response = await this.browser.fetch(url, { method: 'POST', headers, body });
    const { data, errors } = await response.json();
    if (errors) throw new Error(JSON.stringify(errors));
    return Object.values(data)[0];
  }

  #take({ accessToken, expiresAt }) {
    this.token = accessToken;
    this.expiresAt = Date.parse(expiresAt);
  }

  signUp = async () => this.#take(await this.ask(SIGNUP, { input: this.input }));
  logIn = async () => this.#take(await this.ask(LOGIN, { input: this.input }));

  /** What the recipes call `session`. */
  accessToken = async () => {
    if (this.expiresAt - Date.now() < early) {
      this.refreshes += 1;
      this.#take(await this.ask(REFRESH));
    }
    return this.token;
  };
}

/** What a listener heard, and waiting for it. */
class Heard {
  events = [];
  errors = [];
  #wake = [];

  #note(list, value) {
    list.push(value);
    this.#wake.splice(0).forEach((wake) => wake());
  }

  event = ({ __typename, session, reason }) =>
    this.#note(this.events, { kind: __typename, current: session.current, reason });
  error = (error) => this.#note(this.errors, error);

  async until(look) {
    while (!look(this)) await new Promise((resolve) => this.#wake.push(resolve));
  }
}

const reasons = (errors) => (errors ?? []).map(({ extensions }) => extensions.reason);

/** Sign another device in until the listener hears of one. */
async function visit(device, heard) {
  const before = heard.events.length;
  for (;;) {
    const visitor = new Device(device.input.email);
    await visitor.logIn();
    const late = new Promise((resolve) => setTimeout(resolve, 1000));
    await Promise.race([heard.until(({ events }) => events.length > before), late]);
    if (heard.events.length > before) return visitor;
  }
}

async function signedUp(name) {
  const device = new Device(`${name}@example.com`);
  await device.signUp();
  return device;
}

const told = (device, heard, more = {}) => ({
  kinds: heard.events.map(({ kind }) => kind),
  last: heard.events.at(-1),
  errors: heard.errors,
  refreshes: device.refreshes,
  ...more,
});

/** graphql-ws by the recipe, past the end of a token, to the end of the session. */
async function socketByRecipe() {
  const device = await signedUp('socket');
  const heard = new Heard();
  let connects = 0;
  const client = socketClient({
    createClient: createSocket,
    url: socketUrl,
    session: device,
    early,
    webSocketImpl: WebSocket,
  });
  client.on('connected', () => heard.error({ connected: (connects += 1) }));
  client.subscribe({ query: EVENTS }, {
    next: ({ data }) => heard.event(data.sessionEvents),
    error: ({ code, reason }) => heard.error({ code, reason }),
    complete: () => heard.error({ complete: true }),
  });
  await heard.until(() => connects === 2);
  const visitor = await visit(device, heard);
  await visitor.ask(OTHERS);
  await heard.until(({ errors }) => errors.some(({ code }) => code));
  return told(device, heard, { connects });
}

/** graphql-ws as it comes: a token's end is final. */
async function socketAsItComes() {
  const device = await signedUp('plain');
  const heard = new Heard();
  let connects = 0;
  const client = createSocket({
    url: socketUrl,
    webSocketImpl: WebSocket,
    connectionParams: { Authorization: `Bearer ${device.token}` },
    on: { connecting: () => (connects += 1) },
  });
  client.subscribe({ query: EVENTS }, {
    next: ({ data }) => heard.event(data.sessionEvents),
    error: ({ code, reason }) => heard.error({ code, reason }),
    complete: () => heard.error({ complete: true }),
  });
  await heard.until(({ errors }) => errors.length);
  return told(device, heard, { connects });
}

/** graphql-sse by the recipe, past the end of a token, to the end of the session. */
async function streamByRecipe() {
  const device = await signedUp('stream');
  const heard = new Heard();
  let connects = 0;
  const client = streamClient({
    createClient: createStream,
    url,
    session: device,
    on: { connected: () => heard.error({ connected: (connects += 1) }) },
  });
  listen(client, { query: EVENTS }, {
    next: ({ data, errors }) =>
      errors ? heard.error({ reasons: reasons(errors) }) : heard.event(data.sessionEvents),
    error: (error) => heard.error({ failed: String(error) }),
    complete: () => heard.error({ complete: true }),
  });
  await heard.until(() => connects === 2);
  const visitor = await visit(device, heard);
  await visitor.ask(OTHERS);
  await heard.until(({ errors }) => errors.some(({ complete }) => complete));
  return told(device, heard, { connects });
}

/** Apollo Client, over whatever link. */
async function apollo(name, makeLink) {
  const device = await signedUp(name);
  const heard = new Heard();
  const client = new ApolloClient({ link: makeLink(device), cache: new InMemoryCache() });
  client.subscribe({ query: gql(EVENTS), errorPolicy: 'all' }).subscribe({
    next: ({ data, error }) => {
      if (data) heard.event(data.sessionEvents);
      if (CombinedGraphQLErrors.is(error)) heard.error({ reasons: reasons(error.errors) });
      else if (error) heard.error({ failed: String(error) });
    },
    error: (error) => heard.error({ failed: String(error) }),
    complete: () => heard.error({ complete: true }),
  });
  const visitor = await visit(device, heard);
  await visitor.ask(OTHERS);
  await heard.until(({ errors }) => errors.length);
  return told(device, heard);
}

const apolloParts = () =>
  apollo('apolloParts', (device) => new HttpLink({
    uri: url,
    headers: { authorization: `Bearer ${device.token}` },
  }));

const apolloSocket = () =>
  apollo('apolloSocket', (device) => new GraphQLWsLink(socketClient({
    createClient: createSocket,
    url: socketUrl,
    session: device,
    early,
    webSocketImpl: WebSocket,
  })));

/** urql, by server-sent events or a socket. */
async function urql(name, makeOptions) {
  const device = await signedUp(name);
  const heard = new Heard();
  const client = new Client({ url, ...makeOptions(device) });
  client.subscription(EVENTS, {}).subscribe(({ data, error }) => {
    if (error) heard.error(error.graphQLErrors.length
      ? { reasons: reasons(error.graphQLErrors) }
      : { code: error.networkError.code ?? String(error.networkError) });
    else if (data) heard.event(data.sessionEvents);
  });
  const visitor = await visit(device, heard);
  await visitor.ask(OTHERS);
  await heard.until(({ errors }) => errors.length);
  return told(device, heard);
}

const urqlEvents = () =>
  urql('urqlEvents', (device) => ({
    exchanges: [fetchExchange],
    fetchSubscriptions: true,
    preferGetMethod: false,
    fetchOptions: { headers: { authorization: `Bearer ${device.token}` } },
  }));

const urqlSocket = () =>
  urql('urqlSocket', (device) => {
    const socket = socketClient({
      createClient: createSocket,
      url: socketUrl,
      session: device,
      early,
      webSocketImpl: WebSocket,
    });
    const forwardSubscription = ({ query, variables }) => ({
      subscribe: (sink) => ({ unsubscribe: socket.subscribe({ query, variables }, sink) }),
    });
    return { exchanges: [subscriptionExchange({ forwardSubscription })] };
  });

const stories = {
  socketByRecipe, socketAsItComes, streamByRecipe, apolloParts, apolloSocket, urqlEvents, urqlSocket,
};
const names = Object.keys(stories);
const results = await Promise.all(names.map((name) => stories[name]()));
tell(Object.fromEntries(names.map((name, place) => [name, results[place]])));

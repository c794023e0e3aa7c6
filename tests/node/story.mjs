// What a front end does in a day, told once for every client: `ask(text, variables, options)`
// answers `{ data, errors }`, with the errors as the client hands them to the application.

export const REFRESH =
  'mutation Refresh { refreshToken { __typename ... on AuthPayload { accessToken } } }';
const SIGNUP = `mutation Signup($input: SignupInput!) {
  signup(input: $input) { __typename ... on AuthPayload { accessToken } }
}`;
const LOGOUT = 'mutation Logout { logout { sessionEnded } }';
const ME = 'query Me { me { email } }';
const HELLO = 'query Hello($name: String) { hello(name: $name) }';
const PARTIAL = 'query Partial { hello hint }';
const BROKEN = 'query Broken { nothing }';

/** Whether an error says that the access token will not do. */
export const isUnauthenticated = (error) => error.extensions?.code === 'UNAUTHENTICATED';

const codes = (errors) =>
  (errors ?? []).map(({ extensions }) => extensions?.reason ?? extensions?.code ?? null);

/**
 * @param client `name`, `ask` and `session: { token, refused, refreshes }`
 * @param forward lets the access token expire
 */
export async function tell(client, forward) {
  const { session } = client;
  const step = async (...asked) => {
    session.refused.length = 0;
    const { data, errors } = await client.ask(...asked);
    return { data: data ?? null, errors: codes(errors), refused: [...session.refused] };
  };
  const story = {};
  story.anonymous = await step(ME);
  story.partial = await step(PARTIAL);
  const email = `${client.name}@example.com`;
  const input = { email, password: 'correct horse battery' };
  const { data } = await client.ask(SIGNUP, { input });
  session.token = data.signup.accessToken;
  story.signup = data.signup.__typename;
  story.me = await step(ME);
  story.hello = await step(HELLO, { name: 'Zoë 🏃 & co + 100%' });
  story.null = await step(HELLO, { name: null });
  story.absent = await step(HELLO);
  story.broken = await step(BROKEN);
  story.variables = await step(HELLO, { name: { not: 'a string' } });
  await forward();
  const before = session.refreshes;
  story.expired = await step(ME);
  story.refreshes = session.refreshes - before;
  story.logout = await step(LOGOUT);
  story.over = await step(ME);
  return story;
}

// Every server audit of graphql-http against one URL: id, name, level, status, and why it failed.
import { serverAudits } from 'graphql-http';
import { given, tell } from './talk.mjs';

const { url } = await given();

const results = [];
for (const audit of serverAudits({ url, fetchFn: fetch })) {
  const result = await audit.fn();
  const { id, name } = audit;
  results.push({ id, name, status: result.status, reason: result.reason ?? null });
}
tell(results);

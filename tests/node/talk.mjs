// How a script talks with tests/node.py: one JSON value in, one out.
import { text } from 'node:stream/consumers';

/** What the test gave: `{ url, … }`. */
export const given = async () => JSON.parse(await text(process.stdin));

/** The script's answer; it ends here, whatever a client still keeps open. */
export function tell(value) {
  process.stdout.write(JSON.stringify(value), () => process.exit(0));
}

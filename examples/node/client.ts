import { homedir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { ClientError } from "graphql-request";
import { Api, LOGIN, Refused, SIGNUP } from "./api.ts";
import { TokenFile } from "./tokens.ts";

const USAGE = `A command line that stays signed in to a gql-auth server.

  node client.ts signup ada@example.com     the password is asked for, or read from standard input
  node client.ts login ada@example.com
  node client.ts me
  node client.ts sessions
  node client.ts logout`;

const { AUTH_URL = "http://localhost:8000", AUTH_SESSION } = process.env;
const file = new TokenFile(AUTH_SESSION ?? join(homedir(), ".gql-auth-session"));
const api = new Api(`${AUTH_URL}/graphql`, file);

const show = (data: object) => JSON.stringify(Object.values(data)[0], null, 2);

const commands: Record<string, (...rest: string[]) => Promise<string>> = {
  signup: async (email = "") => `Signed in: ${await api.signIn(SIGNUP, email, await password())}`,
  login: async (email = "") => `Signed in: ${await api.signIn(LOGIN, email, await password())}`,
  me: async () => show(await api.ask("{ me { id email name roles } }")),
  sessions: async () => show(await api.ask("{ sessions { id createdAt userAgent current } }")),
  logout: async () => ((await api.signOut()) ? "Signed out" : "Nobody was signed in"),
};

async function password(): Promise<string> {
  const unseen = new Writable({
    write: (_chunk, _encoding, done) => {
      done();
    },
  });
  const terminal = process.stdin.isTTY;
  if (terminal) process.stderr.write("Password: ");
  const lines = createInterface({ input: process.stdin, output: unseen, terminal });
  const answer = await lines.question("");
  lines.close();
  if (terminal) process.stderr.write("\n");
  return answer;
}

/** 0 done, 1 refused, 2 wrong usage, 3 the server cannot answer now. */
async function main([name = "", ...rest]: string[]): Promise<number> {
  const command = commands[name];
  if (!command || rest.length !== (name === "signup" || name === "login" ? 1 : 0)) {
    console.error(USAGE);
    return 2;
  }
  try {
    console.log(await command(...rest));
    return 0;
  } catch (error) {
    if (error instanceof ClientError && error.response.errors) {
      for (const { message } of error.response.errors) console.error(message);
      return 1;
    }
    if (error instanceof Refused) {
      console.error(error.message);
      return 1;
    }
    console.error("The server cannot answer now, try again:", String(error));
    return 3;
  }
}

process.exitCode = await main(process.argv.slice(2));

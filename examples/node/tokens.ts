import { randomUUID } from "node:crypto";
import { open, readFile, rename, rm } from "node:fs/promises";

export interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string;
}

/**
 * Both tokens on the disk. Written whole or not at all, and readable by the owner alone from the
 * first moment on.
 */
export class TokenFile {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** The tokens; null where nobody is signed in. */
  async read(): Promise<Tokens | null> {
    try {
      return JSON.parse(await readFile(this.#path, "utf8")) as Tokens;
    } catch (error) {
      if (error instanceof SyntaxError || isMissing(error)) return null;
      throw error;
    }
  }

  async write(tokens: Tokens): Promise<void> {
    const next = `${this.#path}.${randomUUID()}`;
    const file = await open(next, "wx", 0o600);
    try {
      await file.writeFile(JSON.stringify(tokens));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(next, this.#path);
  }

  async remove(): Promise<void> {
    await rm(this.#path, { force: true });
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

import { appendFile, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, gzip } from "node:zlib";
import type { Plugin } from "vite";

const CODINGS = [
  [promisify(gzip), ".gz"],
  [promisify(brotliCompress), ".br"],
] as const;
const MONACO = new URL("../node_modules/monaco-editor/", import.meta.url);

/**
 * Leaves the files as they are served, compressed, and adds to the list of licences what Monaco
 * has inside: of DOMPurify, which is missing in Monaco's own list, the line that names its licences.
 */
export function packed(licences: string): Plugin {
  let folder = "";
  return {
    name: "packed",
    configResolved(config) {
      folder = config.build.outDir;
    },
    async closeBundle(error) {
      if (error) return;
      const assets = join(folder, "assets");
      await Promise.all((await readdir(assets)).map((name) => compress(join(assets, name))));
      await appendFile(join(folder, licences), await notices());
    },
  };
}

async function notices(): Promise<string> {
  const read = (path: string) => readFile(new URL(path, MONACO), "utf8");
  const purifier = (await read("esm/vs/base/browser/dompurify/dompurify.js")).split("\n", 1)[0];
  return `\n## In monaco-editor\n\n${purifier ?? ""}\n\n${await read("ThirdPartyNotices.txt")}`;
}

async function compress(file: string): Promise<void> {
  const content = await readFile(file);
  await Promise.all(
    CODINGS.map(async ([coding, suffix]) => {
      await writeFile(file + suffix, await coding(content));
    }),
  );
  await rm(file);
}

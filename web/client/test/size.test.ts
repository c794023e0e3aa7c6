import { gzipSync } from "node:zlib";
import { build } from "vite";
import { expect, test } from "vitest";

const entry = (name: string) => new URL(`../src/${name}.ts`, import.meta.url).pathname;

/** What a bundler ships of an entry, or of what is imported from it: minified and gzipped. */
async function size(code: string): Promise<number> {
  const built = await build({
    configFile: false,
    logLevel: "silent",
    build: {
      write: false,
      target: "es2022",
      minify: true,
      rolldownOptions: {
        input: "virtual:entry",
        preserveEntrySignatures: "strict",
        external: (id) => !id.startsWith("virtual:") && !/^[./]/.test(id),
      },
    },
    plugins: [
      {
        name: "entry",
        resolveId: (id) => (id === "virtual:entry" ? id : null),
        load: (id) => (id === "virtual:entry" ? code : null),
      },
    ],
  });
  const output = [built].flat()[0];
  if (!output || !("output" in output)) throw new Error("nothing was built");
  return output.output.reduce(
    (sum, part) => sum + ("code" in part ? gzipSync(part.code).length : 0),
    0,
  );
}

test.each([
  ["index", 5000],
  ["apollo", 2000],
  ["urql", 2000],
  ["graphql-ws", 2000],
  ["fetch", 2500],
  ["react", 1000],
  ["ssr", 2000],
])("%s is under %i bytes gzipped", async (name, limit) => {
  const bytes = await size(`export * from ${JSON.stringify(entry(name))}`);
  console.info(`${name}: ${bytes} bytes gzipped`);
  expect(bytes).toBeGreaterThan(100);
  expect(bytes).toBeLessThan(limit);
});

test("what is not used is not shipped", async () => {
  const one = JSON.stringify(entry("index"));
  expect(
    await size(`import { AuthUnavailable } from ${one}; export { AuthUnavailable }`),
  ).toBeLessThan(300);
  expect(await size(`import ${one}`)).toBeLessThan(50);
});

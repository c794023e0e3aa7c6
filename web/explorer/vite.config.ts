import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import { packed } from "./packing.ts";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const LICENCES = "third-party-licences.md";

export default defineConfig({
  base: "./", // it is served below whatever address the API has
  resolve: {
    alias: [
      {
        find: /^monaco-editor\/esm\/vs\/editor\/edcore\.main\.js$/,
        replacement: at("src/monaco.ts"),
      },
      { find: /^\.\/(components\/)?tabs\/index\.js$/, replacement: at("src/tabs.tsx") },
    ],
  },
  worker: { format: "es" },
  plugins: [packed(LICENCES)],
  build: {
    outDir: at("../../gql_auth/serving/explorer/built.new"), // scripts/_explorer moves it
    emptyOutDir: true,
    target: "es2023",
    assetsInlineLimit: 0, // the policy allows no data: but for pictures
    modulePreload: { polyfill: false },
    license: { fileName: LICENCES },
    chunkSizeWarningLimit: 2000, // kB; Monaco
    reportCompressedSize: false,
    rolldownOptions: {
      onLog(level, log, handler) {
        if (log.code !== "MODULE_LEVEL_DIRECTIVE") handler(level, log); // "use client"
      },
    },
  },
});

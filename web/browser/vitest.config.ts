import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    name: "browser",
    include: ["test/**/*.test.ts"],
    globalSetup: "setup.ts",
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
});

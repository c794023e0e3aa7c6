import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    name: "client",
    include: ["test/**/*.test.{ts,tsx}"],
    globalSetup: "test/server.ts",
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});

import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    name: "browser",
    include: ["test/**/*.test.ts"],
    globalSetup: "setup.ts",
    testTimeout: 120_000,
    hookTimeout: 60_000,
    // These mostly wait: more of them at once than there are cores, and not beside the others.
    maxWorkers: 4,
    sequence: { groupOrder: 1 },
  },
});

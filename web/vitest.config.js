import { defineConfig } from "vitest/config";

// Tests mostly wait, for browsers, servers and expiries: more of them than there are cores.
export default defineConfig({ test: { projects: ["*/vitest.config.ts"], maxWorkers: 4 } });

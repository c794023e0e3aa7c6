import { afterEach, expect, test, vi } from "vitest";
import { createPause } from "../src/pause.js";

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

test("pauses grow, are random and have an upper bound", async () => {
  vi.useFakeTimers();
  const pause = createPause();
  const length = async (failures: number, random: number, atLeast?: number) => {
    vi.spyOn(Math, "random").mockReturnValue(random);
    const begun = performance.now();
    const waiting = pause.wait(failures, atLeast);
    await vi.runAllTimersAsync();
    await waiting;
    return performance.now() - begun;
  };
  expect(await length(0, 0.5)).toBe(250);
  expect(await length(3, 0.5)).toBe(2000);
  expect(await length(3, 0)).toBe(0);
  expect(await length(50, 0.5)).toBe(15_000);
  expect(await length(0, 0, 7)).toBe(7000);
});

test("what the server has asked for is not cut short by the network's return", async () => {
  vi.useFakeTimers();
  const pause = createPause();
  const over: string[] = [];
  void pause.wait(9, undefined).then(() => over.push("own pause"));
  void pause.wait(0, 60).then(() => over.push("server's wish"));
  pause.wake();
  await vi.advanceTimersByTimeAsync(0);
  expect(over).toEqual(["own pause"]);
  pause.end();
  await vi.advanceTimersByTimeAsync(0);
  expect(over).toEqual(["own pause", "server's wish"]);
});

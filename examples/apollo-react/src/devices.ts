const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/Edg\//, "Edge"],
  [/OPR\//, "Opera"],
  [/Firefox\//, "Firefox"],
  [/(Chrome|CriOS)\//, "Chrome"],
  [/Safari\//, "Safari"],
];
const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/iPhone|iPad/, "iOS"],
  [/Android/, "Android"],
  [/Windows/, "Windows"],
  [/Mac OS X/, "macOS"],
  [/Linux|CrOS/, "Linux"],
];

/** "Firefox on Linux": what an owner knows a device by. The agent is the client's own word. */
export function deviceOf(agent: string | null | undefined): string {
  if (!agent) return "Unknown device";
  const name = (list: typeof BROWSERS) => list.find(([pattern]) => pattern.test(agent))?.[1];
  const browser = name(BROWSERS);
  const system = name(SYSTEMS);
  if (!browser) return agent.split(/[/ ]/, 1)[0] ?? agent;
  return system ? `${browser} on ${system}` : browser;
}

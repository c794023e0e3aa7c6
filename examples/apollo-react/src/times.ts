const dates = new Intl.DateTimeFormat(undefined, { dateStyle: "long" });
const moments = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const distances = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

/** "2 January 2026". */
export const day = (at: string) => dates.format(new Date(at));

/** "2 Jan 2026, 15:04". */
export const moment = (at: string) => moments.format(new Date(at));

/** "14 min 3 s", of seconds. */
export function span(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const minutes = Math.floor(whole / 60);
  return minutes > 0 ? `${minutes} min ${whole % 60} s` : `${whole} s`;
}

/** "5 minutes ago". */
export function ago(at: string): string {
  const seconds = Math.min(0, (new Date(at).getTime() - Date.now()) / 1000);
  if (seconds > -45) return "just now";
  if (seconds > -3600) return distances.format(Math.round(seconds / 60), "minute");
  if (seconds > -86_400) return distances.format(Math.round(seconds / 3600), "hour");
  return distances.format(Math.round(seconds / 86_400), "day");
}

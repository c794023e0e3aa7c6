/** What `look` finds as soon as it finds something; fails when the time is over. */
export async function until<T>(
  look: () => T | Promise<T>,
  what: string,
  seconds = 30,
): Promise<Exclude<T, false | null | undefined>> {
  for (const end = Date.now() + seconds * 1000; ;) {
    const found = await look();
    if (found !== false && found !== null && found !== undefined) {
      return found as Exclude<T, false | null | undefined>;
    }
    if (Date.now() > end) throw new Error(`within ${seconds} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/**
 * Watches what a page goes through. Without a page it does nothing.
 *
 * @param wake the page is seen again or the network is back; `missedNews` where the page was kept
 *   in the back-forward cache, in which nothing of other tabs reaches it.
 * @param sleep the page may go there: an open channel would keep it out in some browsers.
 */
export function watchPage(wake: (missedNews: boolean) => void, sleep: () => void): () => void {
  if (typeof document === "undefined") return () => undefined;
  const watching = new AbortController();
  const { signal } = watching;
  const seen = () => {
    if (document.visibilityState === "visible") wake(false);
  };
  const back = () => {
    wake(false);
  };
  const shown = ({ persisted }: PageTransitionEvent) => {
    wake(persisted);
  };
  addEventListener("online", back, { signal });
  addEventListener("pageshow", shown, { signal });
  addEventListener("pagehide", sleep, { signal });
  document.addEventListener("visibilitychange", seen, { signal });
  return () => {
    watching.abort();
  };
}

/** The server's time as far as the browser can know it, so that countdowns are right on a machine whose clock isn't. */
const TOLERATED_MILLISECONDS = 2000; // the Date header has whole seconds

let ahead = 0;
let stoppedAt = null;

export const now = () => stoppedAt ?? Date.now() + ahead;

/** Without a connection nothing is known to go on: durations stand still until the page hears again. */
export function stop() {
  stoppedAt ??= now();
  return stoppedAt;
}

export function goOn() {
  stoppedAt = null;
}

export function learnFrom(response) {
  const served = Date.parse(response.headers.get("Date") ?? "");
  if (Number.isNaN(served)) return;
  const difference = served + 500 - Date.now();
  ahead = Math.abs(difference) > TOLERATED_MILLISECONDS ? difference : 0;
}

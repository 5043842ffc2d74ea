/** The times in which no worker of a kind was alive, kept as long as the page is open. */
const KEPT_GAPS = 20;

/** `known`: by process, oldest first, `{began, ended}` in milliseconds; the one that is still open has no end. */
export function mergeGaps(known, groups) {
  const merged = { ...known };
  for (const group of groups) {
    const closed = (known[group.process] ?? []).filter((gap) => gap.ended !== null);
    const heard = group.last_gap && { began: at(group.last_gap.began_at), ended: at(group.last_gap.ended_at) };
    if (heard && !closed.some((gap) => gap.began === heard.began)) closed.push(heard);
    if (group.gone_since) closed.push({ began: at(group.gone_since), ended: null });
    merged[group.process] = closed.slice(-KEPT_GAPS);
  }
  return merged;
}

const at = (text) => Date.parse(text);

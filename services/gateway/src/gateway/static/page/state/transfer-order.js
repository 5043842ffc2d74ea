/** Transfers as every list has them: newest first, each once, the later news of it winning. */
export function mergeNewestFirst(known, news) {
  const byId = new Map(known.map((transfer) => [transfer.id, transfer]));
  for (const transfer of news) byId.set(transfer.id, transfer);
  return [...byId.values()].sort(newestFirst);
}

function newestFirst(one, other) {
  const byTime = Date.parse(other.created_at) - Date.parse(one.created_at);
  return byTime || (other.id < one.id ? -1 : 1);
}

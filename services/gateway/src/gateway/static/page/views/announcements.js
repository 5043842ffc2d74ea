/** What a screen reader is told: a transfer's change of status, once, and nothing of what merely ticks. */
import { meaningOf, STATUSES } from "../text/statuses.js";

export function announce(place, transfer) {
  const { source_account: source, destination_account: destination } = transfer;
  place.textContent = `Transfer from ${source} to ${destination}: ${STATUSES[transfer.status]}. ${meaningOf(transfer)}`;
}

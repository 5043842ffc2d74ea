/** What each status of a transfer is called and what it means for the two accounts, in plain words. */
import { money } from "./formats.js";

const FINAL = new Set(["completed", "rejected", "compensated"]);

export const isFinal = (transfer) => FINAL.has(transfer.status);

export const STATUSES = {
  accepted: "Accepted",
  running: "Running",
  compensating: "Compensating",
  needs_attention: "Needs attention",
  completed: "Completed",
  rejected: "Rejected",
  compensated: "Compensated",
};

const stepOf = (transfer, name) => transfer.steps.find((step) => step.name === name);

export const isCommitted = (transfer) =>
  transfer.status === "completed" ||
  stepOf(transfer, "record")?.status === "done" ||
  stepOf(transfer, "release")?.status !== "pending";

export const isCancellable = (transfer) =>
  ["accepted", "running"].includes(transfer.status) && !isCommitted(transfer);

export function meaningOf(transfer) {
  const { source_account: source, destination_account: destination } = transfer;
  const sum = money(transfer.amount, transfer.currency);
  switch (transfer.status) {
    case "accepted":
      return "Accepted: it starts as soon as a workflow worker takes it.";
    case "running":
      return isCommitted(transfer)
        ? `Past the point of no return: ${destination} gets the money, whatever happens now.`
        : "On its way: until the point of no return it can still be undone.";
    case "compensating":
      return "Being undone, the last step first.";
    case "needs_attention":
      return isCommitted(transfer)
        ? "It needs you: release keeps failing. Temporal goes on retrying."
        : "It needs you: an undo step keeps failing. Temporal goes on retrying.";
    case "completed":
      return `Done: ${destination} has ${sum} more to spend.`;
    case "rejected":
      return "Refused before any money moved: no balance has changed.";
    case "compensated":
      return stepOf(transfer, "withdraw")?.status === "done"
        ? `Undone in full: ${source} has the money back.`
        : `Undone in full: ${source} has all of the money.`;
    default:
      return "";
  }
}

const REFUSALS = {
  unknown_account: "there is no such account",
  account_closed: "the account is closed",
  currency_mismatch: "the account has another currency",
  insufficient_funds: "there isn't enough money in the account",
  ledger_rejected: "the ledger refused it",
};

const REASONS = {
  ...REFUSALS,
  step_failed: "all attempts failed",
  step_timed_out: "all attempts ran out of time",
  cancelled: "somebody cancelled it",
  interrupted: "its workflow was ended from outside",
};

export const isRefusal = ({ code }) => code in REFUSALS;

export const reasonOf = (failure) => REASONS[failure.code] ?? failure.code;

/** The seven steps in plain words: what each does, who does it, and what its state is called. */
import { money } from "./formats.js";
import { isCommitted, isFinal, isRefusal } from "./statuses.js";

export const FORWARD = ["withdraw", "deposit", "record", "release"];

/** In the order in which they are run: the last step is undone first. */
export const COMPENSATIONS = ["record_compensation", "deposit_compensation", "withdraw_compensation"];

export const ATTEMPTS_BEFORE_THE_POINT_OF_NO_RETURN = 3;

export const workerOf = (name) => (name.startsWith("record") ? "ledger-worker" : "account-worker");

export const isRetriedWithoutEnd = (name) => name === "release" || COMPENSATIONS.includes(name);

/** Of a transfer, or of an order that isn't sent yet and may still say anything. */
export function effectOf(name, transfer) {
  const { source_account: source, destination_account: destination } = transfer;
  const sum = transfer.id ? money(transfer.amount, transfer.currency) : "the amount";
  const effects = {
    withdraw: `takes ${sum} from ${source}`,
    deposit: `credits ${destination}, held: not spendable yet`,
    record: "writes both entries into the ledger",
    release: `makes it spendable for ${destination}`,
    record_compensation: "shuts the door: record can't happen any more",
    deposit_compensation: `takes the held credit from ${destination}`,
    withdraw_compensation: `gives ${source} the money back`,
  };
  return effects[name];
}

/** Of a step that has started: `running`, `waiting`, `retrying`, `done` or `failed`; otherwise see `notStarted`. */
export function stateOf(name, transfer) {
  const step = stepOf(name, transfer);
  if (!step || step.status === "pending") return notStarted(name, transfer);
  const isOpen = step.status === "running" || step.status === "retrying";
  return isOpen && transfer.waiting_for === workerOf(name) ? "waiting" : step.status;
}

/** `pending`: its turn comes; `spare`: only if something fails; `unreached`, `unneeded`: it won't come any more. */
function notStarted(name, transfer) {
  const isUndoing = transfer?.steps.some((step) => step.kind === "compensation") && !isCommitted(transfer);
  if (FORWARD.includes(name)) return transfer && (isUndoing || isFinal(transfer)) ? "unreached" : "pending";
  if (!transfer) return "spare";
  if (isFinal(transfer) || isCommitted(transfer) || isOvertaken(name, transfer)) return "unneeded";
  return isUndoing ? "pending" : "spare";
}

/** A refusal shuts the door by itself: then the undoing begins with a later compensation. */
function isOvertaken(name, transfer) {
  const later = COMPENSATIONS.slice(COMPENSATIONS.indexOf(name) + 1);
  return later.some((other) => stepOf(other, transfer));
}

export const stepOf = (name, transfer) => transfer?.steps.find((step) => step.name === name) ?? null;

const STATE_WORDS = {
  pending: "To do",
  spare: "Only if needed",
  unreached: "Not reached",
  unneeded: "Not needed",
  running: "Running",
  waiting: "Waiting",
  retrying: "Retrying",
  done: "Done",
  failed: "Failed",
};

export function wordOf(state, step) {
  if (state !== "failed" || !step.error) return STATE_WORDS[state];
  if (step.error.code === "cancelled") return "Cancelled";
  return isRefusal(step.error) ? "Refused" : STATE_WORDS.failed;
}

/** The place of each step that has started in the order in which they started: `{withdraw: 1, …}`. */
export function orderOf(transfer) {
  const started = (transfer?.steps ?? []).filter((step) => step.started_at);
  started.sort((one, other) => Date.parse(one.started_at) - Date.parse(other.started_at));
  return Object.fromEntries(started.map((step, index) => [step.name, index + 1]));
}

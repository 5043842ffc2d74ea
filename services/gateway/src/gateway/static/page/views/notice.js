/** The one thing about the followed transfer that the reader should know now: a problem, a missing worker, a failure. */
import { html } from "../vendor/lit-html/lit-html.js";
import { duration, time } from "../text/formats.js";
import { isCommitted, isFinal, reasonOf } from "../text/statuses.js";
import { effectOf } from "../text/steps.js";
import { copyButton } from "./copy-button.js";
import { ICONS } from "./icons.js";

const CANCELLING = "Cancel is asked for: it will be undone, unless it passes the point of no return before that is heard.";
const CANCELLED_LATE = "The cancel came too late: it was past the point of no return.";
const A_SAGA = `A saga is a row of steps in different services, each with an undo step of its own. When one fails, those
  before it are undone in reverse order, so money is never lost half way.`;

export function noticeOf({ followed, workers, settings }) {
  const transfer = followed?.transfer;
  if (followed?.problem) return box("bad", ICONS.failed, followed.problem.detail);
  if (!followed) return box("intro", ICONS.info, A_SAGA);
  if (!transfer) return null;
  if (transfer.waiting_for) return box("wait", ICONS.waiting, waiting(transfer.waiting_for, workers, settings));
  if (transfer.failure) return box("why", ICONS.failed, failure(transfer.failure));
  if (followed.asked === "cancel") return box("why", ICONS.unneeded, isCommitted(transfer) ? CANCELLED_LATE : CANCELLING);
  return box("info", ICONS.info, isFinal(transfer) ? summary(transfer) : nowRunning(transfer));
}

const box = (kind, icon, text) => html`<div class="notice ${kind}">${icon}<p>${text}</p></div>`;

function waiting(process, workers, settings) {
  const since = workers?.find((group) => group.process === process)?.gone_since;
  const gone = since ? `none is alive since ${time(since)}` : "none is alive";
  const command = settings?.start_command?.replace("{process}", process);
  return html`<strong>Waits for ${process}</strong>: ${gone}. It goes on once one is back.
    ${command ? html`<span class="command"><code>${command}</code>${copyButton(command, "the start command")}</span>` : ""}`;
}

function nowRunning(transfer) {
  const step = transfer.steps.find(({ status }) => status === "running" || status === "retrying");
  if (!step) return "Between two steps: the workflow decides what comes next.";
  return html`Now <code>${step.name}</code>: it ${effectOf(step.name, transfer)}.`;
}

function summary(transfer) {
  const took = duration(Date.parse(transfer.finished_at) - Date.parse(transfer.created_at));
  return `Four steps in two databases took ${took}, and both entries are in the ledger.`;
}

const failure = ({ code, step, detail }) => html`
  <strong>${step ? html`<code>${step}</code>: ` : ""}${reasonOf({ code })}.</strong>
  <span class="detail">${detail} (<code>${code}</code>)</span>`;

/** The transfer that is followed: what it is, what its status means, what can be done, and its steps. */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { money, time } from "../text/formats.js";
import { isCancellable, meaningOf, STATUSES } from "../text/statuses.js";
import { actionButton } from "./action-button.js";
import { copyButton } from "./copy-button.js";
import { ICONS } from "./icons.js";
import { lanesView } from "./lanes-view.js";
import { noticeOf } from "./notice.js";
import { stepsTable } from "./steps-table.js";
import { timeChart } from "./time-chart.js";
import { tourView } from "./tour-view.js";

const STATUS_ICONS = {
  accepted: ICONS.pending,
  running: ICONS.running,
  compensating: ICONS.running,
  needs_attention: ICONS.attention,
  completed: ICONS.done,
  rejected: ICONS.failed,
  compensated: ICONS.undone,
};

export function followView(state, selection) {
  const { followed, settings, gaps } = state;
  const transfer = followed?.transfer ?? null;
  return html`
    <div class="follow-head">
      ${transfer ? headView(transfer) : emptyHead(followed)}
      <div class="notice-place">${noticeOf(state) ?? nothing}</div>
      <div class="actions">${transfer ? actionsView(followed, settings, selection) : nothing}</div>
    </div>
    ${lanesView(transfer, state.send.order)} ${timeChart(transfer, gaps)}
    <div class="more">
      ${settings?.demo_faults ? tourView(!followed) : nothing} ${transfer ? stepsTable(transfer) : nothing}
    </div>`;
}

const headView = (transfer) => html`
  <div class="title">
    <p class="what">
      <span class="amount">${money(transfer.amount, transfer.currency)}</span>
      <span class="parties">from <b>${transfer.source_account}</b> to <b>${transfer.destination_account}</b></span>
      ${transfer.reference ? html`<q class="reference">${transfer.reference}</q>` : nothing}
    </p>
    <p class="badge" data-status=${transfer.status}>
      ${STATUS_ICONS[transfer.status]}<span>${STATUSES[transfer.status]}</span>
    </p>
  </div>
  <p class="meaning">${meaningOf(transfer)}</p>`;

const emptyHead = (followed) => html`
  <div class="title"><p class="what"><span class="amount">${emptyTitle(followed)}</span></p></div>
  <p class="meaning">
    ${followed ? "" : "Send one and watch its steps here, or open one from the list of transfers below."}
  </p>`;

function emptyTitle(followed) {
  if (!followed) return "No transfer yet";
  return followed.problem ? "This transfer can't be shown" : "Opening the transfer…";
}

function actionsView(followed, settings, selection) {
  const { transfer, asked } = followed;
  const canCancel = isCancellable(transfer) && asked !== "cancel";
  const canRetry = transfer.status === "needs_attention" && asked !== "retry";
  return html`
    ${actionButton({ text: "Cancel transfer", isAllowed: canCancel, onClick: () => selection.cancel() })}
    ${actionButton({ text: "Retry now", kind: "primary", isAllowed: canRetry, onClick: () => selection.retry() })}
    <span class="identity">
      <span>sent ${time(transfer.created_at)}</span>
      <code title=${transfer.id}>${transfer.id}</code>${copyButton(transfer.id, "the transfer's id")}
    </span>
    ${settings?.temporal_ui_url ? temporalLink(transfer, settings) : nothing}`;
}

function temporalLink(transfer, { temporal_ui_url: base, temporal_namespace: namespace }) {
  const address = `${base}/namespaces/${encodeURIComponent(namespace)}/workflows/transfer-${transfer.id}`;
  return html`<a class="temporal" href=${address} target="_blank" rel="noreferrer"
    >Open in Temporal ${ICONS.outside}<span class="unseen"> (new tab)</span></a>`;
}

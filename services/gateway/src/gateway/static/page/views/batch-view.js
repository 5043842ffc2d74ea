/** Many transfers at once: the file, what is wrong in it, and how far its transfers are. */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { count, duration, money } from "../text/formats.js";
import { STATUSES } from "../text/statuses.js";
import { cssVariables } from "./css-variables.js";
import { ICONS } from "./icons.js";

const BATCH_STATUSES = {
  accepted: "Accepted",
  running: "Running",
  needs_attention: "Needs attention",
  finished: "Finished",
};
const EXAMPLE = "source_account,destination_account,amount,currency,reference\nalice,bob,25.00,EUR,rent";
const IN_BAR = ["completed", "rejected", "compensated", "compensating", "running"];

export function batchView({ batch }, sending) {
  return html`
    <div class="batch-file">
      <label for="batch-file">A CSV file of up to 10,000 transfers</label>
      <input id="batch-file" type="file" accept=".csv,text/csv" aria-describedby="batch-says"
        @change=${(event) => sending.choose(event.currentTarget.files[0])}>
      <button type="button" class="primary" aria-disabled=${!batch.check || batch.isUnderWay} @click=${() => sending.send()}>
        ${buttonText(batch)}
      </button>
      <div id="batch-says" role="status">${previewOf(batch)}</div>
    </div>
    ${batch.followed ? progressView(batch.followed) : nothing}`;
}

function buttonText({ check, isUnderWay }) {
  if (isUnderWay) return "Sending…";
  return check ? `Send ${count(check.total)}` : "Send all";
}

function previewOf({ file, check, problem }) {
  if (problem) return problemView(problem);
  if (check) return html`<p>Nothing is wrong in ${file.name}: ${check.totals.map(sumText).join(", ")}.</p>`;
  if (file) return html`<p>Checking ${file.name}…</p>`;
  return html`<p class="hint">Its lines are checked before anything is sent. It begins like this:</p>
    <pre tabindex="0" aria-label="example of a file"><code>${EXAMPLE}</code></pre>`;
}

const sumText = ({ currency, transfers, amount }) => `${count(transfers)} transfers of ${money(amount, currency)} in all`;

function problemView({ detail, errors }) {
  return html`<p class="problem">${ICONS.failed}<span>${detail}</span></p>
    ${errors.length === 0 ? nothing : html`
      <div class="scroller wrong-lines" tabindex="0" role="region" aria-label="What is wrong, by line">
        <table>
          <thead><tr><th scope="col">Where</th><th scope="col">What is wrong</th></tr></thead>
          <tbody>${errors.map(({ field, detail: why }) => html`<tr><td>${field}</td><td>${why}</td></tr>`)}</tbody>
        </table>
      </div>`}`;
}

function progressView({ id, batch, problem }) {
  if (!batch) return html`<p class="empty ${problem ? "bad" : ""}">${problem ? problem.detail : "Loading the batch…"}</p>`;
  const ended = batch.counts.completed + batch.counts.rejected + batch.counts.compensated;
  return html`
    <div class="batch" data-batch=${id} data-status=${batch.status}>
      <p><strong>${BATCH_STATUSES[batch.status]}</strong>: ${count(ended)} of ${count(batch.total)} have ended${tookText(batch)}.</p>
      <div class="bar" role="progressbar" aria-label="Transfers that have ended" aria-valuemin="0"
        aria-valuenow=${ended} aria-valuemax=${batch.total}>
        ${IN_BAR.map((status) => html`
          <span data-status=${status} ${cssVariables({ "--share": String(batch.counts[status] / batch.total) })}></span>`)}
      </div>
      <ul class="batch-counts" role="list">
        ${Object.entries(batch.counts).filter(([, number]) => number > 0).map(([status, number]) => html`
          <li class="status" data-status=${status}>${count(number)} ${STATUSES[status].toLowerCase()}</li>`)}
      </ul>
      <ul class="batch-totals" role="list">
        ${batch.totals.map((totals) => html`<li>${money(totals.completed, totals.currency)} of ${money(totals.amount, totals.currency)} completed</li>`)}
      </ul>
      <a href="/transfer-batches/${id}/outcomes" download>Download the outcomes</a>
    </div>`;
}

function tookText({ created_at: createdAt, finished_at: finishedAt }) {
  return finishedAt ? `, after ${duration(Date.parse(finishedAt) - Date.parse(createdAt))}` : "";
}

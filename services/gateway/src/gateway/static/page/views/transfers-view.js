/** The list of transfers, newest first, with its filter and its pages. */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { duration, money, time } from "../text/formats.js";
import { reasonOf, STATUSES } from "../text/statuses.js";
import { actionButton } from "./action-button.js";

export function transfersView(state, list) {
  const { transfers, followed } = state;
  const shown = list.shown;
  return html`
    ${filterView(state, list)}
    <div class="scroller list" tabindex="0" role="region" aria-label="List of transfers"
      @pointerenter=${() => list.hold()} @pointerleave=${(event) => letGo(event, list)}
      @focusin=${() => list.hold()} @focusout=${(event) => letGo(event, list)}>
      <table>
        <thead>
          <tr><th scope="col">Sent</th><th scope="col">Status</th><th scope="col">From</th><th scope="col">To</th>
            <th scope="col" class="number">Amount</th><th scope="col">Took</th><th scope="col">Reference</th><th scope="col">Failure</th></tr>
        </thead>
        <tbody>${shown.items.map((transfer) => rowView(transfer, followed))}</tbody>
      </table>
      ${emptyText(state, transfers, shown)}
    </div>
    ${pagesView(state, list, shown)}`;
}

function filterView({ list: { status, account } }, list) {
  const apply = (event) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    list.filter(data.get("status"), data.get("account"));
  };
  const choose = (event) => event.currentTarget.form.requestSubmit();
  return html`
    <form class="filter" role="search" aria-label="Filter transfers" @submit=${apply}>
      <label>Status
        <select name="status" @change=${choose}>
          <option value="">all</option>
          ${Object.entries(STATUSES).map(([value, word]) => html`<option value=${value} ?selected=${value === status}>${word}</option>`)}
        </select>
      </label>
      <label>Account <input name="account" list="account-ids" autocomplete="off" autocapitalize="off" spellcheck="false" placeholder="all"></label>
      <button type="submit" class="small">Filter</button>
      ${status || account ? html`<span class="hint">filtered</span>` : nothing}
    </form>`;
}

const rowView = (transfer, followed) => html`
  <tr data-transfer=${transfer.id} data-status=${transfer.status} data-open=${followed?.id === transfer.id}>
    <td><a href=${`#transfer=${transfer.id}`} aria-current=${followed?.id === transfer.id ? "true" : "false"}
      >${time(transfer.created_at)}</a></td>
    <td><span class="status" data-status=${transfer.status}>${STATUSES[transfer.status]}</span></td>
    <td>${transfer.source_account}</td>
    <td>${transfer.destination_account}</td>
    <td class="number">${money(transfer.amount, transfer.currency)}</td>
    <td>${transfer.finished_at ? duration(Date.parse(transfer.finished_at) - Date.parse(transfer.created_at)) : ""}</td>
    <td class="reference">${transfer.reference ?? ""}</td>
    <td class="hint">${transfer.failure ? reasonOf(transfer.failure) : ""}</td>
  </tr>`;

function emptyText({ list: { problem, status, account, page } }, transfers, shown) {
  if (problem) return html`<p class="empty bad">The list can't be read: ${problem.explanation}</p>`;
  if (!transfers || ((status || account) && !page)) return html`<p class="empty">Loading transfers…</p>`;
  if (shown.items.length > 0) return nothing;
  return html`<p class="empty">${status || account ? "No transfer matches this filter." : "No transfers yet."}</p>`;
}

function pagesView({ list: { page, isOlder } }, list, shown) {
  return html`
    <nav class="pages" aria-label="Pages of transfers">
      ${actionButton({ text: "Newest", isAllowed: isOlder, onClick: () => list.newest() })}
      ${actionButton({ text: "Newer", isAllowed: isOlder, onClick: () => list.newer() })}
      ${actionButton({ text: "Older", isAllowed: shown.hasOlder, onClick: () => list.older() })}
      <span class="hint">${pageText(page, isOlder, shown.newer)}</span>
    </nav>`;
}

function pageText(page, isOlder, newer) {
  if (newer > 0) return newer === 1 ? "1 newer one waits while you are in the table" : `${newer} newer ones wait while you are in the table`;
  if (isOlder) return "an older page: only what is on it is kept up to date";
  return page ? "the newest that match" : "the newest, kept up to date";
}

/** The pointer may leave while the focus stays, and the other way round. */
function letGo({ type, currentTarget: table, relatedTarget }, list) {
  const isFocused = table.contains(type === "focusout" ? relatedTarget : document.activeElement);
  const isPointedAt = type === "focusout" && table.matches(":hover");
  if (!isFocused && !isPointedAt) list.letGo();
}

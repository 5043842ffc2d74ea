/** The accounts with balance and held credit, and the entries of the one that is open. */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { amount, signedAmount, time } from "../text/formats.js";
import { flash } from "./flash.js";

export function moneyView({ accounts, moreAccounts, entries, reconciliation }, actions) {
  return html`
    ${discrepancies(reconciliation)}
    <div class="scroller accounts" tabindex="0" role="region" aria-label="Accounts">
      <table>
        <thead>
          <tr><th scope="col">Account</th><th scope="col" class="number">Balance</th><th scope="col" class="number">Held</th>
            <th scope="col"><span class="unseen">Currency</span></th></tr>
        </thead>
        <tbody>
          ${accounts ? [...accounts.items, ...moreAccounts.items].map((account) => accountRow(account, entries, actions)) : nothing}
        </tbody>
      </table>
      ${accounts ? nothing : html`<p class="empty">Loading accounts…</p>`}
      ${accounts?.items.length === 0 ? html`<p class="empty">No accounts yet: <code>POST /accounts</code> opens one.</p>` : nothing}
      ${moreButton(accounts, moreAccounts, actions)}
    </div>
    ${entriesView(entries, actions)}`;
}

const accountRow = (account, entries, actions) => html`
  <tr data-account=${account.id} data-open=${entries?.account === account.id}>
    <th scope="row">
      <button type="button" class="link" aria-pressed=${entries?.account === account.id} title=${account.owner}
        aria-label=${`Entries of ${account.id}`} @click=${() => actions.entries.open(account.id)}>${account.id}</button>
      ${account.status === "closed" ? html`<span class="hint">closed</span>` : nothing}
    </th>
    <td class="number balance" ${flash(account.id + account.balance)}>${amount(account.balance)}</td>
    <td class="number held" data-held=${/[1-9]/.test(account.held)} ${flash(account.id + account.held)}>${amount(account.held)}</td>
    <td class="hint">${account.currency}</td>
  </tr>`;

function moreButton(accounts, more, { moreAccounts }) {
  const cursor = more.items.length > 0 ? more.next_cursor : accounts?.next_cursor;
  if (!cursor) return nothing;
  return html`<p><button type="button" class="small" @click=${() => moreAccounts.load()}>More accounts</button>
    ${more.problem?.detail ?? nothing}</p>`;
}

function entriesView(entries, actions) {
  if (!entries) return html`<h3>Entries</h3><div class="scroller entries"></div>`;
  return html`
    <h3>Entries of ${entries.account} <span class="hint">newest first</span></h3>
    <div class="scroller entries" tabindex="0" role="region" aria-label=${`Entries of ${entries.account}`}>
      <table>
        <thead class="unseen">
          <tr><th scope="col">Time</th><th scope="col" class="number">Amount</th><th scope="col" class="number">Balance after</th></tr>
        </thead>
        <tbody>${(entries.items ?? []).map(entryRow)}</tbody>
      </table>
      ${entryState(entries)}
      ${entries.next_cursor
        ? html`<p><button type="button" class="small" @click=${() => actions.entries.older()}>Older entries</button></p>`
        : nothing}
    </div>`;
}

const entryRow = (entry) => html`
  <tr>
    <td><a href=${`#transfer=${entry.transfer_id}`} aria-label=${`Transfer of ${time(entry.created_at)}`}>${time(entry.created_at)}</a></td>
    <td class="number" data-sign=${entry.amount.startsWith("-") ? "minus" : "plus"}>${signedAmount(entry.amount)}</td>
    <td class="number">${amount(entry.balance_after)}</td>
  </tr>`;

function entryState({ items, problem }) {
  if (problem) return html`<p class="empty bad">Entries can't be read: ${problem.explanation}</p>`;
  if (items === null) return html`<p class="empty">Loading entries…</p>`;
  return items.length === 0 ? html`<p class="empty">No entries: no transfer has reached this account.</p>` : nothing;
}

function discrepancies(reconciliation) {
  if (!reconciliation || reconciliation.discrepancies.length === 0) return nothing;
  return html`
    <ul class="discrepancies scroller" aria-label="Discrepancies" tabindex="0">
      ${reconciliation.discrepancies.map(({ kind, detail }) => html`<li><code>${kind}</code> ${detail}</li>`)}
    </ul>`;
}

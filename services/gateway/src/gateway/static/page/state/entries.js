/** The entries of the account that is open: fetched when it is opened, and again when the feed tells of a new one. */
import { get } from "./api.js";
import { isCommitted } from "../text/statuses.js";

const PAGE_SIZE = 20;
const PAUSE_MILLISECONDS = 300; // one look for the news that come together

export class Entries {
  #store;
  #timer = 0;

  constructor(store) {
    this.#store = store;
  }

  async open(account) {
    this.#store.update({ entries: { account, items: null, next_cursor: null, problem: null } });
    await this.#load(account, "", (page) => page);
  }

  async older() {
    const { account, items, next_cursor } = this.#store.state.entries;
    await this.#load(account, `&cursor=${encodeURIComponent(next_cursor)}`, (page) => ({
      items: [...items, ...page.items],
      next_cursor: page.next_cursor,
    }));
  }

  onAccounts({ items }) {
    if (this.#store.state.entries || items.length === 0) return;
    this.open(items.find((account) => account.id === "alice")?.id ?? items[0].id);
  }

  /** A transfer that is past the point of no return has an entry in each of its accounts. */
  onTransfers({ items }) {
    const { account, items: entries } = this.#store.state.entries ?? {};
    if (!entries) return;
    const known = new Set(entries.map((entry) => entry.transfer_id));
    const oldest = Date.parse(entries.at(-1)?.created_at ?? 0);
    const isMissing = (transfer) =>
      [transfer.source_account, transfer.destination_account].includes(account) &&
      isCommitted(transfer) &&
      !known.has(transfer.id) &&
      Date.parse(transfer.finished_at ?? transfer.created_at) >= oldest;
    if (items.some(isMissing)) this.#refreshSoon();
  }

  #refreshSoon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#refresh(), PAUSE_MILLISECONDS);
  }

  #refresh() {
    const { account, items, next_cursor } = this.#store.state.entries;
    return this.#load(account, "", (page) => {
      const fresh = new Set(page.items.map((entry) => entry.transfer_id));
      const older = (items ?? []).filter((entry) => !fresh.has(entry.transfer_id));
      return older.length ? { items: [...page.items, ...older], next_cursor } : page;
    });
  }

  async #load(account, cursor, combine) {
    const changes = await get(`/accounts/${encodeURIComponent(account)}/entries?limit=${PAGE_SIZE}${cursor}`).then(
      (page) => ({ ...combine(page), problem: null }),
      (problem) => ({ problem }),
    );
    const { entries } = this.#store.state;
    if (entries.account === account) this.#store.update({ entries: { ...entries, ...changes } });
  }
}

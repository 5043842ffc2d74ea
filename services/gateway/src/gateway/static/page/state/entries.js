/** The entries of the account that is open: fetched when it is opened, and again when the feed says that it moved. */
import { get } from "./api.js";

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

  onAccounts({ items }, before) {
    const open = this.#store.state.entries?.account;
    if (!open && items.length > 0) {
      this.open(items.find((account) => account.id === "alice")?.id ?? items[0].id);
      return;
    }
    const balances = (accounts) => JSON.stringify(accounts?.find((account) => account.id === open) ?? null);
    if (balances(items) !== balances(before.accounts?.items)) this.#refreshSoon();
  }

  onTransfers({ items }) {
    const open = this.#store.state.entries?.account;
    const concerns = (transfer) => [transfer.source_account, transfer.destination_account].includes(open);
    if (open && items.some(concerns)) this.#refreshSoon();
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

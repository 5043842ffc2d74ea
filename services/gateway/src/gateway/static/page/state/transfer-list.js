/** Which transfers the table shows: the feed's latest, or a page that was asked for by filter or paging. */
import { get } from "./api.js";
import { mergeNewestFirst } from "./transfer-order.js";

export const PAGE_SIZE = 20;

export class TransferList {
  #store;
  #trail = [];
  #held = null;
  #hasMissed = false;
  #asked = 0;

  constructor(store) {
    this.#store = store;
  }

  filter(status, account) {
    this.#trail = [];
    this.#update({ status, account: account.trim(), problem: null });
    return this.#isLive ? this.newest() : this.#load(null);
  }

  newest() {
    this.#trail = [];
    this.#asked += 1;
    this.#update({ page: null, problem: null, isOlder: false });
    return this.#isLive ? undefined : this.#load(null);
  }

  async older() {
    const { page } = this.#store.state.list;
    const depth = this.#trail.length;
    const cursor = page ? page.next_cursor : (await this.#fetch(null))?.next_cursor;
    if (!cursor || this.#trail.length !== depth || this.#trail.at(-1) === cursor) return; // a second click
    this.#trail.push(cursor);
    await this.#load(cursor);
  }

  newer() {
    this.#trail.pop();
    return this.#trail.length === 0 ? this.newest() : this.#load(this.#trail.at(-1));
  }

  /** While somebody points at the table or reads it by keyboard, no row changes its place. */
  hold() {
    this.#held ??= new Set(this.#latest.map((transfer) => transfer.id));
    this.#update({});
  }

  letGo() {
    this.#held = null;
    this.#update({});
    if (this.#hasMissed && !this.#store.state.list.isOlder) this.newest();
    this.#hasMissed = false;
  }

  /** News about what is shown; what is new comes in where it belongs. */
  onTransfers({ items }) {
    const { page, status, account, isOlder } = this.#store.state.list;
    if (!page) return;
    const listed = new Set(page.items.map((transfer) => transfer.id));
    const staysAsItIs = isOlder || this.#held !== null;
    const relevant = items.filter((transfer) => !staysAsItIs || listed.has(transfer.id));
    this.#hasMissed ||= this.#held !== null && relevant.length < items.length;
    const matches = (transfer) =>
      (!status || transfer.status === status) &&
      (!account || [transfer.source_account, transfer.destination_account].includes(account));
    const merged = mergeNewestFirst(page.items, relevant).filter(matches);
    this.#update({ page: { ...page, items: isOlder ? merged : merged.slice(0, PAGE_SIZE) } });
  }

  /** `{items, newer, hasOlder}`: `newer` is how many wait while the table is held. */
  get shown() {
    const { page } = this.#store.state.list;
    if (page) return { items: page.items, newer: 0, hasOlder: page.next_cursor !== null };
    if (!this.#isLive) return { items: [], newer: 0, hasOlder: false };
    const latest = this.#latest;
    const items = this.#held ? latest.filter((transfer) => this.#held.has(transfer.id)) : latest;
    return {
      items: items.slice(0, PAGE_SIZE),
      newer: latest.length - items.length,
      hasOlder: latest.length >= PAGE_SIZE,
    };
  }

  get #latest() {
    return this.#store.state.transfers ?? [];
  }

  get #isLive() {
    const { status, account } = this.#store.state.list;
    return !status && !account;
  }

  async #load(cursor) {
    const asked = (this.#asked += 1);
    const page = await this.#fetch(cursor);
    if (page && asked === this.#asked) this.#update({ page, problem: null, isOlder: cursor !== null });
  }

  async #fetch(cursor) {
    const { status, account } = this.#store.state.list;
    const given = Object.entries({ status, account, cursor, limit: PAGE_SIZE }).filter(([, value]) => value);
    try {
      return await get(`/transfers?${new URLSearchParams(given)}`);
    } catch (problem) {
      this.#update({ problem });
      return null;
    }
  }

  #update(changes) {
    this.#store.update({ list: { ...this.#store.state.list, ...changes } });
  }
}

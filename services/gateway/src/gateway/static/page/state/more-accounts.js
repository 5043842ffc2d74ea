/** The accounts after the first page, which alone is in the feed: as they were when they were asked for. */
import { get } from "./api.js";

export class MoreAccounts {
  #store;

  constructor(store) {
    this.#store = store;
  }

  async load() {
    const { accounts, moreAccounts } = this.#store.state;
    const cursor = moreAccounts.next_cursor ?? accounts.next_cursor;
    try {
      const page = await get(`/accounts?cursor=${encodeURIComponent(cursor)}`);
      this.#store.update({
        moreAccounts: { items: [...moreAccounts.items, ...page.items], next_cursor: page.next_cursor, problem: null },
      });
    } catch (problem) {
      this.#store.update({ moreAccounts: { ...moreAccounts, problem } });
    }
  }
}

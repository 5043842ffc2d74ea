/** `GET /events` into the state: accounts, reconciliation, workers, processes, what needs attention and the latest transfers. */
import { goOn, stop } from "./clock.js";
import { mergeGaps } from "./gaps.js";
import { mergeNewestFirst } from "./transfer-order.js";
import { Stream } from "./stream.js";

const KEPT_TRANSFERS = 100;

export class Feed {
  #store;
  #stream;
  #listeners;

  /** `listeners`: by event name, called after the state has been changed, with the data and what it was before. */
  constructor(store, listeners = {}) {
    this.#store = store;
    this.#listeners = listeners;
    const handlers = {
      transfers: ({ items }) => ({
        transfers: mergeNewestFirst(store.state.transfers ?? [], items).slice(0, KEPT_TRANSFERS),
      }),
      accounts: (accounts) => ({ accounts }),
      reconciliation: (reconciliation) => ({ reconciliation }),
      workers: ({ items }) => ({ workers: items, gaps: mergeGaps(store.state.gaps, items) }),
      attention: (attention) => ({ attention }),
      processes: ({ items }) => ({ processes: items }),
      interruption: ({ detail }) => ({ interruption: detail }),
      heartbeat: () => ({}),
    };
    this.#stream = new Stream("/events", this.#mapped(handlers), (state) => this.#connection(state));
  }

  open() {
    this.#stream.open();
  }

  retryNow() {
    this.#stream.retryNow();
  }

  #mapped(handlers) {
    const entries = Object.entries(handlers).map(([name, changesOf]) => [
      name,
      (data) => {
        const before = { ...this.#store.state };
        this.#store.update(changesOf(data));
        this.#listeners[name]?.(data, before);
      },
    ]);
    return Object.fromEntries(entries);
  }

  #connection(state) {
    if (state === "live") goOn();
    const lostAt = state === "live" ? null : stop();
    this.#store.update({ connection: { state, lostAt }, interruption: null });
  }
}

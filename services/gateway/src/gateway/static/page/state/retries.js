/** The retries that were asked for in the list of what needs attention, each until the feed shows what came of it. */
import { post } from "./api.js";

export class Retries {
  #store;

  constructor(store) {
    this.#store = store;
  }

  async retry(id) {
    this.#note(id, { isUnderWay: true, problem: null });
    try {
      await post(`/transfers/${id}/retry`);
    } catch (problem) {
      this.#note(id, { isUnderWay: false, problem });
    }
  }

  /** It is told only where it has changed. */
  onAttention() {
    this.#store.update({ retries: {} });
  }

  #note(id, retry) {
    this.#store.update({ retries: { ...this.#store.state.retries, [id]: retry } });
  }
}

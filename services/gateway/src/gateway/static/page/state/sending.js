/** The form's order on its way: one idempotency key per order, the same again where no answer came. */
import { post } from "./api.js";

const REPEATS_AFTER_MILLISECONDS = [1000, 2000];

export const FIRST_ORDER = Object.freeze({
  source_account: "alice",
  destination_account: "bob",
  amount: "25.00",
  currency: "EUR",
  reference: "",
  scenario: "",
});

export class Sending {
  #store;
  #onSent;
  #onRefused;
  #unanswered = null;

  constructor(store, { onSent, onRefused }) {
    this.#store = store;
    this.#onSent = onSent;
    this.#onRefused = onRefused;
  }

  change(order) {
    this.#update({ order });
  }

  async send() {
    if (this.#store.state.send.isUnderWay) return;
    const body = bodyOf(this.#store.state.send.order);
    this.#update({ isUnderWay: true, problem: null });
    try {
      const transfer = await this.#untilAnswered(body, this.#keyFor(body));
      this.#unanswered = null;
      this.#update({ isUnderWay: false });
      this.#onSent(transfer);
    } catch (problem) {
      if (!problem.isUnanswered) this.#unanswered = null;
      this.#update({ isUnderWay: false, problem });
      this.#onRefused(problem);
    }
  }

  async #untilAnswered(body, key) {
    for (const wait of REPEATS_AFTER_MILLISECONDS) {
      try {
        return await post("/transfers", body, { "Idempotency-Key": key });
      } catch (problem) {
        if (!problem.isUnanswered) throw problem;
        await new Promise((resume) => setTimeout(resume, wait));
      }
    }
    return post("/transfers", body, { "Idempotency-Key": key });
  }

  #keyFor(body) {
    const text = JSON.stringify(body);
    if (this.#unanswered?.text !== text) this.#unanswered = { text, key: newKey() };
    return this.#unanswered.key;
  }

  #update(changes) {
    this.#store.update({ send: { ...this.#store.state.send, ...changes } });
  }
}

/** What is left empty isn't sent. */
export function bodyOf(order) {
  return Object.fromEntries(Object.entries(order).filter(([name, value]) => value !== "" || !OPTIONAL.has(name)));
}

const OPTIONAL = new Set(["reference", "scenario"]);

/** `randomUUID` is there only on https and localhost. */
export function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

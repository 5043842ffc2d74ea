/** The transfer that is followed: named by the address (`#transfer=…`), kept up to date by its own event stream. */
import { get, post } from "./api.js";
import { isFinal } from "../text/statuses.js";
import { Stream } from "./stream.js";

export class Selection {
  #store;
  #stream = null;
  #onStatus;

  constructor(store, onStatus) {
    this.#store = store;
    this.#onStatus = onStatus;
  }

  followAddress() {
    addEventListener("hashchange", () => this.#openAddressed());
    this.#openAddressed();
  }

  /** Shows at once what is known already. */
  open(transfer) {
    this.#start(transfer.id, transfer);
    location.hash = `transfer=${transfer.id}`;
  }

  cancel() {
    return this.#command("cancel");
  }

  retry() {
    return this.#command("retry");
  }

  #openAddressed() {
    const id = new URLSearchParams(location.hash.slice(1)).get("transfer");
    if (!id && location.hash !== "") return; // the place of something else on the page
    if (id === (this.#store.state.followed?.id ?? null)) return;
    if (id) this.#start(id, this.#store.state.transfers?.find((transfer) => transfer.id === id) ?? null);
    else this.#stop();
  }

  #start(id, transfer) {
    this.#stream?.close();
    this.#store.update({ followed: { id, transfer, problem: null, asked: null } });
    const path = `/transfers/${encodeURIComponent(id)}`;
    const stream = (this.#stream = new Stream(
      `${path}/events`,
      { transfer: (news) => this.#show(stream, news) },
      (state) => state === "lost" && this.#explainLoss(stream, path),
    ));
    stream.open();
  }

  #stop() {
    this.#stream?.close();
    this.#store.update({ followed: null });
  }

  #show(stream, transfer) {
    if (stream !== this.#stream) return;
    const { followed } = this.#store.state;
    const before = followed.transfer?.status;
    const asked = followed.asked === "cancel" ? "cancel" : null; // a retry may be asked for again
    this.#store.update({ followed: { ...followed, transfer, asked, problem: null } });
    if (before !== transfer.status) this.#onStatus(transfer);
    if (isFinal(transfer)) stream.close();
  }

  /** A stream doesn't say why it isn't there, an ordinary request does. */
  async #explainLoss(stream, path) {
    try {
      this.#show(stream, await get(path));
    } catch (problem) {
      if (stream !== this.#stream) return;
      if (problem.status === 404 || problem.status === 422) stream.close();
      this.#store.update({ followed: { ...this.#store.state.followed, problem } });
    }
  }

  async #command(command) {
    const { id } = this.#store.state.followed;
    this.#change(id, { asked: command, problem: null });
    try {
      await post(`/transfers/${id}/${command}`);
    } catch (problem) {
      this.#change(id, { asked: null, problem });
    }
  }

  #change(id, changes) {
    const { followed } = this.#store.state;
    if (followed?.id === id) this.#store.update({ followed: { ...followed, ...changes } });
  }
}

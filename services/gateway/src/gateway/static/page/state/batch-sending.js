/** A file of transfers: checked by the API when it is chosen, sent when the reader says so, followed to its end. */
import { get, postText } from "./api.js";
import { newKey } from "./sending.js";
import { Stream } from "./stream.js";

const CSV = "text/csv";
export const LARGEST_BYTES = 8 * 1024 * 1024; // the gateway's own bound

export const NO_FILE = Object.freeze({ file: null, check: null, problem: null, isUnderWay: false, followed: null });

export class BatchSending {
  #store;
  #stream = null;
  #key = null;

  constructor(store) {
    this.#store = store;
  }

  followAddress() {
    const open = () => {
      const id = new URLSearchParams(location.hash.slice(1)).get("batch");
      if (id && id !== this.#store.state.batch.followed?.id) this.#follow(id, null);
    };
    addEventListener("hashchange", open);
    open();
  }

  /** Nothing is sent yet: the API says what is wrong, line by line, or what it adds up to. */
  async choose(file) {
    this.#key = newKey();
    this.#update({ file: null, check: null, problem: null });
    if (!file) return;
    if (file.size > LARGEST_BYTES) {
      this.#update({ problem: { detail: `${file.name} is larger than 8 MiB.`, errors: [] } });
      return;
    }
    const chosen = { name: file.name, text: await file.text() };
    this.#update({ file: chosen });
    const answer = await postText("/transfer-batches/check", chosen.text, CSV).then(
      (check) => ({ check }),
      (problem) => ({ problem }),
    );
    if (this.#store.state.batch.file === chosen) this.#update(answer);
  }

  async send() {
    const { file, check, isUnderWay } = this.#store.state.batch;
    if (!check || isUnderWay) return;
    this.#update({ isUnderWay: true, problem: null });
    try {
      const batch = await postText("/transfer-batches", file.text, CSV, { "Idempotency-Key": this.#key });
      this.#update({ isUnderWay: false, file: null, check: null });
      this.#follow(batch.id, batch);
      location.hash = `batch=${batch.id}`;
    } catch (problem) {
      this.#update({ isUnderWay: false, problem });
    }
  }

  #follow(id, batch) {
    this.#stream?.close();
    this.#update({ followed: { id, batch, problem: null } });
    const path = `/transfer-batches/${encodeURIComponent(id)}`;
    const stream = (this.#stream = new Stream(
      `${path}/events`,
      { batch: (news) => this.#show(stream, news) },
      (state) => state === "lost" && this.#explainLoss(stream, path),
    ));
    stream.open();
  }

  #show(stream, batch) {
    if (stream !== this.#stream) return;
    this.#update({ followed: { id: batch.id, batch, problem: null } });
    if (batch.finished_at) stream.close();
  }

  /** A stream doesn't say why it isn't there, an ordinary request does. */
  async #explainLoss(stream, path) {
    try {
      this.#show(stream, await get(path));
    } catch (problem) {
      if (stream !== this.#stream) return;
      if (problem.status === 404 || problem.status === 422) stream.close();
      this.#update({ followed: { ...this.#store.state.batch.followed, problem } });
    }
  }

  #update(changes) {
    this.#store.update({ batch: { ...this.#store.state.batch, ...changes } });
  }
}

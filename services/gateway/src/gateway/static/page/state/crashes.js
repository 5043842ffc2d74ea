/** The crashes that were asked for here, each until the feed shows what came of it. */
import { post } from "./api.js";

export class Crashes {
  #store;

  constructor(store) {
    this.#store = store;
  }

  async crash(process) {
    this.#note(process, { isUnderWay: true, problem: null });
    try {
      await post(`/workers/${process}/crash`);
    } catch (problem) {
      this.#note(process, { isUnderWay: false, problem });
    }
  }

  onWorkers({ items }, before) {
    for (const group of items) {
      const known = before.workers?.find((other) => other.process === group.process);
      if (known && lives(known) !== lives(group)) this.#note(group.process, { isUnderWay: false, problem: null });
    }
  }

  #note(process, crash) {
    this.#store.update({ crashes: { ...this.#store.state.crashes, [process]: crash } });
  }
}

const lives = (group) => JSON.stringify([group.workers.map((worker) => worker.started_at), group.gone_since]);

/** One server-sent event stream that is opened again, ever more patiently, until it is closed on purpose. */
const FIRST_WAIT_MILLISECONDS = 500;
const LONGEST_WAIT_MILLISECONDS = 10_000;
const SILENCE_MILLISECONDS = 35_000; // two heartbeats missed: the connection has died without a word
const HIDDEN_MILLISECONDS = 20_000; // a browser has six connections a host: tabs that nobody sees give theirs back

export class Stream {
  #url;
  #handlers;
  #onState;
  #source = null;
  #timer = 0;
  #silence = 0;
  #wait = FIRST_WAIT_MILLISECONDS;
  #onVisibility = () => this.#followVisibility();

  /**
   * `handlers`: by event name, each called with the parsed data; with one for `heartbeat`, silence counts as a loss.
   * `onState`: with `live`, `lost` or `paused`.
   */
  constructor(url, handlers, onState = () => {}) {
    this.#url = url;
    this.#handlers = handlers;
    this.#onState = onState;
  }

  open() {
    document.addEventListener("visibilitychange", this.#onVisibility);
    this.#connect();
  }

  close() {
    document.removeEventListener("visibilitychange", this.#onVisibility);
    this.#disconnect();
  }

  retryNow() {
    this.#wait = FIRST_WAIT_MILLISECONDS;
    this.#connect();
  }

  #connect() {
    this.#disconnect();
    const source = (this.#source = new EventSource(this.#url));
    source.onopen = () => {
      this.#wait = FIRST_WAIT_MILLISECONDS;
      this.#onState("live");
      this.#expectMore();
    };
    source.onerror = () => this.#connectLater();
    for (const [name, handle] of Object.entries(this.#handlers)) {
      source.addEventListener(name, (event) => {
        this.#expectMore();
        handle(JSON.parse(event.data));
      });
    }
  }

  #expectMore() {
    clearTimeout(this.#silence);
    if (this.#handlers.heartbeat) this.#silence = setTimeout(() => this.#connectLater(), SILENCE_MILLISECONDS);
  }

  #connectLater() {
    this.#disconnect();
    const wait = this.#wait * (0.8 + 0.4 * Math.random());
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT_MILLISECONDS);
    this.#timer = setTimeout(() => this.#connect(), wait);
    this.#onState("lost");
  }

  #disconnect() {
    clearTimeout(this.#timer);
    clearTimeout(this.#silence);
    this.#source?.close();
    this.#source = null;
  }

  #followVisibility() {
    if (!document.hidden) {
      if (this.#source === null) this.retryNow();
      else clearTimeout(this.#timer);
      return;
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#disconnect();
      this.#onState("paused");
    }, HIDDEN_MILLISECONDS);
  }
}

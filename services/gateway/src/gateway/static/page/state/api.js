/** Every call of the page to the public API: an answer, or an ApiProblem with what the problem document says. */
import { learnFrom } from "./clock.js";

const PATIENCE_MILLISECONDS = 15_000; // the gateway itself answers 503 within 3 s

export class ApiProblem extends Error {
  constructor({ status = 0, code = "no_answer", detail, errors = [] }) {
    super(detail);
    Object.assign(this, { status, code, detail, errors });
  }

  /** The problem with what is wrong in which field. */
  get explanation() {
    return [this.detail, ...this.errors.map(({ field, detail }) => `${field} ${detail}.`)].join(" ");
  }

  /** Whether the call may or may not have been carried out. */
  get isUnanswered() {
    return this.status === 0 || this.status >= 500;
  }
}

export const get = (path) => call(path, request("GET"));

export const post = (path, body, headers = {}) => call(path, request("POST", JSON.stringify(body), "application/json", headers));

export const postText = (path, text, type, headers = {}) => call(path, request("POST", text, type, headers));

async function call(path, options) {
  const response = await fetch(path, options).catch(() => {
    throw new ApiProblem({ detail: "No answer: the gateway can't be reached." });
  });
  learnFrom(response);
  const answer = await response.json().catch(() => null);
  if (response.ok) return answer;
  const detail = answer?.detail ?? answer?.title ?? `The gateway answered ${response.status}.`;
  throw new ApiProblem({ status: response.status, code: answer?.code, detail, errors: answer?.errors });
}

function request(method, body, type, headers = {}) {
  const signal = AbortSignal.timeout(PATIENCE_MILLISECONDS);
  if (body === undefined) return { method, headers, signal };
  return { method, signal, headers: { ...headers, "Content-Type": type }, body };
}

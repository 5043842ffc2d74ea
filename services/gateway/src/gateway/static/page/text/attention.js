/** What each kind of thing that needs attention is called, and what there is to do; the runbook says more. */
import { count } from "./formats.js";

const KINDS = {
  unbalanced: ["Books don't agree", "Change nothing by hand; find the first difference."],
  parked: ["Parked", "Remove the cause, then retry."],
  stuck: ["Stuck", "Deploy the code that it needs. The reconciler settles the money by itself."],
  worker_gone: ["Worker gone", "Start it, and find out why it went."],
  compensating_long: ["Undone for long", "See what it waits for."],
  abandoned: ["Abandoned", "The reconciler takes it up by itself: see that it runs."],
  finishing: ["Being finished", "The reconciler is at it: see what it waits for."],
  unobserved: ["Not known", "Bring back what can't be reached."],
};

export const nameOf = (kind) => KINDS[kind]?.[0] ?? kind;

export const adviceOn = (kind) => KINDS[kind]?.[1] ?? "";

export const countsText = (counts) =>
  Object.entries(counts).map(([kind, number]) => `${count(number)} ${nameOf(kind).toLowerCase()}`).join(", ");

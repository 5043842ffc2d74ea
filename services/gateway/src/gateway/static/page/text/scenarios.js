/** The demo faults that a transfer can ask for, and what each will show, in one line. */
export const SCENARIOS = [
  { name: "", title: "None", says: "Four steps, and it has arrived." },
  { name: "ledger_rejects", title: "Ledger rejects", says: "Two steps are undone, last first." },
  { name: "ledger_fails_twice", title: "Ledger fails twice", says: "Retried twice, then it completes." },
  { name: "deposit_fails", title: "Deposit fails", says: "Three attempts fail: it's undone." },
  { name: "slow", title: "Slow", says: "10 s a step: time to crash a worker." },
  { name: "slow_compensation", title: "Slow compensation", says: "Ledger rejects; 10 s an undo step." },
  { name: "compensation_fails", title: "Compensation fails", says: "The refund fails until you retry it." },
];

"""The general tests that a planted bug must not get past. They judge by rows and sums, not by the bug."""

from typing import Final

_CELLS: Final = "test_the_participants_do_what_the_model_says_in_every_cell_of_the_table"

SUITES: Final = {
    "participants": (
        "services/account-worker/tests/test_account_fence.py",
        "services/account-worker/tests/test_account_histories.py",
        "services/ledger-worker/tests/test_ledger_races.py",
        "services/ledger-worker/tests/test_ledger_histories.py",
    ),
    "model": (
        "tests/model/test_protocol_model.py::test_the_models_final_status_is_the_contracts",
        f"tests/model/test_model_schedules.py::{_CELLS}",
    ),
    "traces": ("tests/integration/test_traces.py",),
    "runs": ("tests/integration/test_traces_of_several_runs.py",),
    "batches": ("tests/saga/test_batches.py",),
    "lost_batches": ("tests/saga/test_batch_reconciler.py",),
    "lists": (
        "services/account-worker/tests/test_account_batches.py",
        "services/ledger-worker/tests/test_ledger_batches.py",
    ),
}
"""What pytest runs, by name. participants: races and random histories on real databases, against oracles. model: what
the protocol's model says of every cell of the rules' table. traces, runs: one run of a transfer, and what comes after
it, on the product's own workers, real Temporal and real databases, judged by their rows and sums. batches,
lost_batches: whole batches on real Temporal, carried or finished, judged by the rows and sums of participants in
memory. lists: a batch's order and its steps on real databases.
"""


def suite_of(test: str) -> str:
    """By a test's node id. Raises StopIteration for a test of none."""
    return next(name for name, tests in SUITES.items() if test.startswith(tests))

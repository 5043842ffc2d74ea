"""The protocol's rules as switches: each can be dropped, and then the model must find a counterexample."""

from enum import StrEnum


class Rule(StrEnum):
    """By its number in docs/protocol.md: what holds while it isn't dropped."""

    HELD = "the steps: a deposit is spendable only after its release"
    LOCKED = "1: from the look to the write, a request holds its rows and accounts under lock"
    ONE_TRANSACTION = "1: the decision row and the money are one transaction"
    DURABLE = "1: an answer is committed, and committed means on disk"
    FIRST_WRITER_WINS = "2: there is one row per transfer and step, and a row that is there is the answer"
    TOMBSTONE = "2: a compensation that finds no row leaves one"
    STORABLE = "2: the rows of an unknown account can be stored"
    ID_FROM_THE_KEY = "3: every key comes from the transfer id, never from a run"
    FINGERPRINT = "3: another request with the same key is refused"
    STORED_REQUEST = "3: later steps and compensations use what the first row stored"
    RETENTION = "3, 13: a closed run is remembered until its rows are there for the reconciler to find"
    COMMIT_POINT = "4: record_compensation changes nothing where record is applied"
    WHOLE_ABORT = "5: the abort is the same, whatever this run attempted"
    BARRIER = "6: nothing is undone before record_compensation has answered"
    DEPOSIT_GUARD = "7: a deposit applies only while its withdraw is applied"
    SHIELDED = "8: compensations and release are shielded from cancellation"
    UNLIMITED = "8: compensations and release are retried without limit"
    STATUS_FROM_ROWS = "10: the status is what the rows say, not the path taken"
    ROWS_FIRST_GET = "11: GET asks for the rows before it asks Temporal"
    ROWS_FIRST_POST = "11: POST starts no run where the rows are final or another request's"
    CLOSED_EMPTY = "12: an account is closed with nothing on it"
    CLOSED_AT_REST = "12: an account is closed with no transfer from it under way"
    RECONCILER = "13: there is a reconciler"
    RECONCILER_DOOR = "13: the reconciler closes the door and never decides from a read"
    RECONCILER_LOOKS_AT_TEMPORAL = "13: the reconciler also takes runs that closed before their first row"


NOTHING_DROPPED: frozenset[Rule] = frozenset()

"""A fault that meets another one has had no effect; any other error of it is one that the run must tell."""

from typing import Final

import psycopg
import pytest
from chaos.faults import met_another_fault
from sqlalchemy import exc
from temporalio.service import RPCError, RPCStatusCode

AWAY: Final = [
    psycopg.OperationalError("the connection is gone"),
    psycopg.errors.AdminShutdown("terminated"),
    psycopg.InterfaceError("the connection is closed"),
    psycopg.errors.ReadOnlySqlTransaction("cannot execute INSERT in a read-only transaction"),
    exc.OperationalError("INSERT", {}, psycopg.OperationalError("the connection is gone")),
    exc.InternalError("INSERT", {}, psycopg.errors.ReadOnlySqlTransaction("cannot execute INSERT")),
    exc.TimeoutError("no free connection"),
    ConnectionError("Temporal doesn't answer"),
    RPCError("unavailable", RPCStatusCode.UNAVAILABLE, b""),
    RPCError("too late", RPCStatusCode.DEADLINE_EXCEEDED, b""),
]
WRONG: Final = [
    psycopg.errors.CheckViolation("accounts_balance_check"),
    exc.IntegrityError("UPDATE", {}, psycopg.errors.CheckViolation("accounts_balance_check")),
    exc.IntegrityError("INSERT", {}, psycopg.errors.UniqueViolation("decisions_pkey")),
    exc.ProgrammingError("SELECT", {}, psycopg.errors.UndefinedTable("decisions")),
    exc.InvalidRequestError("a transaction is begun already"),
    RPCError("no such workflow", RPCStatusCode.NOT_FOUND, b""),
]


@pytest.mark.parametrize("error", AWAY, ids=repr)
def test_a_server_that_is_away_is_another_fault(error: Exception) -> None:
    assert met_another_fault(error)


@pytest.mark.parametrize("error", WRONG, ids=repr)
def test_what_a_constraint_refuses_is_no_other_fault(error: Exception) -> None:
    assert not met_another_fault(error)

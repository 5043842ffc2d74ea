"""Steps of single transfers that the participants' databases refuse for as long as a test wants: so they are parked."""

from typing import Final

from psycopg import AsyncConnection
from transfer_contract.steps import Compensation, Step

_INSTALL: Final = """
    CREATE TABLE refused_steps (transfer_id text, step text);
    CREATE FUNCTION refuse_step() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT FROM refused_steps AS refused WHERE refused.transfer_id = NEW.transfer_id
                   AND refused.step = coalesce(to_jsonb(NEW) ->> 'step', 'record')) THEN
            RAISE EXCEPTION 'the test refuses this step';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER refuse_step BEFORE INSERT ON decisions FOR EACH ROW EXECUTE FUNCTION refuse_step();
"""


class RefusedSteps:
    """`urls`: of the accounts and the ledger."""

    def __init__(self, *urls: str) -> None:
        self._urls = urls

    async def install(self) -> None:
        await self._everywhere(_INSTALL)

    async def refuse(self, transfer_id: str, step: Step | Compensation) -> None:
        name = step.step if isinstance(step, Compensation) else step
        await self._everywhere("INSERT INTO refused_steps VALUES (%s, %s)", transfer_id, name)

    async def allow(self, transfer_id: str) -> None:
        """All of the transfer's steps."""
        await self._everywhere("DELETE FROM refused_steps WHERE transfer_id = %s", transfer_id)

    async def _everywhere(self, statement: str, *parameters: str) -> None:
        for url in self._urls:
            async with await AsyncConnection.connect(url) as connection:
                await connection.execute(statement.encode(), parameters or None)

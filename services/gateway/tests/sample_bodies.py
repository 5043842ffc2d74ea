"""Valid bodies that tests change one thing of."""

import json
from typing import Any, Final

JSON: Final = {"Content-Type": "application/json"}


def new_transfer(**changes: object) -> dict[str, Any]:
    body = {"source_account": "alice", "destination_account": "bob", "amount": "25.00", "currency": "EUR"}
    return {**body, **changes}


def as_json(body: object) -> bytes:
    """With escapes where a character can't be encoded: lone surrogates reach the gateway as a client can send them."""
    return json.dumps(body).encode()


def new_account(**changes: object) -> dict[str, Any]:
    return {"id": "alice", "owner": "Alice", "currency": "EUR", **changes}

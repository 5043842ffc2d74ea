from collections.abc import Iterator

import pytest
from compose.stack import Stack, running_stack, why_docker_is_missing


@pytest.fixture(scope="module")
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The parameter names the database of Temporal's state. pytest orders the tests so that each is started once."""
    reason = why_docker_is_missing()
    if reason is not None:
        pytest.skip(reason)
    with pytest.MonkeyPatch.context() as environment, running_stack(request.param, environment) as stack:
        yield stack

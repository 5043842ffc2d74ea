"""What the activities of a batch tell about themselves."""

from transfer_contract.batches import ranges_of
from workflow_handler.batch_steps import RANGES_TOLD, told


def test_an_activity_tells_which_transfers_it_is_about() -> None:
    assert told(ranges_of([1])) == "1-1"
    assert told(ranges_of([2, 4, 5])) == "2-2,4-5"


def test_of_a_list_with_many_gaps_it_tells_the_first_and_the_last() -> None:
    gapped = ranges_of(range(10_000 - 2 * RANGES_TOLD, 10_001, 2))
    assert told(gapped) == f"{10_000 - 2 * RANGES_TOLD}-10000"
    assert len(told(gapped[1:])) < 300, "the server takes no ids of more than a thousand characters"

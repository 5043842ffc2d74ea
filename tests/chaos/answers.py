"""What an answer of the API says of itself: that there is none now, or that the product has a defect."""

from typing import Final

import httpx

NO_DEFECT: Final = "no answer is a defect of the product (5xx; 503 without Retry-After)"


def is_unavailable(answer: httpx.Response) -> bool:
    """Promised while something is away: it says nothing of what happened, and asks to be repeated."""
    return answer.status_code == 503 and "Retry-After" in answer.headers


def is_defect(answer: httpx.Response) -> bool:
    return answer.status_code >= 500 and not is_unavailable(answer)

"""What the web page has to know of the place where it runs. Not part of the public API."""

from fastapi import APIRouter
from pydantic import BaseModel

from gateway.settings import Settings
from gateway.strict_route import StrictRoute


class PageSettings(BaseModel):
    """`kill_command` and `start_command` have `{process}` where a process's name belongs."""

    demo_faults: bool
    temporal_ui_url: str | None
    temporal_namespace: str
    kill_command: str | None
    start_command: str | None


def page_settings_router(settings: Settings) -> APIRouter:
    router = APIRouter(route_class=StrictRoute, include_in_schema=False)

    @router.get("/page-settings")
    async def get_page_settings() -> PageSettings:
        return PageSettings.model_validate(settings, from_attributes=True)

    return router

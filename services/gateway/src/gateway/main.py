"""The composition root: settings, clients, app."""

import uvloop
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from service_runtime.app import create_app, http_server
from service_runtime.logs import configure_logs
from starlette.middleware import Middleware
from transfer_contract.names import Process

from gateway.accounts_api import AccountsApi
from gateway.allowed_methods import install_allow_header
from gateway.batches_api import BatchesApi
from gateway.demo_api import DemoApi
from gateway.docs import docs_router
from gateway.downstream import Downstream
from gateway.events_api import EventsApi
from gateway.observation import HttpMetrics, Observation
from gateway.openapi import describe
from gateway.operations_api import OperationsApi
from gateway.page import PageFiles
from gateway.page_settings import page_settings_router
from gateway.security_headers import SecurityHeaders
from gateway.settings import Settings
from gateway.transfers_api import TransfersApi


def main() -> None:
    settings = Settings()
    configure_logs(settings, Process.GATEWAY)
    uvloop.run(serve_api(settings))


async def serve_api(settings: Settings) -> None:
    async with Downstream(settings) as downstream:
        await http_server(create_gateway(downstream, settings), settings, bounded=True).serve()


def create_gateway(downstream: Downstream, settings: Settings) -> FastAPI:
    registry = CollectorRegistry()
    app = create_app(Process.GATEWAY, downstream.readiness_checks(), registry=registry)
    app.router.redirect_slashes = False  # an address that is almost right is wrong, as a problem like any other
    app.add_middleware(SecurityHeaders)
    app.user_middleware.append(Middleware(Observation, HttpMetrics(registry)))  # innermost: it logs the request id
    app.include_router(TransfersApi(downstream, demo_faults=settings.demo_faults).router())
    for router in BatchesApi(downstream, demo_faults=settings.demo_faults).routers():
        app.include_router(router)
    app.include_router(AccountsApi(downstream).router())
    app.include_router(EventsApi(downstream).router())
    app.include_router(OperationsApi(downstream, reconciliation_seconds=settings.reconciliation_seconds).router())
    if settings.demo_faults:
        app.include_router(DemoApi(downstream).router())
    app.include_router(page_settings_router(settings))
    app.include_router(docs_router())
    app.include_router(PageFiles().router())
    describe(app)
    install_allow_header(app)
    return app

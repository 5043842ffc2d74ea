"""Structured logs: JSON lines in containers, readable ones on a terminal, the standard library's included."""

import logging
import logging.config

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger
from transfer_contract.names import Process

from service_runtime.request_id import current_request_id
from service_runtime.settings import ServiceSettings


def configure_logs(settings: ServiceSettings, process: Process) -> None:
    """Call once, first thing in `main`. Every line carries the process's name and the request id, if there is one."""

    def add_context(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["process"] = process.value
        event.pop("color_message", None)  # uvicorn's line once more, for terminals
        if (request_id := current_request_id.get()) is not None:
            event["request_id"] = request_id
        return event

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        add_context,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if settings.log_format == "json":
        rendering: list[Processor] = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    else:
        # Where `rich` is installed, the default would take seconds for one traceback, and log every local variable.
        rendering = [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)]
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "structured": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": shared,
                    "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
            "root": {"handlers": ["stderr"], "level": settings.log_level},
            "loggers": {
                "uvicorn.access": {"level": "WARNING"},  # the health checks would drown everything else
                "httpx": {"level": "WARNING"},
                "alembic": {"level": "WARNING"},
            },
        }
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )

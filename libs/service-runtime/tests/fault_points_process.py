"""An HTTP process whose one request leaves a trace in the folder of its fault points."""

import os
from pathlib import Path

from prometheus_client import CollectorRegistry
from service_runtime.app import create_app, serve
from service_runtime.settings import ServiceSettings
from transfer_contract.names import Process

if __name__ == "__main__":
    app = create_app(Process.ACCOUNT_API, {}, registry=CollectorRegistry())

    @app.post("/traces")
    def leave_trace() -> None:
        (Path(os.environ["TRACES"]) / "trace").touch()

    serve(app, ServiceSettings())

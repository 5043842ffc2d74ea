"""`405` with every method that the address knows: each FastAPI route knows only its own."""

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from service_runtime.problems import Problem, problem_response
from transfer_contract.http import ProblemCode


def install_allow_header(app: FastAPI) -> None:
    async def answer(request: Request, error: Exception) -> JSONResponse:
        template = getattr(request.scope.get("route"), "path", None)  # None for FastAPI's own /openapi.json
        documented = app.openapi()["paths"].get(template, {})
        methods = sorted(method.upper() for method in documented)
        headers = {"Allow": ", ".join(methods)} if methods else getattr(error, "headers", None)
        problem = Problem(
            ProblemCode.METHOD_NOT_ALLOWED, "This address doesn't know this method; `Allow` names others."
        )
        return problem_response(problem, headers)

    app.add_exception_handler(405, answer)
